"""The ports for what the deterministic verifier cannot decide, and the re-check of what comes back through them."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from guardkit.core.drafts import ClaimVerdict, Criterion, CriterionAnswer, Vote
from guardkit.core.sources import Evidence
from guardkit.core.values import Value
from guardkit.grounding.index import Index
from guardkit.grounding.signals import absent_numbers
from guardkit.grounding.terms import WEIGHTS, terms

MIN_OVERLAP = 0.3
"""Least share of a claim's terms, weighted by kind, in the quotation that a judge rests its support on."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A span of an admitted source under the id by which it is shown to models."""

    id: str
    evidence: Evidence


class JudgeAnswer(Value):
    """What a judge says of one claim."""

    verdict: ClaimVerdict
    evidence_ids: tuple[str, ...] = ()
    quote: str | None = None
    """Words copied from the evidence; support does not count without."""

    missing: str | None = None


class SufficiencyAnswer(Value):
    """Whether evidence answers a question."""

    sufficient: bool
    evidence_ids: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    conflict: bool = False


class Failure(Value):
    """No usable answer came. It is a value, as a judge that fails is no reason to crash and none to agree."""

    kind: Literal["malformed", "raised", "late"]


@runtime_checkable
class Judge(Protocol):
    """Decides whether evidence supports a claim. Sync or async."""

    @property
    def name(self) -> str:
        """Identifies the judge in votes."""
        ...

    def judge(
        self, claim: str, exhibits: Sequence[Exhibit], /
    ) -> JudgeAnswer | Failure | Awaitable[JudgeAnswer | Failure]:
        """The verdict on one claim, from these exhibits alone."""
        ...


@runtime_checkable
class SufficiencyJudge(Protocol):
    """Decides whether evidence answers a question. Sync or async."""

    def suffices(
        self, question: str, exhibits: Sequence[Exhibit], /
    ) -> SufficiencyAnswer | Failure | Awaitable[SufficiencyAnswer | Failure]:
        """Whether these exhibits answer the question."""
        ...


@runtime_checkable
class Critic(Protocol):
    """Decides whether a draft satisfies criteria. Sync or async."""

    def criticise(
        self, question: str, draft: str, criteria: Sequence[Criterion], /
    ) -> Sequence[CriterionAnswer] | Failure | Awaitable[Sequence[CriterionAnswer] | Failure]:
        """An answer to each criterion; one that is left out counts as not met."""
        ...


VoteError: TypeAlias = Literal[
    "malformed", "raised", "late", "unknown_evidence", "quote_absent", "number_absent"
]


def recheck(
    judge: str,
    answer: object,
    claim: str,
    exhibits: Sequence[Exhibit],
    index: Index,
) -> Vote:
    """What a judge's answer is worth: support counts only if its proof is real.

    Anything that is not a `JudgeAnswer` is an error and no agreement. Support is lowered to not enough
    information unless it names exhibits that exist, quotes words that stand verbatim in their sources and
    that overlap with the claim, and unless every number of the claim stands in the sources. Text inside a
    document can therefore at worst make a judge quote the wrong words, not pass a claim without evidence.
    """
    if not isinstance(answer, JudgeAnswer):
        return Vote(judge=judge, verdict=None, error=_error(answer))
    if answer.verdict is not ClaimVerdict.SUPPORTED:
        return Vote(judge=judge, verdict=answer.verdict)
    fault = _fault(answer, claim, exhibits, index)
    if fault is not None:
        return Vote(judge=judge, verdict=ClaimVerdict.NOT_ENOUGH_INFO, error=fault)
    return Vote(judge=judge, verdict=ClaimVerdict.SUPPORTED, quote=answer.quote)


def _error(answer: object) -> VoteError:
    match answer:
        case Failure():
            return answer.kind
        case TimeoutError():
            return "late"
        case BaseException():
            return "raised"
        case _:
            return "malformed"


def _fault(answer: JudgeAnswer, claim: str, exhibits: Sequence[Exhibit], index: Index) -> VoteError | None:
    shown = {exhibit.id: exhibit.evidence for exhibit in exhibits}
    if not answer.evidence_ids or any(name not in shown for name in answer.evidence_ids):
        return "unknown_evidence"
    named = {shown[name].source_id for name in answer.evidence_ids}
    quote = answer.quote or ""
    if not index.holds(quote, named):
        return "quote_absent"
    spoken = terms(claim)
    if absent_numbers(spoken, index):
        return "number_absent"
    quoted = terms(quote).kinds
    total = sum(WEIGHTS[kind] for kind in spoken.kinds.values())
    shared = sum(WEIGHTS[kind] for term, kind in spoken.kinds.items() if term in quoted)
    return None if total and shared >= MIN_OVERLAP * total else "quote_absent"
