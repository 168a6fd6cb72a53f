"""What the model proposes in a campaign: batches in which everything is mixed."""

from __future__ import annotations

import random
from typing import Any

from tests.chaos.scene import Script

_TOOLS = ("look_up", "note", "note", "pay", "pay", "refund", "wire", "erase", "hurry")


def script(rng: random.Random, name: str, *, batches: int, hurried: bool) -> Script:
    """A script for one turn.

    Args:
        rng: decides.
        name: begins the names of all items, so that no two turns mean the same.
        batches: how many messages propose calls.
        hurried: whether some calls may expire while people think.
    """
    tools = _TOOLS if hurried else _TOOLS[:-1]
    made: list[list[tuple[str, dict[str, Any]]]] = []
    for number in range(batches):
        batch: list[tuple[str, dict[str, Any]]] = []
        for place in range(rng.randint(2, 4)):
            tool = rng.choice(tools)
            args: dict[str, Any] = {"item": f"{name}.{number}.{place}"}
            if tool != "look_up":
                args["amount"] = rng.randint(1, 900)
            batch.append((tool, args))
        effects = [call for call in batch if call[0] != "look_up"]
        if effects and rng.random() < 0.2:
            batch.append(_twin(rng, *rng.choice(effects)))
        made.append(batch)
    return made


def _twin(rng: random.Random, tool: str, args: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The same call once more, or another one under the same key."""
    return tool, args if rng.random() < 0.5 else {**args, "amount": args["amount"] + 1}
