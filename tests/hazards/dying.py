"""A process of the desk that dies at a chosen instant: `python -m tests.hazards.dying WHEN URL THREAD`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from langgraph.types import Command

from guardkit import Guard, GuardedGraph, Keys
from guardkit.testing import calls
from tests.promises.scene import ASK, PEOPLE, People, Scene, agent, policy_of

DIED = 9
"""The status of a process that died where it was told to."""

_PUBLIC = "TESTS_DECISION_PUBLIC_KEYS"


def keys_for(scene: Scene) -> dict[str, str]:
    """The environment of a process that holds public keys only."""
    return {**os.environ, _PUBLIC: ",".join(scene.keys.decision_public_keys)}


def _ledger(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///")).with_suffix(".payments")


def payments(url: str) -> list[str]:
    """What was paid, by whichever process."""
    path = _ledger(url)
    return path.read_text("utf-8").splitlines() if path.exists() else []


def paying(guard: Guard, die: Callable[[], None] | None) -> GuardedGraph:
    """An agent that pays once; the payment is in a file before anything else can happen."""
    path = _ledger(guard.database.engine.url.render_as_string())

    @guard.effect(key=lambda a: a.claim)
    def pay(claim: str, amount: int) -> str:
        """Pay a claim."""
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{claim} {amount}\n")
            file.flush()
            os.fsync(file.fileno())
        if die is not None:
            die()
        return f"paid {amount}"

    return guard.compile(agent([calls(("pay", {"claim": "C-1", "amount": 5})), "done"], [pay]))


def _die() -> None:
    os._exit(DIED)


def _die_judging(action: Any, context: Any) -> None:
    os._exit(DIED)


def main(when: str, url: str, thread_id: str) -> None:
    """Go on with the thread, and die."""
    checks: Mapping[str, Any] = (
        {"action_checks": [("die", _die_judging)]} if when == "before_the_claim" else {}
    )
    people = People(*PEOPLE)
    guard = Guard(
        url,
        policy=policy_of({"pay": ASK}, people=people),
        keys=Keys(decision_public_keys=tuple(os.environ[_PUBLIC].split(","))),
        directory=people,
        lease_seconds=5.0,  # short, so that others soon take over; long enough for a busy machine
        **checks,
    )
    graph = paying(guard, _die if when == "after_the_effect" else None)
    config = guard.config(thread_id)
    waits = graph.get_state(config).interrupts
    output = graph.invoke(Command(resume={one.id: "approve" for one in waits}), config)
    sys.exit(f"the process lived on, and the turn came to {guard.outcome(output, config)!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
