"""A claims desk whose people are in Teams, and what they send from there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from guardkit.channels.host import ChannelHost
from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.channels.teams import Teams
from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEvent
from guardkit.core.people import Assurance, Person
from guardkit.core.runs import Delivery
from guardkit.core.stages import ApprovalStage
from guardkit.errors import ChannelError, StorageError
from guardkit.testing.memory import MemoryStore
from tests.unit.teams.microsoft import BOT, TENANT, Microsoft
from tests.web.claims import FIRST, REQUESTER, SECOND, THIRD, Claims, People

ROOM = "19:claims@thread.tacv2"
STAGE = ApprovalStage(
    role="claims-manager", groups=("claims-desk",), channels=("finance",), assurance=Assurance.CHAT
)
PAIR = ApprovalStage(groups=("finance-desk",), required=2, channels=("finance",), assurance=Assurance.CHAT)

ANA = FIRST.model_copy(update={"identities": ("entra:00000000-0000-4000-8000-00000000000a",)})
BEN = SECOND.model_copy(update={"identities": ("entra:00000000-0000-4000-8000-00000000000b",)})
CLEO = THIRD
"""The directory knows her by her address only."""

RUI = REQUESTER.model_copy(update={"identities": ("entra:00000000-0000-4000-8000-00000000000d",)})

OBJECT_IDS = {
    ANA.id: "00000000-0000-4000-8000-00000000000a",
    BEN.id: "00000000-0000-4000-8000-00000000000b",
    CLEO.id: "00000000-0000-4000-8000-00000000000c",
    RUI.id: "00000000-0000-4000-8000-00000000000d",
}


class Everybody(People):
    """A directory that can list people."""

    def people_of(self, tenant: str) -> list[Person]:
        return [person for person in self.people.values() if person.tenant == tenant]


class Fragile(MemoryStore):
    """A database that is away when it is told to be."""

    away = False

    def settle(self, approval: Approval, expected_version: int, events: Sequence[AuditEvent]) -> bool:
        if self.away:
            raise StorageError("the database cannot be reached")
        return super().settle(approval, expected_version, events)


class FragileClaims(Claims):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.moved_to(Fragile(self.clock))


@dataclass
class TeamsDesk:
    """Claims, a channel at work, and Microsoft around it."""

    microsoft: Microsoft
    conversation: str | None = ROOM
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "finance"
    over: Any = None
    """Where approvals are; in memory, and fragile, unless given."""

    def __post_init__(self) -> None:
        self.claims = FragileClaims(people=Everybody(ANA, BEN, CLEO, RUI))
        if self.over is not None:
            self.claims.moved_to(self.over)
        self.store: Any = self.claims.store
        self.channel = Teams(self.conversation, **self.microsoft.settings(backoff=0.001, **self.settings))
        self.host = ChannelHost(
            name=self.name,
            desk=self.claims.desk,
            store=self.store,
            directory=self.claims.people,
            inbox="http://127.0.0.1:8321",
        )
        self.channel.attach(self.host)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self.channel.close()

    def ask(self, args: Any = None, *, stages: tuple[ApprovalStage, ...] = (STAGE,), **more: Any) -> Approval:
        return self.claims.ask(args, stages=stages, **{"excluded": (), **more})

    def deliver(self) -> list[str]:
        """What a worker does in a round; returns the errors."""
        errors: list[str] = []
        for delivery in self.store.deliveries():
            approval = self.store.find(delivery.approval_id)
            assert approval is not None
            try:
                rendered = self.channel.send(delivery, approval)
            except ChannelError as error:
                errors.append(str(error))
                self.store.delivered(delivery, error=error.code)
            else:
                self.store.delivered(delivery, error=None, rendered=rendered)
        return errors

    def delivery(self, approval: Approval, kind: Any = "ask", stage: int = 0) -> Delivery:
        return Delivery(
            id=f"d-{next(self._numbers)}",
            approval_id=approval.request.id,
            tenant="acme",
            channel=self.name,
            kind=kind,
            stage=stage,
            attempts=1,
        )

    def activity(self, person: Person = ANA, **changes: Any) -> dict[str, Any]:
        """Something that somebody does in Teams."""
        return {
            "type": "message",
            "id": f"i{next(self._numbers)}",
            "channelId": "msteams",
            "serviceUrl": self.microsoft.service_url,
            "from": {"id": f"29:{person.id}", "name": person.name, "aadObjectId": OBJECT_IDS[person.id]},
            "recipient": {"id": BOT, "name": "guardkit"},
            "conversation": {"id": ROOM, "conversationType": "channel", "tenantId": TENANT},
            "channelData": {"tenant": {"id": TENANT}},
            **changes,
        }

    def click(
        self,
        approval: Approval,
        verb: str = "approve",
        person: Person = ANA,
        *,
        data: dict[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The invoke of a button."""
        said = {"id": approval.request.id, "version": approval.version, **(data or {})}
        action = {"type": "Action.Execute", "verb": verb, "data": said}
        return self.activity(
            person,
            **{
                "type": "invoke",
                "name": "adaptiveCard/action",
                "replyToId": "m1",
                "value": {"action": action, "trigger": "manual"},
                **changes,
            },
        )

    def personal(self, person: Person = ANA, **changes: Any) -> dict[str, Any]:
        """Something in the person's own conversation with the bot."""
        conversation = {"id": f"a:{person.id}", "conversationType": "personal", "tenantId": TENANT}
        return self.activity(person, **{"conversation": conversation, **changes})

    def installs(self, *people: Person) -> None:
        for person in people:
            reply = self.sends(self.personal(person, type="installationUpdate", action="add"))
            assert reply.status == 200

    def sends(self, activity: Any, token: str | None = None) -> HttpReply:
        """Post an activity to the channel's address."""
        body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
        headers = {"authorization": f"Bearer {self.microsoft.token() if token is None else token}"}
        return self.channel.receive(HttpRequest(headers=headers, body=body))

    def says(self, activity: dict[str, Any]) -> dict[str, Any]:
        """Post an invoke; the body that Teams gets."""
        reply = self.sends(activity)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def refusals(self) -> list[str]:
        """Why callbacks were refused, from the audit log."""
        return [
            str(data["why"])
            for tenant in ("*", "acme")
            for data in self.claims.audited("channel.refused", tenant)
        ]


def texts(card: Any) -> str:
    """Everything that a card says in runs, one line each."""
    lines: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            if node.get("type") == "RichTextBlock":
                lines.append("".join(run["text"] for run in node["inlines"]))
            elif node.get("type") == "TextBlock":
                lines.append(node["text"])
            else:
                for one in node.values():
                    walk(one)

    walk(card)
    return "\n".join(lines)


def verbs(card: Any) -> list[str]:
    """The decisions that a card offers."""
    found: list[str] = []
    for action in card.get("actions", []):
        inner = action["card"]["actions"] if action["type"] == "Action.ShowCard" else [action]
        found += [one["verb"] for one in inner if one["type"] == "Action.Execute"]
    return found
