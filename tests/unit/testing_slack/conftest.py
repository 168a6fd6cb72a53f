from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from guardkit.testing.clock import FakeClock
from guardkit.testing.slack import Conversation, Person, SlackServer
from tests.unit.testing_slack.pieces import web_client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def slack(clock: FakeClock) -> Iterator[SlackServer]:
    before = set(threading.enumerate())
    with SlackServer(clock=clock) as server:
        yield server
    assert set(threading.enumerate()) <= before


@pytest.fixture
def client(slack: SlackServer) -> WebClient:
    return web_client(slack)


@pytest.fixture
def ada(slack: SlackServer) -> Person:
    return slack.person("Ada Lovelace", "ada@example.com")


@pytest.fixture
def ops(slack: SlackServer, ada: Person) -> Conversation:
    return slack.conversation("ops", ada)
