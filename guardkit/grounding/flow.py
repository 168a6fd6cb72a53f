"""Draft, critique, revise, verify, answer: one generator that asks for what it needs and does no I/O itself."""

from collections.abc import Generator
from typing import Any

from guardkit.core.no_result import NoResultReason
from guardkit.grounding.closing import keep
from guardkit.grounding.composing import compose
from guardkit.grounding.drafting import criticise, draft_and_verify
from guardkit.grounding.opening import open_basis
from guardkit.grounding.outcome import Grounded
from guardkit.grounding.requests import GroundingFlow, Request
from guardkit.grounding.task import Ended, Session, Task


def ground(task: Task) -> GroundingFlow:
    """Answer a question from authorised sources, or say why not.

    Every stage can end it: admission, comparison with the question, sufficiency, drafting, critique,
    verification, conflict between sources, budget. A judge or critic that fails ends in no answer; what the
    drafting model raises is raised. What a driver throws into the flow passes through it, except
    `TimeoutError`, which ends in `budget_exhausted`.

    Raises:
        ValueError: `task.at` is naive, there are criteria without a critic, or a deadline without a clock.
    """
    if task.at.tzinfo is None:
        raise ValueError(f"at must be an aware datetime, not {task.at!r}")
    if task.criteria and task.critic is None:
        raise ValueError("criteria need a critic: nothing else can answer them")
    if task.deadline is not None and task.clock is None:
        raise ValueError(f"deadline {task.deadline!r} needs a clock to read it on")
    return _run(Session(task))


def _run(session: Session) -> GroundingFlow:
    try:
        return (yield from _answer(session))
    except Ended as ended:
        return session.ungrounded(ended)
    except TimeoutError:
        spent = Ended(NoResultReason.BUDGET_EXHAUSTED, "deadline", "the time for the answer is spent")
        return session.ungrounded(spent)


def _answer(session: Session) -> Generator[Request, Any, Grounded]:
    session.in_time()
    basis = yield from open_basis(session)
    draft, verification = yield from draft_and_verify(session, basis)
    supported = keep(session, basis, draft, verification)
    answer = compose(draft, supported, basis.index, session.assurance)
    critique = yield from criticise(session, answer.text)
    if critique.unmet:
        raise Ended(
            NoResultReason.CHECK_FAILED,
            "criteria_not_met",
            f"the answer does not satisfy {', '.join(repr(answer.criterion_id) for answer in critique.unmet)}",
            missing=[answer.gap for answer in critique.unmet if answer.gap],
        )
    return Grounded(answer=answer, rejected=session.rejected, trail=tuple(session.trail))
