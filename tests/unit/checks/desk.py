"""A desk that pays insurance claims: the calls, results and contexts that its checks judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guardkit.core.principals import Principal
from guardkit.core.steps import Action, Observation, Step, Thought, ToolKind, Trust
from guardkit.core.verdicts import CheckContext

KIM = Principal(id="kim@example.com", tenant="harbour")


def call(
    args: dict[str, Any] | None = None,
    *,
    tool: str = "pay_claim",
    kind: ToolKind = ToolKind.EFFECT,
    id: str = "now",
) -> Action:
    return Action(id=id, tool=tool, kind=kind, schema_version="v1", args=args or {}, call_id=f"call-{id}")


def seen(
    text: str, *, trust: Trust = Trust.UNTRUSTED, tool: str = "read_mail", failed: bool = False
) -> Observation:
    return Observation(action_id="earlier", tool=tool, text=text, trust=trust, failed=failed)


def step(action: Action, observation: Observation | None = None) -> Step:
    return Step(thought=Thought(text=""), action=action, observation=observation)


def context(
    *said: str,
    seen: Sequence[Observation] = (),
    history: Sequence[Step] = (),
    blind: bool = False,
) -> CheckContext:
    return CheckContext(
        principal=KIM,
        thread_id="claim-C-1042",
        turn=1,
        thought=None,
        prompt=said,
        history=tuple(history),
        observations=tuple(seen),
        blind=blind,
        calls=len(history) + 1,
        elapsed=0.0,
        flags=frozenset(),
    )
