"""A database with questions to people, and a command line in the same process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from guardkit.cli import app
from guardkit.core.approvals import Approval
from guardkit.core.keys import Keys
from guardkit.core.people import Assurance
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.stages import ApprovalStage
from guardkit.core.values import JsonObject
from guardkit.policy import Policy
from guardkit.runtime.desk import Desk
from guardkit.sql import SQLStore
from guardkit.testing.contracts import samples

OFFICE_PEOPLE = """
people:
  - {id: dana, email: dana@example.com, roles: [manager]}
  - {id: eli, email: eli@example.com, roles: [manager]}
  - {id: uma, email: uma@example.com, roles: [manager]}
  - {id: nora, email: nora@example.com, roles: [manager], tenant: north}
  - {id: finn, email: finn@example.com}
"""
SCHEMA: JsonObject = {
    "type": "object",
    "additionalProperties": False,
    "required": ["claim", "cents"],
    "properties": {
        "claim": {"type": "string"},
        "cents": {"type": "integer", "minimum": 1},
        "currency": {"enum": ["EUR", "USD"]},
        "urgent": {"type": "boolean"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
    },
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"amount": {"type": "number"}, "text": {"type": "string"}},
        }
    },
}
ARGS: JsonObject = {
    "claim": "C-1",
    "cents": 48000,
    "currency": "EUR",
    "lines": [{"amount": 1.5, "text": "a"}],
}


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass
class Office:
    """A database with questions, and a command line in the same process."""

    store: SQLStore
    environment: dict[str, str]
    threads: int = 0

    def ask(self, args: JsonObject | None = None, **changes: Any) -> Approval:
        """A question that waits in a thread of its own."""
        self.threads += 1
        tenant = changes.pop("tenant", "default")
        thread = changes.pop("thread", f"t-{self.threads}")
        required = changes.pop("required", 1)
        run = samples.opened(self.store, thread, tenant=tenant).run
        stage = ApprovalStage(
            role="manager", approvers=("dana", "eli", "nora"), channels=("desk",), required=required,
            assurance=Assurance.LOCAL_OPERATOR,
        )  # fmt: skip
        asked = samples.request(run, self.threads, stages=(stage,), args=args or ARGS).model_copy(
            update={"args_schema": SCHEMA, **changes}
        )
        (approval,) = self.store.register(run, [asked], [])
        self.store.close_run(run, samples.closing(), [])
        return approval

    def now(self, approval: Approval) -> Approval:
        found = self.store.find(approval.request.id)
        assert found is not None
        return found

    def decide(self, approval: Approval, person: str, kind: Any = "approve", **more: Any) -> Approval:
        """What somebody else says meanwhile."""
        people = Policy.from_file("policy.yaml").directory
        assert people is not None
        signer = Keys.generate().decision_signer()
        return Desk(self.store, people, signer).decide(
            approval.request.id, identity=person, digest=approval.digest, kind=kind,
            assurance=Assurance.LOCAL_OPERATOR, via="test", **more,
        )  # fmt: skip

    def __call__(self, *words: str, typed: str | None = None) -> Ran:
        """A command about approvals."""
        done = CliRunner().invoke(app, ["approvals", *words], input=typed)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)


def hash_of(approval: Approval) -> str:
    return presentation_hash(present(approval))


def shown(approval: Approval) -> tuple[str, ...]:
    """What a script that has looked at an approval adds."""
    return ("--as", "dana@example.com", "--yes", "--shown", hash_of(approval))
