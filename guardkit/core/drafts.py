"""An answer on its way out: draft, critique, verification, and the answer that is left of them."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from guardkit.core.sources import Evidence
from guardkit.core.values import Value


class ClaimKind(StrEnum):
    """What a sentence of a draft is."""

    FACTUAL = "factual"
    NUMERIC = "numeric"
    """States a number."""

    QUOTE = "quote"
    """Presents words as quoted."""

    META = "meta"
    """Says nothing about the matter: a heading, a question, a lead-in."""

    OPINION = "opinion"
    REFUSAL = "refusal"
    """Says that the evidence does not answer."""

    @property
    def checkable(self) -> bool:
        """Whether evidence can support it. What is not checkable never reaches an answer."""
        return self in (ClaimKind.FACTUAL, ClaimKind.NUMERIC, ClaimKind.QUOTE)


class Claim(Value):
    """One sentence of a draft. `text` is exactly `draft.text[start:end]`, citation marks included."""

    id: str
    text: str
    statement: str
    """The text without citation marks and line breaks: what is checked."""

    start: int = Field(ge=0)
    end: int
    kind: ClaimKind
    citations: tuple[str, ...] = ()
    """Ids of the evidence that the draft cites, e.g. `E1`, as written: they need not resolve."""

    @model_validator(mode="after")
    def _length_fits(self) -> Self:
        if len(self.text) != self.end - self.start:
            raise ValueError(
                f"span [{self.start}, {self.end}) does not fit a text of {len(self.text)} characters"
            )
        return self


class Draft(Value):
    """What a model proposes as answer. Unverified: it never leaves the node that made it."""

    text: str
    revision: int = Field(default=0, ge=0)
    """0 for the first draft."""

    claims: tuple[Claim, ...] = ()
    truncated: bool = False
    """Whether text or claims beyond the limits were left out, unread."""


class Citation(Value):
    """Where a statement of an answer comes from: a span of an admitted source."""

    number: int = Field(ge=1)
    """The `[n]` in the answer's text."""

    source_id: str
    document: str
    """Title of the source."""

    section: str | None = None
    uri: str | None = None
    start: int = Field(ge=0)
    end: int
    quote: str
    """Exactly the text of the source from `start` to `end`."""


class ClaimVerdict(StrEnum):
    """What the evidence says of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_ENOUGH_INFO = "not_enough_info"


class Flag(StrEnum):
    """Why a claim is not accepted at once."""

    NUMBER_ABSENT = "number_absent"
    """A number that stands nowhere in the sources: a veto, over every judge."""

    NUMBER_ELSEWHERE = "number_elsewhere"
    """A number that the sources hold, but not where the claim is supported."""

    NUMBER_CONFLICT = "number_conflict"
    """The aligned sentence has another number of the same unit: possibly contradicted."""

    UNIT_MISMATCH = "unit_mismatch"
    """The right number with another unit."""

    NAME_ABSENT = "name_absent"
    NAME_ELSEWHERE = "name_elsewhere"
    WORDS_ADDED = "words_added"
    """Content words that are not in the supporting sentences."""

    WORDS_DROPPED = "words_dropped"
    """The claim leaves out words of the clauses that support it."""

    SPREAD = "spread"
    """Supported only by several sentences together."""

    REFERENCE_OPEN = "reference_open"
    """A pronoun that the supporting sentences do not use: whom it means is not checked."""

    NEGATION_ADDED = "negation_added"
    NEGATION_DROPPED = "negation_dropped"
    LIMIT_DROPPED = "limit_dropped"
    """The evidence hedges, limits or excepts; the claim does not."""

    STRENGTHENED = "strengthened"
    """All, never, at least: a stronger word than the evidence has."""

    FORM_CHANGED = "form_changed"
    """A word in another form than in the evidence: `insurer` for `insured`, `will be` for `was`."""

    ORDER_CHANGED = "order_changed"
    """The same words in another order: who does what to whom is not checked."""

    QUOTE_ABSENT = "quote_absent"
    """Words presented as a cited quotation that the cited source does not contain."""

    CITATION_MISSING = "citation_missing"
    CITATION_UNKNOWN = "citation_unknown"
    """Cites evidence that was not given."""

    CITATION_MOVED = "citation_moved"
    """Supported, but elsewhere than cited; the answer cites where it is supported."""

    SOURCES_CONFLICT = "sources_conflict"
    JUDGE_FAILED = "judge_failed"
    """A judge raised, was late or answered in no usable form."""

    JUDGES_DISAGREE = "judges_disagree"
    UNQUOTED = "unquoted"
    """A judge's support fell, as its quotation is not in an admitted source or does not fit the claim."""

    NOT_JUDGED = "not_judged"
    """The deterministic verifier cannot decide and there is no judge."""


