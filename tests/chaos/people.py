"""People who answer: rightly, wrongly, twice, late, out of order. Every answer is noted before and after it is given."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from guardkit import Approval, ApprovalState, Assurance
from guardkit.core.approvals import DecisionKind
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from tests.chaos.scene import NEEDS, PEOPLE, Scene

Fate = Literal["approve", "edit", "reject", "respond", "silence"]

IDENTITIES = {
    "leads": ("lea@corp.example", "slack:T1:LEA", "LEO@corp.example"),
    "finance": ("fay", "slack:T1:FAY", "finn@corp.example", "fred"),
}
_WORDS = {"leads": ("lea@corp.example", "slack:T1:LEA"), "finance": ("fay", "slack:T1:FAY")}
"""Who answers in words: one of each group, so that enough are left who have not steered the turn."""

_WRONG_PEOPLE = (
    "kim@corp.example",
    "bo@corp.example",
    "ines@corp.example",
    "olga@other.example",
    "nobody",
    "",
)
_WRONG_ARGS: tuple[dict[str, Any], ...] = ({"item": "x"}, {"item": "x", "amount": "many"}, {"amount": 1}, {})
EARLY = "0" * 32
"""The id of a question that nobody has asked yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One thing that somebody says about one question."""

    approval_id: str
    identity: str
    digest: str
    kind: DecisionKind
    assurance: Assurance = Assurance.CHAT
    reason: str | None = None
    args: dict[str, Any] | None = None
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    """The arguments on the screen."""

    wrong: bool = False
    """Whether it may never count, whatever happened before."""


class Crowd:
    """All people of a scene.

    What becomes of a question depends on the seed and on what is asked, not on who answers first.

    Args:
        scene: where they answer.
        seed: decides what people want.
        fates: what may become of a question, each as often as it is listed.
        nonsense: the share of answers that may not count.
        again: the share of answers that were given before.
    """

    def __init__(
        self,
        scene: Scene,
        seed: str,
        *,
        fates: Sequence[Fate] = ("approve",),
        nonsense: float = 0.0,
        again: float = 0.0,
    ) -> None:
        self._scene = scene
        self._seed = seed
        self._fates = fates
        self._nonsense = nonsense
        self._again = again
        self._given: list[Answer] = []
        self._lock = threading.Lock()
        self.refusals: Counter[str] = Counter()
        self.counted = 0

    def open(self) -> list[Approval]:
        """Questions that wait, whose fate is not silence."""
        found = self._scene.guard.store.listed(states=[ApprovalState.PENDING], limit=1000)
        return [approval for approval in found if self.fate(approval) != "silence"]

    def fate(self, approval: Approval) -> Fate:
        """What people want of a question."""
        action = approval.request.action
        if any(said.kind == "edit" for said in approval.decisions):
            return "approve"
        fate = random.Random(f"{self._seed}:{action.tool}:{action.args}").choice(self._fates)
        # Whoever has answered this turn in words may say nothing to what it asks later.
        return "reject" if fate == "respond" and len(approval.request.excluded) > 1 else fate

    def step(self, rng: random.Random) -> bool:
        """Somebody answers some question. Returns whether there was one."""
        waiting = self.open()
        if self._given and rng.random() < self._again:
            with self._lock:
                answer = rng.choice(self._given)
            self.give(answer)
            return True
        if not waiting:
            return False
        self.answer(rng.choice(waiting), rng)
        return True

    def answer(self, approval: Approval, rng: random.Random) -> None:
        """Somebody answers a question, whatever has become of it."""
        wrong = rng.random() < self._nonsense
        self.give(self._wrong(approval, rng) if wrong else self._right(approval, rng))

    def late(self, rng: random.Random) -> None:
        """Every question is answered once more, whatever has become of it."""
        with self._lock:
            given = list(self._given)
        fresh = [self._right(one, rng) for one in self._scene.guard.store.listed(limit=1000)]
        again = [*given, *fresh]
        rng.shuffle(again)
        for answer in again:
            self.give(answer)

    def give(self, answer: Answer) -> None:
        """Give an answer, and note what the desk makes of it."""
        fields: dict[str, Any] = {
            "approval": answer.approval_id,
            "identity": answer.identity,
            "kind": answer.kind,
            "args": answer.args if answer.kind == "edit" else answer.shown,
            "digest": answer.digest,
            "wrong": answer.wrong,
        }
        person = PEOPLE.find(answer.identity)
        fields |= {"person": None if person is None else person.id}
        number = uuid.uuid4().hex
        with self._lock:
            self._given.append(answer)
        self._scene.said.write("gives", number=number, **fields)
        try:
            self._scene.guard.desk.decide(
                answer.approval_id,
                identity=answer.identity,
                digest=answer.digest,
                kind=answer.kind,
                assurance=answer.assurance,
                via="desk",
                reason=answer.reason,
                args=answer.args,
            )
        except DecisionRefusedError as refusal:
            self._refused(number, fields, refusal.reason)
        except UnknownApprovalError:
            self._refused(number, fields, "unknown_approval")
        else:
            self._scene.said.write("counted", number=number, **fields)
            self.counted += 1

    def _refused(self, number: str, fields: dict[str, Any], why: str) -> None:
        self._scene.said.write("refused", number=number, why=why, **fields)
        with self._lock:
            self.refusals[why] += 1

    def _right(self, approval: Approval, rng: random.Random) -> Answer:
        fate = self.fate(approval)
        groups = list(NEEDS[approval.request.action.tool])
        stage = approval.stage()
        # Now and then somebody of a later stage, or who has approved before, is too eager.
        group = groups[stage] if stage is not None and rng.random() < 0.8 else rng.choice(groups)
        kind: DecisionKind = "approve" if fate == "silence" else fate
        args = None
        if kind == "edit":
            args = {**approval.args, "amount": int(approval.args["amount"]) + 1000}  # pyright: ignore[reportArgumentType]
        return Answer(
            approval_id=approval.request.id,
            identity=rng.choice(_WORDS[group] if kind == "respond" else IDENTITIES[group]),
            digest=approval.digest,
            kind=kind,
            reason="because" if kind in ("reject", "respond") else None,
            args=args,
            shown=approval.args,
        )

    def _wrong(self, approval: Approval, rng: random.Random) -> Answer:
        base: dict[str, Any] = {
            "approval_id": approval.request.id,
            "identity": rng.choice(IDENTITIES["leads"]),
            "digest": approval.digest,
            "kind": "approve",
            "shown": approval.args,
            "wrong": True,
        }
        changes: list[dict[str, Any]] = [
            {"identity": rng.choice(_WRONG_PEOPLE)},
            {"digest": "f" * 64},
            {"digest": approval.request.digest[::-1]},
            {"assurance": Assurance.EMAIL_LINK},
            {"kind": "edit", "args": rng.choice(_WRONG_ARGS)},
            {"kind": "edit", "args": None},
            {"args": {"item": "x", "amount": 1}},
            {"kind": "reject", "reason": " "},
            {"approval_id": EARLY},
        ]
        return Answer(**base | rng.choice(changes))
