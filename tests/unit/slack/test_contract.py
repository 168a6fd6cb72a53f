"""The channel keeps the contract of the port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardkit.core.approvals import Approval
from guardkit.core.ports import ApprovalChannel
from guardkit.core.runs import Delivery
from guardkit.testing.contracts import ApprovalChannelContract
from guardkit.testing.slack import SlackServer
from tests.unit.slack.office import Office


class Registered:
    """The channel, over a store that has every approval which is sent."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self.name = office.channel.name

    def send(self, delivery: Delivery, approval: Approval) -> str:
        self._office.store._approvals[approval.request.id] = approval
        return self._office.channel.send(delivery, approval)


class TestSlack(ApprovalChannelContract):
    @pytest.fixture
    def channel(self, slack: SlackServer) -> Iterator[ApprovalChannel]:
        office = Office(slack)
        yield Registered(office)
        office.channel.close()
