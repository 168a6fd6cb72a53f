"""An honest scene, and the pen to change what it left behind: journals, database, conversation."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guardkit import Approval, GuardedGraph
from guardkit.core.audit import AuditEvent
from tests.chaos.oracle import Findings, judge
from tests.chaos.people import Answer, Crowd
from tests.chaos.scene import Scene, Script, prompt

SCRIPT: Script = [
    [
        ("look_up", {"item": "a"}),
        ("note", {"item": "a", "amount": 5}),
        ("pay", {"item": "b", "amount": 50}),
        ("wire", {"item": "c", "amount": 500}),
        ("refund", {"item": "d", "amount": 70}),
        ("pay", {"item": "e", "amount": 80}),
        ("erase", {"item": "f", "amount": 1}),
    ]
]
"""One call of every fate: read, free, approved by one, by three, edited to 71, rejected by people, by the policy."""

Line = dict[str, Any]


@dataclass
class Forgery:
    """A copy of an honest scene, and the pen to change it with."""

    scene: Scene
    graph: GuardedGraph

    def judged(self) -> Findings:
        return judge(self.scene, self.graph, [SCRIPT])

    def sql(self, statement: str, *values: Any) -> None:
        """Change the database itself."""
        path = self.scene.folder / "guardkit.db"
        with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
            assert connection.execute(statement, values).rowcount == 1

    def rewrite(self, name: str, change: Callable[[list[Line]], list[Line]]) -> None:
        """Change a journal."""
        path = self.scene.folder / name
        before = [json.loads(line) for line in path.read_text().splitlines()]
        after = change([dict(line) for line in before])
        assert after != before
        path.write_text("".join(f"{json.dumps(line)}\n" for line in after))

    def bank(self, tool: str, **changes: Any) -> None:
        """Change what the bank says of an effect."""
        self.rewrite(
            "bank.jsonl",
            lambda lines: [
                {**line, **changes} if line["what"] == "effect" and line["tool"] == tool else line
                for line in lines
            ],
        )

    def effect(self, tool: str) -> Line:
        """What the bank says of an effect."""
        (line,) = [line for line in self.scene.bank.journal.lines("effect") if line["tool"] == tool]
        return line

    def begins(self, tool: str) -> None:
        """Let the bank say that an effect was asked for once more."""
        self.scene.bank.journal.write("asked for", tool=tool, key=self.effect(tool)["key"], process=1)

    def happens(self, tool: str, args: dict[str, Any], **changes: Any) -> None:
        """Let the bank say that one more effect happened."""
        line = {"tool": tool, "args": args, "key": "forged", "attempt": 1, "approval": None, "process": 1}
        self.scene.bank.journal.write("effect", **{**line, **changes})

    def unsaid(self, tool: str, person: str) -> None:
        """Let nobody have heard somebody's answer."""
        approval = self.effect(tool)["approval"]
        self.rewrite(
            "said.jsonl",
            lambda lines: [
                line for line in lines if (line["approval"], line["person"]) != (approval, person)
            ],
        )

    def says(self, tool: str, **changes: Any) -> None:
        """Let somebody have said something about an effect."""
        line = {
            "number": "forged",
            "approval": self.effect(tool)["approval"],
            "identity": "lea@corp.example",
            "person": "lea",
            "kind": "approve",
            "args": self.effect(tool)["args"],
            "digest": "f" * 64,
            "wrong": False,
        }
        self.scene.said.write("counted", **{**line, **changes})

    def logs(self, kind: str, **data: Any) -> None:
        """Append to the audit log, so that its chain holds."""
        self.scene.guard.store.append("default", [AuditEvent(kind=kind, thread_id="t", turn=1, data=data)])

    def messages(self, *messages: Any) -> None:
        """Change the conversation."""
        self.graph.update_state(self.scene.config("t"), {"messages": list(messages)}, as_node="agent")


Forge = Callable[[Forgery], object]


def open_scene(folder: Path) -> Forgery:
    scene = Scene(folder)
    return Forgery(scene, scene.graph("node", in_async=False))


def decide(crowd: Crowd, approval: Approval) -> None:
    """What people want of each question."""
    shown: Any = approval.args
    said: dict[str, Any] = {"approval_id": approval.request.id, "digest": approval.digest, "shown": shown}
    match shown["item"]:
        case "b":
            people: Sequence[tuple[str, str]] = (("lea@corp.example", "approve"),)
        case "c":
            people = (("lea@corp.example", "approve"), ("fay", "approve"), ("finn@corp.example", "approve"))
        case "d":
            crowd.give(
                Answer(identity="lea@corp.example", kind="edit", args={"item": "d", "amount": 71}, **said)
            )
            return
        case _:
            people = (("LEO@corp.example", "reject"),)
    for identity, kind in people:
        reason = "No." if kind == "reject" else None
        crowd.give(Answer(identity=identity, kind=kind, reason=reason, **said))


def play(forgery: Forgery) -> None:
    """The honest scene, up to its end."""
    scene, graph = forgery.scene, forgery.graph
    graph.invoke(prompt(SCRIPT), scene.config("t"))
    crowd = Crowd(scene, "honest")
    for approval in crowd.open():
        decide(crowd, approval)
    # An edited call is put to people once more.
    rng = random.Random(0)
    while crowd.step(rng):
        pass
    worker = scene.guard.worker(graph, backoff=0.0)
    while not asyncio.run(worker.once()).idle:
        pass
