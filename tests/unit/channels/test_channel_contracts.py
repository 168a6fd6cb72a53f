from __future__ import annotations

import io

import pytest

from guardkit.channels import Console
from guardkit.core.ports import ApprovalChannel
from guardkit.testing import FakeChannel
from guardkit.testing.contracts import ApprovalChannelContract


class TestConsole(ApprovalChannelContract):
    @pytest.fixture
    def channel(self) -> ApprovalChannel:
        return Console(file=io.StringIO())


class TestFakeChannel(ApprovalChannelContract):
    @pytest.fixture
    def channel(self) -> ApprovalChannel:
        return FakeChannel()
