"""A turn that ended on purpose without an answer: a value, not an error."""

from enum import StrEnum

from guardkit.core.values import Value


class NoResultReason(StrEnum):
    """Why a turn ended without an answer."""

    NO_AUTHORIZED_SOURCE = "no_authorized_source"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    CONFLICTING_SOURCES = "conflicting_sources"
    UNSUPPORTED_CLAIM = "unsupported_claim"
    NO_CONSENSUS = "no_consensus"
    CHECK_FAILED = "check_failed"
    POLICY_DENIED = "policy_denied"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"
    BUDGET_EXHAUSTED = "budget_exhausted"
    NO_PROGRESS = "no_progress"
    EFFECT_IN_DOUBT = "effect_in_doubt"
    STOPPED_BY_OPERATOR = "stopped_by_operator"


MESSAGES: dict[NoResultReason, str] = {
    NoResultReason.NO_AUTHORIZED_SOURCE: "I have no authorised document that could answer this.",
    NoResultReason.INSUFFICIENT_EVIDENCE: "The authorised documents do not answer this.",
    NoResultReason.CONFLICTING_SOURCES: "The authorised documents contradict each other on this.",
    NoResultReason.UNSUPPORTED_CLAIM: "I could not support an answer with the authorised documents.",
    NoResultReason.NO_CONSENSUS: "The reviewers of the answer did not agree, so it is withheld.",
    NoResultReason.CHECK_FAILED: "A safety check could not be completed, so nothing was done.",
    NoResultReason.POLICY_DENIED: "This is not permitted.",
    NoResultReason.APPROVAL_REJECTED: "A reviewer declined the action.",
    NoResultReason.APPROVAL_EXPIRED: "Nobody approved the action in time.",
    NoResultReason.BUDGET_EXHAUSTED: "The limit for this task was reached before it was finished.",
    NoResultReason.NO_PROGRESS: "The task was not getting anywhere and was ended.",
    NoResultReason.EFFECT_IN_DOUBT: "It is not known whether an earlier attempt took effect; a person has to look.",
    NoResultReason.STOPPED_BY_OPERATOR: "The task was stopped by an operator.",
}
"""What the end user is told when nothing more specific is said."""


class NoResult(Value):
    """A turn that ended on purpose without an answer."""

    reason: NoResultReason
    message: str
    """For the end user. Names no limits and no internals."""

    why: tuple[str, ...] = ()
    """For operators: what led to it."""

    looked_at: tuple[str, ...] = ()
    """What was considered: sources with the reason they did not count, tools, checks."""

    missing: tuple[str, ...] = ()
    """What would have been needed."""

    next_steps: tuple[str, ...] = ()
    """What could be done next, for the end user."""

    policy_version: str | None = None
    thread_id: str | None = None
    turn: int | None = None
    trace_id: str | None = None

    @classmethod
    def because(cls, reason: NoResultReason, *why: str, message: str | None = None) -> "NoResult":
        """A no result with the standard message of its reason, unless another is given."""
        return cls(reason=reason, message=message or MESSAGES[reason], why=why)
