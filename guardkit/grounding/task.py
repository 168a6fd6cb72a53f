"""One question to answer, and the run that answers it."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from guardkit.core.drafts import Criterion
from guardkit.core.no_result import NoResultReason
from guardkit.core.sources import Evidence, Source, SourceRejection
from guardkit.grounding.judges import Critic, Judge, SufficiencyJudge
from guardkit.grounding.outcome import Record, Ungrounded
from guardkit.grounding.prompts import Messages
from guardkit.grounding.requests import AskModel, Request
from guardkit.grounding.settings import GroundingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question, with all that is needed to answer it."""

    question: str
    sources: Iterable[Source]
    """What was retrieved, best first."""

    tenant: str
    at: datetime
    """Aware time at which the sources must be valid."""

    only: Callable[[Source], bool] | None = None
    """The policy's own condition on sources; it can only narrow."""

    criteria: tuple[Criterion, ...] = ()
    """What the answer must satisfy; needs a critic."""

    critic: Critic | None = None
    judges: tuple[Judge, ...] = ()
    """The panel: an escalated claim counts only if all agree. The cheapest first."""

    sufficiency: SufficiencyJudge | None = None
    """Judges before drafting whether the evidence answers the question."""

    settings: GroundingSettings = field(default_factory=GroundingSettings)
    clock: Callable[[], float] | None = None
    """Monotonic seconds; needed with a deadline."""

    deadline: float | None = None
    """On that clock; nothing more is asked after it, and what is replied after it does not count."""


class Ended(Exception):
    """The flow ends here without an answer. Caught by the flow itself, never seen outside."""

    def __init__(
        self,
        reason: NoResultReason,
        cause: str,
        detail: str,
        *,
        missing: Sequence[str] = (),
        conflict: Sequence[Evidence] = (),
    ) -> None:
        super().__init__(cause)
        self.reason = reason
        self.cause = cause
        self.detail = detail
        self.missing = tuple(missing)
        self.conflict = tuple(conflict)


class Session:
    """What one run of the flow has gathered. It lives in local variables of one node and is never stored."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.trail: list[Record] = []
        self.assurance: list[str] = []
        self.titles: tuple[str, ...] = ()
        self.rejected: tuple[SourceRejection, ...] = ()
        self.best_coverage = 0.0
        """How well any sentence of any draft covered the question."""

        self._calls = 0

    def ask(self, request: Request, *, calls: int = 1) -> Generator[Request, Any, Any]:
        """Put a request to the driver, within the budget.

        Raises:
            Ended: the calls or the time are spent, or the reply came late.
        """
        limit = self.task.settings.max_calls
        if self._calls + calls > limit:
            raise Ended(NoResultReason.BUDGET_EXHAUSTED, "calls", f"all {limit} calls of models are spent")
        self.in_time()
        self._calls += calls
        reply = yield request
        self.in_time()
        return reply

    def in_time(self) -> None:
        """Nothing, unless the time is over.

        Raises:
            Ended: it is.
        """
        task = self.task
        if task.deadline is not None and task.clock is not None and task.clock() >= task.deadline:
            raise Ended(NoResultReason.BUDGET_EXHAUSTED, "deadline", "the time for the answer is spent")

    def ask_model(self, messages: Messages) -> Generator[Request, Any, str]:
        """The drafting model's reply. What the model raised is raised here and ends the flow.

        Raises:
            TypeError: the driver sent back something that is no text.
        """
        reply = yield from self.ask(AskModel(messages))
        if isinstance(reply, BaseException):
            raise reply
        if not isinstance(reply, str):
            raise TypeError(f"AskModel takes the text of the reply, not {type(reply).__name__}")
        return reply

    def ungrounded(self, ended: Ended) -> Ungrounded:
        """The outcome of a flow that ended."""
        refused = (
            f"{rejection.title} (not admitted: {rejection.reason.words})" for rejection in self.rejected
        )
        return Ungrounded(
            reason=ended.reason,
            cause=ended.cause,
            detail=ended.detail,
            looked_at=(*self.titles, *refused),
            missing=ended.missing,
            rejected=self.rejected,
            conflict=ended.conflict,
            trail=tuple(self.trail),
        )
