"""A claims desk to ask questions of: people, a store, a run that waits, the inbox over it."""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass, field
from typing import Any

from guardkit.core.approvals import Approval, ApprovalRequest, edited_digest
from guardkit.core.digest import action_digest, action_id, approval_id
from guardkit.core.people import Assurance, Person
from guardkit.core.principals import Principal
from guardkit.core.runs import Closing, Opening
from guardkit.core.signing import Signer, Verifier
from guardkit.core.stages import ApprovalStage
from guardkit.core.steps import Action, ToolKind
from guardkit.core.values import JsonObject
from guardkit.runtime.desk import Desk
from guardkit.testing.memory import MemoryStore

START = 1_780_000_000.0

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "claim_id": {"type": "string", "pattern": "^C-[0-9]+$", "description": "The claim to pay."},
        "recipient": {"type": "string"},
        "iban": {"type": "string"},
        "amount": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d+(\.\d{1,2})?$"}]},
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "urgent": {"type": "boolean"},
        "copies": {"type": "integer", "minimum": 1, "maximum": 9},
        "rate": {"type": "number"},
        "note": {"type": "string"},
        "cost_centre": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"text": {"type": "string"}, "cents": {"type": "integer"}},
                "required": ["text", "cents"],
            },
        },
    },
    "required": ["claim_id", "recipient", "amount"],
}

ARGS: JsonObject = {
    "claim_id": "C-2041",
    "recipient": "Maria Okafor",
    "iban": "DE89 3704 0044 0532 0130 00",
    "amount": "1250.00",
    "currency": "EUR",
    "urgent": False,
    "copies": 2,
    "rate": 0.5,
    "note": "Water damage in the kitchen,\nsecond instalment.",
    "cost_centre": None,
    "lines": [{"text": "Plumber", "cents": 80000}, {"text": "Floor", "cents": 45000}],
}

FIRST = Person(
    id="p-ana",
    email="Ana.Silva@corp.example",
    name="Ana Silva",
    tenant="acme",
    roles=("claims-manager",),
    groups=("claims-desk",),
    identities=("slack:T1:U1",),
)
SECOND = Person(
    id="p-ben",
    email="ben@corp.example",
    name="Ben Roth",
    tenant="acme",
    roles=("finance",),
    groups=("finance-desk",),
)
THIRD = Person(
    id="p-cleo",
    email="cleo@corp.example",
    name="Cleo Marsh",
    tenant="acme",
    groups=("finance-desk",),
    roles=("finance",),
)
REQUESTER = Person(
    id="p-req",
    email="req@corp.example",
    name="Rui Requester",
    tenant="acme",
    roles=("claims-manager",),
    groups=("claims-desk",),
)
OUTSIDER = Person(
    id="p-out",
    email="out@other.example",
    name="Olga Other",
    tenant="other",
    roles=("claims-manager",),
    groups=("claims-desk",),
)
BYSTANDER = Person(id="p-by", email="by@corp.example", name="Bo Bystander", tenant="acme")

DESK_STAGE = ApprovalStage(
    role="claims-manager",
    groups=("claims-desk",),
    channels=("claims-desk",),
    assurance=Assurance.LOCAL_OPERATOR,
)
FINANCE_STAGE = ApprovalStage(
    groups=("finance-desk",), required=2, channels=("finance",), assurance=Assurance.LOCAL_OPERATOR
)


