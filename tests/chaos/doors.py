"""Addresses that strangers' payloads come to, each with something behind it that nothing sent here may change.

Three kinds of senders come to each: one who proves to be genuine and may decide nothing; one who may decide, is genuine
and names an approval that is not there; and one who may decide and proves nothing.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Literal

from starlette.types import ASGIApp, Message

from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEntry
from guardkit.core.ports import Store
from guardkit.web import OneTimeLink, WebSettings, inbox
from tests.chaos.mutations import Shot
from tests.web.claims import Claims
from tests.web.visits import KEY, URL

Sender = Literal["may not decide", "names nothing", "proves nothing"]

SENDERS: tuple[Sender, ...] = ("may not decide", "names nothing", "proves nothing")
NOWHERE = "0" * 32
"""An approval that is not there."""


class Door(ABC):
    """One address.

    Args:
        store: where approvals and the audit log are.
    """

    refuses: frozenset[int] = frozenset()
    """The statuses each of which is audited."""

    audits = True
    """Whether refusals are audited; of a sign-in they are not."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @abstractmethod
    def shot(self, random: Random, sender: Sender) -> Shot:
        """Something that such a sender sends, changed in one way or another."""

    @abstractmethod
    def fire(self, shot: Shot) -> int:
        """Send it; the status of the answer."""

    @abstractmethod
    def standing(self) -> Any:
        """What nothing that is sent may change."""

    @abstractmethod
    def provoke(self) -> None:
        """Send something that is refused and audited."""

    @abstractmethod
    def close(self) -> None:
        """Wait until nothing goes on behind an answer any more."""


class Web:
    """An ASGI application, called as a server calls it, by a request of which everything is chosen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self.headers: list[tuple[bytes, bytes]] = []
        """Of the last answer."""

    def __call__(self, shot: Shot, proof: Mapping[str, str]) -> int:
        return self._runner.run(self._call(shot, shot.headers_with(proof)))

    def close(self) -> None:
        self._runner.close()

    async def _call(self, shot: Shot, headers: list[tuple[bytes, bytes]]) -> int:
        size = -(-len(shot.body) // shot.pieces) or 1
        parts = [shot.body[at : at + size] for at in range(0, len(shot.body), size)] or [b""]
        if shot.broken_off:
            parts = parts[:1]
        coming: Iterator[Message] = iter(
            [
                {"type": "http.request", "body": part, "more_body": shot.broken_off or number < len(parts)}
                for number, part in enumerate(parts, start=1)
            ]
        )
        statuses: list[int] = []

        async def receive() -> Message:
            return next(coming, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                self.headers = list(message["headers"])

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": shot.method,
            "scheme": "http",
            "path": shot.path,
            "raw_path": shot.path.encode(),
            "root_path": "",
            "query_string": shot.query,
            "headers": [(b"host", URL.partition("//")[2].encode()), *headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8321),
        }
        await self._app(scope, receive, send)
        (status,) = statuses
        return status


def web(claims: Claims, channels: Mapping[str, object]) -> Web:
    """The inbox over a claims desk, with its channels."""
    settings = WebSettings(url=URL, keys=(KEY,))
    sign_in = OneTimeLink(settings)
    return Web(inbox(claims.desk, claims.store, claims.people, settings, sign_in=sign_in, channels=channels))


def swapped(payload: Any, names: Mapping[str, str]) -> Any:
    """The payload with ids in it replaced, wherever they are."""
    text = json.dumps(payload)
    for old, new in names.items():
        text = text.replace(old, new)
    return json.loads(text)


def decided(store: Store, approval: Approval) -> Any:
    """How a question stands, and where its copies are."""
    now = store.find(approval.request.id)
    assert now is not None
    return now.version, now.state, now.decisions, store.posts(now.request.tenant, now.request.id)


def audit(store: Store) -> Iterator[AuditEntry]:
    """What was audited, for the tenant of the question and for nobody's."""
    for tenant in ("*", "acme"):
        after = 0
        while entries := store.entries(tenant, after):
            yield from entries
            after = entries[-1].seq