class Vote(Value):
    """What one judge said of one claim, after the deterministic re-check."""

    judge: str
    verdict: ClaimVerdict | None
    """`None` when there is no valid vote, which is never agreement."""

    quote: str | None = None
    error: str | None = None
    """Kind of failure, without user text."""


class ClaimCheck(Value):
    """One claim, judged."""

    claim: Claim
    verdict: ClaimVerdict
    decided_by: Literal["rules", "verifier", "judges", "nobody"]
    """`rules`: citation, number and quote rules; `verifier`: the deterministic score;
    `judges`: the panel; `nobody`: undecided, which counts as not enough information."""

    score: float = Field(ge=0.0, le=1.0)
    """How well the sources cover the claim, by the deterministic verifier."""

    evidence: tuple[Evidence, ...] = ()
    """Best first."""

    flags: tuple[Flag, ...] = ()
    votes: tuple[Vote, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether the claim may reach an answer."""
        return self.verdict is ClaimVerdict.SUPPORTED


class Criterion(Value):
    """One thing that an answer must satisfy, for the critic."""

    id: str = Field(min_length=1)
    text: str = Field(min_length=1)


class CriterionAnswer(Value):
    """A critic's answer to one criterion: met, or not met with the gap."""

    criterion_id: str
    met: bool
    gap: str | None = None
    """What is missing; given exactly when the criterion is not met."""

    @model_validator(mode="after")
    def _gap_goes_with_not_met(self) -> Self:
        if self.met == bool(self.gap):
            raise ValueError("a gap goes with a criterion that is not met, and only with it")
        return self


class Critique(Value):
    """Every criterion, answered, in the order asked."""

    answers: tuple[CriterionAnswer, ...] = ()

    @property
    def unmet(self) -> tuple[CriterionAnswer, ...]:
        """The criteria that are not met, with their gaps."""
        return tuple(answer for answer in self.answers if not answer.met)

    @classmethod
    def complete(cls, criteria: Sequence[Criterion], answers: Iterable[CriterionAnswer]) -> Self:
        """The critique of exactly these criteria.

        A criterion without an answer, or with answers that differ, is not met; an answer to
        something that was not asked is left out.
        """
        by_id: dict[str, list[CriterionAnswer]] = {}
        for answer in answers:
            by_id.setdefault(answer.criterion_id, []).append(answer)
        return cls(
            answers=tuple(_settle(criterion.id, by_id.get(criterion.id, [])) for criterion in criteria)
        )


def _settle(criterion_id: str, answers: list[CriterionAnswer]) -> CriterionAnswer:
    if not answers:
        return CriterionAnswer(criterion_id=criterion_id, met=False, gap="not answered by the critic")
    return next((answer for answer in answers if not answer.met), answers[0])


class Verification(Value):
    """All claims of a draft, judged."""

    checks: tuple[ClaimCheck, ...] = ()

    @property
    def supported(self) -> tuple[ClaimCheck, ...]:
        """Claims that may reach an answer."""
        return tuple(check for check in self.checks if check.supported)

    @property
    def failed(self) -> tuple[ClaimCheck, ...]:
        """Checkable claims that are not supported."""
        return tuple(check for check in self.checks if check.claim.kind.checkable and not check.supported)


class Answer(Value):
    """A verified answer: every statement is supported by the spans it cites."""

    text: str
    """Statements, each followed by its citations as `[n]`."""

    citations: tuple[Citation, ...]
    """In the order of their numbers."""

    assurance: tuple[str, ...] = ()
    """What was not judged or was left out, in words for the reader."""
