from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from guardkit.channels.email import Email
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.ports import ApprovalChannel, Store
from guardkit.core.runs import Delivery
from guardkit.core.signing import Signer
from guardkit.runtime.desk import Desk
from guardkit.sql import Database, SQLStore
from guardkit.testing import MemoryStore
from guardkit.testing.contracts import ApprovalChannelContract, samples
from tests.unit.email_channel.desk import SENDER, Roll
from tests.unit.email_channel.mailserver import MailServer
from tests.web.claims import key
from tests.web.visits import KEY, URL


class Registering:
    """The channel over a store that knows every question which the contract makes up."""

    def __init__(self, channel: Email, store: Store) -> None:
        self.name = channel.name
        self._channel = channel
        self._store = store
        self._run = samples.opened(store).run

    def send(self, delivery: Delivery, approval: Approval) -> str:
        self._store.register(self._run, [approval.request], [])
        return self._channel.send(delivery, approval)


@contextlib.contextmanager
def over(store: Store) -> Iterator[ApprovalChannel]:
    people = Roll(samples.ADA, samples.BEN, samples.CLEO)
    with MailServer() as server:
        channel = Email(SENDER, host="127.0.0.1", port=server.port, security="none")
        channel.attach(
            ChannelHost(
                name=channel.name,
                desk=Desk(store, people, Signer(key())),
                store=store,
                directory=people,
                inbox=URL,
                secret=KEY,
            )
        )
        yield Registering(channel, store)


class TestEmail(ApprovalChannelContract):
    @pytest.fixture
    def channel(self) -> Iterator[ApprovalChannel]:
        with over(MemoryStore()) as channel:
            yield channel


class TestEmailOverSQL(ApprovalChannelContract):
    @pytest.fixture
    def channel(self, sqlite_url: str) -> Iterator[ApprovalChannel]:
        with Database(sqlite_url) as database, over(SQLStore(database)) as channel:
            yield channel
