"""A claims desk's policy, people and tools, for the tests of policies."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from guardkit.core.people import Person
from guardkit.core.principals import Principal
from guardkit.core.steps import Action, ToolKind
from guardkit.core.values import Json
from guardkit.policy import Facts, PeopleDirectory, Policy, ToolSchema

POLICY = """\
policy: claims
version: "3.2"
owner: claims-risk@corp.example
jurisdictions: [EU]
directory: people.yaml
default: reject
review: desk
tools:
  lookup_claim: allow
  pay_claim:
    otherwise: escalate
    approval: desk-then-finance
    rules:
      - {id: pay-negative, when: "args.amount <= 0.0", decide: reject, why: "not a payment", tell_model: "amount must be positive"}
      - {id: pay-foreign, when: "tainted(args.claim_id)", decide: reject, why: "claim number comes from outside"}
      - {id: pay-small, when: "args.amount < 100.0 && !('instruction' in flags)", decide: allow}
approvals:
  desk:
    stages:
      - {approvers: [first@corp.example], channel: claims-desk}
    expires_in: 1h
    on_expiry: reject
  desk-then-finance:
    stages:
      - {role: manager, approvers: [first@corp.example, second@corp.example], channel: claims-desk, assurance: chat}
      - {role: finance, approvers: {group: finance-desk}, required: 2, channel: finance, assurance: oidc}
    exclude_requester: true
    expires_in: 8h
    on_expiry: no_result
    valid_for: 30m
    allowed_decisions: [approve, reject]
budgets: {steps: 12, tool_calls: 20, seconds: 120}
sources: {admit: 'source.status == "approved" && source.owner.endsWith("@corp.example")'}
"""

PEOPLE = """\
people:
  - {id: u1, email: first@corp.example, name: First, roles: [manager]}
  - {id: u2, email: second@corp.example, roles: [manager], identities: ["slack:T1:U2"]}
  - {id: u3, email: third@corp.example, roles: [finance], groups: [finance-desk]}
  - {id: u4, email: fourth@corp.example, roles: [finance], groups: [finance-desk]}
  - {id: u5, email: fifth@corp.example, roles: [finance], groups: [finance-desk], active: false}
"""


class Item(BaseModel):
    """One line of a payment."""

    name: str
    price: float


class PayClaim(BaseModel):
    """Arguments of `pay_claim`."""

    claim_id: str
    amount: Decimal
    kind: Literal["claim", "refund"] = "claim"
    note: str | None = None
    count: int = 1
    urgent: bool = False
    items: list[Item] = []
    labels: dict[str, str] = {}
    extra: Any = None


class LookupClaim(BaseModel):
    """Arguments of `lookup_claim`."""

    claim_id: str


VERSION = "v1"
TOOLS = {
    "pay_claim": ToolSchema(
        name="pay_claim",
        kind=ToolKind.EFFECT,
        json_schema=PayClaim.model_json_schema(),
        schema_version=VERSION,
    ),
    "lookup_claim": ToolSchema(
        name="lookup_claim",
        kind=ToolKind.READ,
        json_schema=LookupClaim.model_json_schema(),
        schema_version=VERSION,
    ),
}


def people() -> PeopleDirectory:
    """Five people, one of them inactive."""
    finance: dict[str, Any] = {"roles": ("finance",), "groups": ("finance-desk",)}
    return PeopleDirectory(
        [
            Person(id="u1", email="first@corp.example", roles=("manager",)),
            Person(id="u2", email="second@corp.example", roles=("manager",), identities=("slack:T1:U2",)),
            Person(id="u3", email="third@corp.example", **finance),
            Person(id="u4", email="fourth@corp.example", **finance),
            Person(id="u5", email="fifth@corp.example", active=False, **finance),
        ]
    )


def write(folder: Path, policy: str = POLICY, people_text: str = PEOPLE) -> Path:
    """The policy and people files in a folder; the policy's path."""
    (folder / "people.yaml").write_text(people_text, encoding="utf-8")
    path = folder / "claims.yaml"
    path.write_text(policy, encoding="utf-8")
    return path


def policy_of(*rules: dict[str, Any], otherwise: str = "escalate", default: str = "reject") -> Policy:
    """A policy with these rules on `pay_claim`, bound to the desk's tools."""
    unbound = Policy.from_dict(
        {
            "policy": "claims",
            "version": "1",
            "owner": "tests",
            "default": default,
            "review": "desk",
            "tools": {"lookup_claim": "allow", "pay_claim": {"otherwise": otherwise, "rules": list(rules)}},
            "approvals": {
                name: {
                    "stages": [{"approvers": ["first@corp.example"], "channel": name}],
                    "expires_in": "1h",
                    "on_expiry": "reject",
                }
                for name in ("desk", "other")
            },
        },
        directory=people(),
    )
    return unbound.bind(TOOLS)


def rule(when: str, decide: str = "reject", name: str = "r", **more: Any) -> dict[str, Any]:
    """A rule as a policy file holds it."""
    why = {} if decide == "allow" else {"why": "because"}
    return {"id": name, "when": when, "decide": decide, **why, **more}


def action(tool: str = "pay_claim", **args: Json) -> Action:
    """A call; of `pay_claim` with the arguments that every call has, unless others are given."""
    return called(tool, {"claim_id": "c-17", "amount": "250.00", **args} if tool == "pay_claim" else args)


def called(tool: str, args: dict[str, Json], *, version: str = VERSION) -> Action:
    """A call with exactly these arguments."""
    return Action(id="a1", tool=tool, kind=ToolKind.EFFECT, schema_version=version, args=args, call_id="c1")


def facts(
    *,
    tainted: Callable[[Json], bool] = lambda value: False,
    flags: frozenset[str] = frozenset(),
    calls: int = 1,
    elapsed: float = 1.0,
    principal: Principal | None = None,
) -> Facts:
    """Circumstances in which nothing is suspicious, unless said."""
    return Facts(
        principal=principal or Principal(id="ada", tenant="acme"),
        thread_id="t1",
        turn=1,
        calls=calls,
        elapsed=elapsed,
        flags=flags,
        tainted=tainted,
    )
