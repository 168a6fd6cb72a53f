"""What the tests of telemetry share."""

from __future__ import annotations

import pytest

from tests.unit.otel.scene import Mode, asynchronously, synchronously


@pytest.fixture(params=[synchronously, asynchronously], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Mode:
    return request.param
