"""Draft, critique, verify, and revise what failed, a bounded number of times."""

from collections.abc import Generator, Sequence
from typing import Any

from guardkit.core.drafts import ClaimCheck, Criterion, CriterionAnswer, Critique, Draft, Flag, Verification
from guardkit.core.no_result import NoResultReason
from guardkit.grounding.claims import read_draft
from guardkit.grounding.opening import Basis
from guardkit.grounding.outcome import Criticised, Drafted, Removed, Revised
from guardkit.grounding.prompts import draft_prompt, fault, repair_prompt, rewrite_prompt
from guardkit.grounding.repair import replacements, spliced
from guardkit.grounding.requests import AskCritic, Request
from guardkit.grounding.task import Ended, Session
from guardkit.grounding.topic import coverage
from guardkit.grounding.verifying import Verifying


def draft_and_verify(session: Session, basis: Basis) -> Generator[Request, Any, tuple[Draft, Verification]]:
    """The last draft with its verification.

    It ends when nothing failed, when revisions are spent, or when a revision left the same failures.
    A claim that only a failing judge left open is not sent back: rewriting it would not help.
    """
    verifying = Verifying(session, basis)
    exhibits = [(passage.id, passage.text) for passage in basis.passages]
    draft = _read(session, (yield from session.ask_model(draft_prompt(session.task.question, exhibits))), 0)
    session.trail.append(Drafted(text=draft.text))
    before: object = None
    while True:
        critique = yield from criticise(session, draft.text)
        verification = yield from verifying.verify(draft)
        failed = [found for found in verification.failed if Flag.JUDGE_FAILED not in found.flags]
        gaps = _gaps(session.task.criteria, critique)
        problem = (
            frozenset(found.claim.text for found in failed),
            frozenset(criterion.id for criterion, _ in gaps),
        )
        if not (failed or gaps) or draft.revision == session.task.settings.max_revisions or problem == before:
            return draft, verification
        before = problem
        draft = yield from _revise(session, draft, failed, gaps, exhibits)


def criticise(session: Session, text: str) -> Generator[Request, Any, Critique]:
    """The critique of a text; an empty one when there are no criteria.

    Raises:
        Ended: the critic gave no usable answer.
    """
    task = session.task
    if task.critic is None or not task.criteria:
        return Critique()
    reply: object = yield from session.ask(AskCritic(task.critic, task.question, text, task.criteria))
    answers: list[object] = list(reply) if isinstance(reply, list | tuple) else [None]  # pyright: ignore[reportUnknownArgumentType]  # whatever a critic says
    valid = [answer for answer in answers if isinstance(answer, CriterionAnswer)]
    if len(valid) != len(answers):
        raise Ended(NoResultReason.CHECK_FAILED, "critic", "the critic gave no usable answer")
    critique = Critique.complete(task.criteria, valid)
    session.trail.append(Criticised(critique=critique))
    return critique


def _read(session: Session, text: str, revision: int) -> Draft:
    draft = read_draft(text, revision=revision)
    for claim in draft.claims:
        if claim.kind.checkable:
            session.best_coverage = max(
                session.best_coverage, coverage(session.task.question, claim.statement)
            )
    return draft


def _gaps(criteria: Sequence[Criterion], critique: Critique) -> list[tuple[Criterion, CriterionAnswer]]:
    asked = {criterion.id: criterion for criterion in criteria}
    return [(asked[answer.criterion_id], answer) for answer in critique.unmet]


def _revise(
    session: Session,
    draft: Draft,
    failed: Sequence[ClaimCheck],
    gaps: Sequence[tuple[Criterion, CriterionAnswer]],
    exhibits: Sequence[tuple[str, str]],
) -> Generator[Request, Any, Draft]:
    """Failed claims alone go back; the whole draft only where it misses a criterion."""
    question = session.task.question
    if gaps:
        text = yield from session.ask_model(rewrite_prompt(question, exhibits, draft.text, failed, gaps))
    else:
        reply = yield from session.ask_model(repair_prompt(question, exhibits, failed))
        changes = replacements(reply, len(failed))
        for number, found in enumerate(failed, start=1):
            if changes.get(number) == "":
                session.trail.append(
                    Removed(text=found.claim.text, why=f"{fault(found)}; taken back by the model")
                )
        text = spliced(draft.text, failed, changes)
    revised = _read(session, text, draft.revision + 1)
    session.trail.append(Revised(revision=revised.revision, text=revised.text))
    return revised
