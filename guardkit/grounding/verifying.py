"""All claims of a draft, verified: rules and verifier first, then the judges on what is left."""

from collections.abc import Generator, Sequence
from typing import Any

from guardkit.core.drafts import Claim, ClaimCheck, ClaimVerdict, Draft, Flag, Verification, Vote
from guardkit.grounding.checking import Escalated, check, decide
from guardkit.grounding.judges import recheck
from guardkit.grounding.opening import Basis
from guardkit.grounding.outcome import Verified
from guardkit.grounding.requests import AskJudge, AskJudges, Request
from guardkit.grounding.task import Session


class Verifying:
    """Verifies draft after draft; a claim that comes back unchanged is not judged again."""

    def __init__(self, session: Session, basis: Basis) -> None:
        self._session = session
        self._basis = basis
        self._known: dict[tuple[str, tuple[str, ...]], ClaimCheck] = {}

    def verify(self, draft: Draft) -> Generator[Request, Any, Verification]:
        """Every checkable claim of a draft, judged, in order."""
        checks: dict[str, ClaimCheck] = {}
        escalated: list[Escalated] = []
        for claim in draft.claims:
            if claim.kind.checkable:
                match self._checked(claim):
                    case Escalated() as item:
                        escalated.append(item)
                    case found:
                        checks[claim.id] = found
        for found in (yield from self._judged(escalated)):
            checks[found.claim.id] = found
        for found in checks.values():
            if Flag.JUDGE_FAILED not in found.flags:
                self._known[found.claim.statement, found.claim.citations] = found
        verification = Verification(
            checks=tuple(checks[claim.id] for claim in draft.claims if claim.id in checks)
        )
        self._session.trail.append(Verified(revision=draft.revision, verification=verification))
        return verification

    def _checked(self, claim: Claim) -> ClaimCheck | Escalated:
        known = self._known.get((claim.statement, claim.citations))
        if known is not None:
            return known.model_copy(update={"claim": claim})
        task = self._session.task
        return check(claim, self._basis.passages, self._basis.index, task.settings, judged=bool(task.judges))

    def _judged(self, escalated: Sequence[Escalated]) -> Generator[Request, Any, list[ClaimCheck]]:
        """One judge after the other on the claims on which all before agreed: a dissent spares the rest."""
        task = self._session.task
        votes: dict[str, list[Vote]] = {item.claim.id: [] for item in escalated}
        waiting = list(escalated)
        for judge in task.judges:
            if not waiting:
                break
            asks = tuple(AskJudge(judge, item.claim.statement, item.exhibits) for item in waiting)
            replies: object = yield from self._session.ask(AskJudges(asks), calls=len(asks))
            answers: list[object] = list(replies) if isinstance(replies, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]  # whatever a driver sends
            if len(answers) != len(asks):
                answers = [None] * len(asks)
            agreeing: list[Escalated] = []
            for item, answer in zip(waiting, answers, strict=True):
                vote = recheck(judge.name, answer, item.claim.statement, item.exhibits, self._basis.index)
                votes[item.claim.id].append(vote)
                if vote.verdict is ClaimVerdict.SUPPORTED:
                    agreeing.append(item)
            waiting = agreeing
        return [decide(item, votes[item.claim.id], len(task.judges), task.settings) for item in escalated]