class Clock:
    """Time that moves when it is told to."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class People:
    """A directory that is changed while people work."""

    def __init__(self, *people: Person) -> None:
        self.people = {person.id: person for person in people}

    def find(self, identity: str) -> Person | None:
        found = [person for person in self.people.values() if person.answers_to(identity)]
        return found[0] if len(found) == 1 else None

    def change(self, person: Person, **changes: Any) -> None:
        self.people[person.id] = person.model_copy(update=changes)


def key() -> str:
    """A private key for decisions, always the same."""
    return base64.b64encode(bytes(range(32))).decode()


@dataclass
class Claims:
    """One tenant's desk."""

    clock: Clock = field(default_factory=Clock)
    people: People = field(
        default_factory=lambda: People(FIRST, SECOND, THIRD, REQUESTER, OUTSIDER, BYSTANDER)
    )

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.signer = Signer(key())
        self.verifier = Verifier((self.signer.public_key,))
        self.desk = Desk(self.store, self.people, self.signer)
        self._numbers = itertools.count(1)

    def moved_to(self, store: Any) -> None:
        """Keep everything in another store."""
        self.store = store
        self.desk = Desk(store, self.people, self.signer)

    def ask(
        self,
        args: JsonObject | None = None,
        *,
        tool: str = "pay_claim",
        stages: tuple[ApprovalStage, ...] = (DESK_STAGE,),
        schema: JsonObject | None = None,
        tenant: str = "acme",
        expires_in: float | None = 8 * 3600.0,
        excluded: tuple[str, ...] = ("req@corp.example",),
        **more: Any,
    ) -> Approval:
        """A new thread whose run asks, and pauses."""
        number = next(self._numbers)
        args = dict(ARGS) if args is None else args
        principal = Principal(id="req@corp.example", tenant=tenant)
        opened = self.store.open_run(
            Opening(
                tenant=tenant,
                thread_id=more.pop("thread_id", f"claim-{number}"),
                agent=more.pop("agent", "claims-assistant"),
                owner="test",
                lease_seconds=30,
                new_turn=True,
                principal=principal,
                fingerprint="f",
                policy_version="3.2",
            ),
            [],
        )
        action = Action(
            id=action_id(
                tenant=tenant, thread_id=opened.run.thread_id, namespace="", turn=1, message_id="m", call="c"
            ),
            tool=tool,
            kind=ToolKind.EFFECT,
            schema_version="1",
            args=args,
            reads=more.pop("reads", {}),
            call_id="c",
        )
        digest = action_digest(
            tool=tool,
            schema_version="1",
            args=args,
            reads=action.reads,
            principal=principal,
            salt=opened.turn.salt,
        )
        more = {
            "thought": "The invoice matches the assessor's report, so the second instalment is due.",
            "why": ("payments above 1,000 need a claims manager",),
            "rules": ("pay-over-1000",),
            "on_expiry": "reject",
            **more,
        }
        request = ApprovalRequest(
            id=approval_id(action.id, digest, "r"),
            tenant=tenant,
            thread_id=opened.run.thread_id,
            namespace="",
            turn=1,
            agent="claims-assistant",
            action=action,
            digest=digest,
            salt=opened.turn.salt,
            principal=principal,
            excluded=excluded,
            policy="claims",
            policy_version="3.2",
            routes=("desk",),
            route_hash="r",
            stages=stages,
            args_schema=SCHEMA if schema is None else schema,
            requested_at=0.0,
            expires_at=expires_in,
            **more,
        )
        approval = self.store.register(opened.run, [request], [])[0]
        self.store.close_run(
            opened.run, Closing(status="paused", active_seconds=1.0, tool_calls=1, steps=1), []
        )
        self.clock.now += 1
        return approval

    def decide(self, approval: Approval, person: Person = FIRST, **more: Any) -> Approval:
        """What one person says at the machine itself."""
        said: dict[str, Any] = {
            "identity": person.id,
            "digest": approval.digest,
            "kind": "approve",
            "assurance": Assurance.LOCAL_OPERATOR,
            "via": "test",
            **more,
        }
        return self.desk.decide(approval.request.id, **said)

    def now(self, approval: Approval) -> Approval:
        """The approval as it stands."""
        found = self.store.find(approval.request.id)
        assert found is not None
        return found

    def audited(self, kind: str, tenant: str = "acme") -> list[JsonObject]:
        """What the audit log holds of one kind."""
        return [entry.event.data for entry in self.store.entries(tenant) if entry.event.kind == kind]


def digest_of(approval: Approval, args: JsonObject) -> str:
    """The digest that an edit gives the approval."""
    return edited_digest(approval.request, args)
