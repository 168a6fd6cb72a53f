"""How strict grounding is, and what it may cost."""

from typing import Literal

from pydantic import Field

from guardkit.core.drafts import Flag
from guardkit.core.values import Value
from guardkit.grounding.topic import RelevanceSettings
from guardkit.grounding.verifier import VerifierSettings


class GroundingSettings(Value):
    """Thresholds, limits and choices of one answering flow."""

    verifier: VerifierSettings = VerifierSettings()
    relevance: RelevanceSettings = RelevanceSettings()

    auto_accept: Literal["without_judge", "always", "never"] = "without_judge"
    """When the verifier alone may accept a near-verbatim claim: only where there is no judge, always (saves
    calls), or never (high assurance; without a judge nothing then passes)."""

    doubtful: Literal["refuse", "go_on"] = "refuse"
    """What happens without a sufficiency judge when the sources hardly cover the question."""

    withholding: frozenset[Flag] = frozenset(
        {
            Flag.NUMBER_ABSENT,
            Flag.NUMBER_CONFLICT,
            Flag.UNIT_MISMATCH,
            Flag.NAME_ABSENT,
            Flag.NEGATION_ADDED,
        }
    )
    """Flags with which the verifier votes no in a panel. It never approves there."""

    require_citations: bool = True
    """Whether a sentence that cites nothing fails. Otherwise the evidence found for it is cited."""

    min_supported_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Least share of checkable claims that must be supported for an answer."""

    max_revisions: int = Field(default=2, ge=0, le=10)
    """Most times that failed claims go back to the model."""

    max_calls: int = Field(default=60, ge=1)
    """Most calls of models, judges and critics together."""

    max_passages: int = Field(default=8, ge=1, le=50)
    """Most passages in a prompt."""
