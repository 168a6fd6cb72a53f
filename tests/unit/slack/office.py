"""A claims desk whose people are in a local Slack: they are asked there, and click there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette

from guardkit.channels.host import ChannelHost
from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.channels.slack import Slack
from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEvent
from guardkit.core.people import Assurance, Person as Somebody
from guardkit.core.runs import Delivery, Post
from guardkit.core.stages import ApprovalStage
from guardkit.core.values import JsonObject
from guardkit.errors import ChannelError, StorageError
from guardkit.testing.memory import MemoryStore
from guardkit.testing.slack import Interaction, Message, OpenView, Person, SlackServer
from guardkit.web.hooks import Hooks
from tests.web.claims import Claims, People

INBOX = "https://inbox.corp.example"
STAGE = ApprovalStage(groups=("claims-desk",), channels=("slack",), assurance=Assurance.CHAT)
PAIR = STAGE.model_copy(update={"required": 2})
FINANCE = ApprovalStage(groups=("finance",), channels=("slack",), assurance=Assurance.CHAT)


class Breakable(MemoryStore):
    """A database that is away when it is told so."""

    settles = True
    keeps_addresses = True

    def settle(self, approval: Approval, expected_version: int, events: Sequence[AuditEvent]) -> bool:
        if not self.settles:
            raise StorageError("the database is away")
        return super().settle(approval, expected_version, events)

    def keep_post(self, post: Post) -> None:
        if post.address is not None and not self.keeps_addresses:
            raise StorageError("the database is away")
        super().keep_post(post)


class Directory(People):
    """People who can be listed."""

    def people_of(self, tenant: str) -> Iterator[Somebody]:
        return (person for person in self.people.values() if person.tenant == tenant)


class Office:
    """People in Slack, the approvals that they are asked for, and the channel between the two.

    Args:
        slack: the local Slack.
        store: where approvals are; in memory, and breakable, unless given.
        **settings: of the channel; it has a conversation unless it says otherwise.
    """

    def __init__(self, slack: SlackServer, *, store: Any = None, **settings: Any) -> None:
        self.slack = slack
        self.ana = slack.person("Ana", "ana@corp.example")
        self.ben = slack.person("Ben", "ben@corp.example")
        self.req = slack.person("Rui", "req@corp.example")
        self.bo = slack.person("Bo", "bo@corp.example")
        self.nobody = slack.person("Nobody", "nobody@corp.example")
        self.guest = slack.person("Gus", "gus@corp.example", is_restricted=True)
        self.stranger = slack.person("Sly", "ana@corp.example", is_stranger=True)
        everybody = (self.ana, self.ben, self.req, self.bo, self.nobody, self.guest, self.stranger)
        self.room = slack.conversation("claims", *everybody, shared=True)
        self.directory = Directory(*self.people())
        self.claims = Claims(people=self.directory)
        self.store = Breakable(self.claims.clock) if store is None else store
        self.claims.moved_to(self.store)
        self.channel = self.new_channel(**settings)

    def people(self) -> tuple[Somebody, ...]:
        """Who the directory knows: Ana by her Slack identity, the others by e-mail."""
        desk = {"tenant": "acme", "groups": ("claims-desk", "finance")}
        return (
            Somebody(
                id="p-ana",
                email="ana@corp.example",
                name="Ana Silva",
                identities=(f"slack:{self.slack.team_id}:{self.ana.id}",),
                **desk,
            ),
            Somebody(id="p-ben", email="ben@corp.example", name="Ben Roth", **desk),
            Somebody(id="p-req", email="req@corp.example", name="Rui", **desk),
            Somebody(id="p-gus", email="gus@corp.example", name="Gus", **desk),
            Somebody(id="p-bo", email="bo@corp.example", name="Bo", tenant="acme"),
        )

    def host(self) -> ChannelHost:
        return ChannelHost(
            name="slack", desk=self.claims.desk, store=self.store, directory=self.directory, inbox=INBOX
        )

    def new_channel(self, **settings: Any) -> Slack:
        """A channel like another process has it."""
        given: dict[str, Any] = {
            "conversation": self.room.id,
            "token": self.slack.bot_token,
            "signing_secret": self.slack.signing_secret,
            "app_id": self.slack.app_id,
            "base_url": self.slack.base_url,
            **settings,
        }
        channel = Slack(**given)
        channel.attach(self.host())
        return channel

    # --- what a worker does

    def ask(self, args: JsonObject | None = None, *, deliver: bool = True, **more: Any) -> Approval:
        approval = self.claims.ask(args, **{"stages": (STAGE,), **more})
        if deliver:
            assert self.round() == []
        return self.claims.now(approval)

    def round(self, channel: Slack | None = None) -> list[str]:
        """Send what has to go out, as a worker does; gives what went wrong."""
        failed: list[str] = []
        for delivery in self.store.deliveries():
            approval = self.store.find(delivery.approval_id)
            assert approval is not None
            try:
                rendered = (channel or self.channel).send(delivery, approval)
            except ChannelError as error:
                self.store.delivered(delivery, error=error.code)
                failed.append(str(error))
            else:
                self.store.delivered(delivery, error=None, rendered=rendered)
        return failed

    def later(self) -> None:
        """Let deliveries that failed come again."""
        self.claims.clock.now += 600

    def edits(self, approval: Approval, amount: str, identity: str = "p-ben") -> Approval:
        """Somebody changes the amount elsewhere."""
        now = self.claims.now(approval)
        return self.claims.desk.decide(
            approval.request.id,
            identity=identity,
            digest=now.digest,
            kind="edit",
            assurance=STAGE.assurance,
            via="web",
            args={**now.args, "amount": amount},
        )

    # --- what people see

    def messages(self, channel: str | None = None) -> list[Message]:
        """The questions in a conversation, without replies in threads."""
        return [one for one in self.slack.messages(channel or self.room.id) if one.thread_ts is None]

    def replies(self, message: Message) -> list[str]:
        return [shown(one) for one in self.slack.messages(message.channel) if one.thread_ts == message.ts]

    def message(self) -> Message:
        """The newest question in the room."""
        return self.messages()[-1]

    def click(self, person: Person, action: str = "gk_approve", on: Message | None = None) -> Interaction:
        """Press a button of the newest question, or of a message as it was seen earlier."""
        return self.slack.click(person, on or self.message(), action, as_seen=on is not None)

    def told(self, person: Person) -> list[str]:
        """What somebody alone was told, once what follows the answers is done."""
        self.channel.close()
        return [shown(one) for one in self.slack.ephemerals(person)]

    def view(self, person: Person) -> OpenView:
        found = self.slack.view(person)
        assert found is not None, "no modal is open"
        return found

    def refused(self, tenant: str = "acme") -> list[Any]:
        """Why callbacks were refused, by the audit log."""
        return [
            entry.event.data["why"]
            for chain in ("*", tenant)
            for entry in self.store.entries(chain)
            if entry.event.kind == "channel.refused"
        ]

    def desk_refused(self) -> list[Any]:
        return [data["why"] for data in self.claims.audited("approval.refused")]


def shown(value: Any) -> str:
    """All text of a message or view."""
    blocks = value.view["blocks"] if isinstance(value, OpenView) else value.blocks
    return " ".join(" ".join(texts(blocks)).split())


def texts(value: Any) -> Iterator[str]:
    """Every piece of text in blocks."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name in ("text", "initial_value", "fallback") and isinstance(part, str):
                yield part
            else:
                yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def actions(value: Any) -> list[str]:
    """The action ids of the buttons that are offered."""
    found: list[str] = []
    blocks: Any = value.view["blocks"] if isinstance(value, OpenView) else value.blocks
    for block in blocks:
        found += [one["action_id"] for one in block.get("elements", ()) if one.get("type") == "button"]
    return found


class Door:
    """One address of a server, behind which the channels of the tests stand in turn."""

    name = "slack"

    def __init__(self) -> None:
        self.channel: Slack | None = None
        self.url = ""

    def send(self, delivery: Delivery, approval: Approval) -> str:
        raise ChannelError("only a door")

    def receive(self, request: HttpRequest) -> HttpReply:
        return HttpReply(status=404) if self.channel is None else self.channel.receive(request)


@contextlib.contextmanager
def opened() -> Iterator[Door]:
    """A server with one channel's address, as the inbox has it."""
    door = Door()
    app = Starlette(routes=[*Hooks({"slack": door}, lambda: True).routes()])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            door.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hooks/slack"
            yield door
        finally:
            server.should_exit = True
            thread.join(60)


def eventually(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
