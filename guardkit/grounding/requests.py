"""What the answering flow asks of its driver.

A driver sends back what came of a request. A call that raised is sent back as its exception, in place of a
result: a judge that fails is no agreement, not a crash. What a driver throws into the flow passes through
it, except `TimeoutError`, which means that the time for the whole is spent.
"""

import inspect
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from guardkit.core.drafts import Criterion
from guardkit.errors import ConfigurationError
from guardkit.grounding.judges import Critic, Exhibit, Judge, SufficiencyJudge
from guardkit.grounding.outcome import Outcome
from guardkit.grounding.prompts import Messages


@dataclass(frozen=True, slots=True)
class AskModel:
    """Ask the drafting model. Sends back the text of its reply."""

    messages: Messages


@dataclass(frozen=True, slots=True)
class AskJudge:
    """One judge, one claim."""

    judge: Judge
    claim: str
    exhibits: tuple[Exhibit, ...]

    def call(self) -> Any:
        """Ask in a sync driver.

        Raises:
            ConfigurationError: only an async form can answer.
        """
        return _sync_form("judge", self.judge.judge(self.claim, self.exhibits))

    def acall(self) -> Any:
        """Ask in an async driver; the result may be awaitable. `ajudge` is used where the judge has it."""
        return _async_form(self.judge, "ajudge", self.judge.judge)(self.claim, self.exhibits)


@dataclass(frozen=True, slots=True)
class AskJudges:
    """Ask judges, all at once where the driver can. Sends back one result each, in order."""

    asks: tuple[AskJudge, ...]


@dataclass(frozen=True, slots=True)
class AskSufficiency:
    """Ask whether the evidence answers the question."""

    judge: SufficiencyJudge
    question: str
    exhibits: tuple[Exhibit, ...]

    def call(self) -> Any:
        """Ask in a sync driver.

        Raises:
            ConfigurationError: only an async form can answer.
        """
        return _sync_form("sufficiency judge", self.judge.suffices(self.question, self.exhibits))

    def acall(self) -> Any:
        """Ask in an async driver; the result may be awaitable. `asuffices` is used where the judge has it."""
        return _async_form(self.judge, "asuffices", self.judge.suffices)(self.question, self.exhibits)


@dataclass(frozen=True, slots=True)
class AskCritic:
    """Ask whether a draft satisfies criteria."""

    critic: Critic
    question: str
    draft: str
    criteria: tuple[Criterion, ...]

    def call(self) -> Any:
        """Ask in a sync driver.

        Raises:
            ConfigurationError: only an async form can answer.
        """
        return _sync_form("critic", self.critic.criticise(self.question, self.draft, self.criteria))

    def acall(self) -> Any:
        """Ask in an async driver; the result may be awaitable. `acriticise` is used where the critic has it."""
        return _async_form(self.critic, "acriticise", self.critic.criticise)(
            self.question, self.draft, self.criteria
        )


Request: TypeAlias = AskModel | AskJudges | AskSufficiency | AskCritic
GroundingFlow: TypeAlias = Generator[Request, Any, Outcome]


def _sync_form(what: str, result: object) -> object:
    """What a sync call gave.

    Raises:
        ConfigurationError: it gave something to await.
    """
    if not inspect.isawaitable(result):
        return result
    if inspect.iscoroutine(result):
        result.close()
    raise ConfigurationError(
        f"an async {what} cannot run in a sync graph", remedy="use ainvoke or astream, or a sync method"
    )


def _async_form(port: object, name: str, fallback: Any) -> Any:
    return getattr(port, name, None) or fallback
