from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardkit.testing.slack import SlackServer
from tests.unit.slack.office import Door, Office, opened


@pytest.fixture(scope="session")
def door() -> Iterator[Door]:
    with opened() as door:
        yield door


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer(ack_seconds=60, trigger_seconds=600) as server:
        yield server


@pytest.fixture
def office(slack: SlackServer, door: Door) -> Iterator[Office]:
    """The claims desk, with its channel reached by HTTP."""
    office = Office(slack)
    yield from _served(office, door)


@pytest.fixture
def personal(slack: SlackServer, door: Door) -> Iterator[Office]:
    """The claims desk, where each approver is written to; reached by HTTP."""
    yield from _served(Office(slack, conversation=None), door)


@pytest.fixture
def wired(slack: SlackServer) -> Iterator[Office]:
    """The claims desk, with its channel reached by Socket Mode."""
    office = Office(slack, app_token=slack.app_token, signing_secret="")
    office.channel.open()
    slack.wait_for_connections()
    try:
        yield office
    finally:
        office.channel.close()


@pytest.fixture(params=["http", "sockets"])
def both(request: pytest.FixtureRequest) -> Office:
    """The claims desk, by either transport."""
    return request.getfixturevalue("office" if request.param == "http" else "wired")


def _served(office: Office, door: Door) -> Iterator[Office]:
    door.channel = office.channel
    office.slack.request_url = door.url
    try:
        yield office
    finally:
        door.channel = None
        office.channel.close()
