"""Ready-made opinions on what should follow an observation."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from guardkit.core import next_step
from guardkit.core.no_result import NoResultReason
from guardkit.core.steps import Observation, Step
from guardkit.core.verdicts import CheckContext
from guardkit.errors import ConfigurationError


class Assessor(Protocol):
    """Says what should follow an observation; `None` has no opinion. A plain callable, sync or async."""

    def __call__(
        self, step: Step, context: CheckContext, /
    ) -> next_step.NextStep | Awaitable[next_step.NextStep | None] | None:
        """What should follow the step."""
        ...


Says = Callable[[Observation], str | None]
"""Words about an observation, or `None` when there is nothing to say."""

Opinion = Callable[[Step, CheckContext], next_step.NextStep | None]


def stop_after_failures(limit: int = 3) -> Opinion:
    """End the turn when one tool failed several times in a row.

    Calls of other tools in between do not count; one success begins anew. A refusal that the model was told counts as
    a failure of the tool.

    Args:
        limit: failures in a row that end the turn.

    Raises:
        ConfigurationError: `limit` is not positive.
    """
    if limit < 1:
        raise ConfigurationError(f"stop_after_failures: limit is {limit!r}", remedy="give 1 or more")

    def assess(step: Step, context: CheckContext, /) -> next_step.NextStep | None:
        if step.observation is None or not step.observation.failed:
            return None
        tool = step.action.tool
        failures = 1
        for earlier in reversed(context.history):
            if (
                earlier.action.tool != tool
                or earlier.action.id == step.action.id
                or earlier.observation is None
            ):
                continue
            if not earlier.observation.failed:
                break
            failures += 1
        if failures < limit:
            return None
        return next_step.Stop(
            reason=NoResultReason.NO_PROGRESS, why=f"{tool!r} failed {failures} times in a row"
        )

    return assess


def clarify_when(tool: str, question: Says) -> Opinion:
    """Ask the user when a tool's result leaves something open.

    Args:
        tool: the tool's name.
        question: what to ask about its observation, or `None` to ask nothing.
    """

    def assess(step: Step, context: CheckContext, /) -> next_step.NextStep | None:
        words = _words(tool, question, step)
        return next_step.Clarify(question=words) if words else None

    return assess


def complete_when(tool: str, why: Says) -> Opinion:
    """Declare the task done when a tool's result says so: no further effect runs in the turn, only the answer is left.

    Args:
        tool: the tool's name.
        why: why its observation completes the task, for the audit log, or `None` when it does not.
    """

    def assess(step: Step, context: CheckContext, /) -> next_step.NextStep | None:
        words = _words(tool, why, step)
        return next_step.Complete(why=words) if words else None

    return assess


def retry_when(tool: str, tell_model: Says) -> Opinion:
    """Ask the model to try again when a tool's result is unusable.

    Args:
        tool: the tool's name.
        tell_model: what the model is told about its observation, or `None` when the result can be used.
    """

    def assess(step: Step, context: CheckContext, /) -> next_step.NextStep | None:
        words = _words(tool, tell_model, step)
        return next_step.Retry(tell_model=words) if words else None

    return assess


def _words(tool: str, says: Says, step: Step) -> str | None:
    if step.action.tool != tool or step.observation is None:
        return None
    return says(step.observation)
