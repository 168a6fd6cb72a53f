"""What is left of a verified draft, and whether that is an answer."""

from collections.abc import Sequence

from guardkit.core.drafts import ClaimCheck, ClaimKind, Draft, Flag, Verification
from guardkit.core.no_result import NoResultReason
from guardkit.core.sources import Evidence
from guardkit.grounding.checking import conflicts
from guardkit.grounding.opening import Basis
from guardkit.grounding.outcome import Removed
from guardkit.grounding.prompts import fault
from guardkit.grounding.task import Ended, Session
from guardkit.grounding.topic import coverage

_ANSWERING = 0.8
"""A statement answers the question if it covers it at least this share as well as the best one ever drafted."""

_NOT_CHECKED = {
    ClaimKind.META: "says nothing that can be checked",
    ClaimKind.OPINION: "is an opinion",
    ClaimKind.REFUSAL: "says that the evidence does not answer",
}


def keep(session: Session, basis: Basis, draft: Draft, verification: Verification) -> tuple[ClaimCheck, ...]:
    """The supported claims, if they make an answer; everything else is dropped and recorded.

    Raises:
        Ended: the sources conflict, the model found no answer, too little is supported, or the sentence
            that answered the question is not.
    """
    failed = {found.claim.id: found for found in verification.failed}
    for claim in draft.claims:
        why = fault(failed[claim.id]) if claim.id in failed else _NOT_CHECKED.get(claim.kind)
        if why is not None:
            session.trail.append(Removed(text=claim.text, why=why))
    refusals = [claim for claim in draft.claims if claim.kind is ClaimKind.REFUSAL]
    if refusals and (not verification.checks or refusals[0] is draft.claims[0]):
        raise Ended(
            NoResultReason.INSUFFICIENT_EVIDENCE,
            "model_found_none",
            "the model found no answer in the authorised documents",
            missing=basis.relevance.missing,
        )
    if not verification.checks:
        raise Ended(
            NoResultReason.UNSUPPORTED_CLAIM, "nothing_checkable", "the draft states nothing to be checked"
        )
    supported = verification.supported
    _refuse_conflicts(supported, basis)
    _refuse_too_little(session, basis, verification)
    _note(session, draft, len(verification.failed), bool(refusals), supported)
    return supported


def _refuse_conflicts(supported: Sequence[ClaimCheck], basis: Basis) -> None:
    spans: dict[Evidence, None] = {}
    for found in supported:
        spans.update(dict.fromkeys(conflicts(found, basis.index)))
    if spans:
        titles = {source.id: source.title for source in basis.index.sources}
        named = dict.fromkeys(titles[span.source_id] for span in spans)
        raise Ended(
            NoResultReason.CONFLICTING_SOURCES,
            "numbers_differ",
            f"authorised documents give different numbers for the same thing: {'; '.join(named)}",
            missing=["which of the documents holds"],
            conflict=tuple(spans),
        )


def _refuse_too_little(session: Session, basis: Basis, verification: Verification) -> None:
    supported, failed = verification.supported, verification.failed
    total = len(verification.checks)
    share = len(supported) / total
    if not supported:
        cause = "none_supported"
    elif share < session.task.settings.min_supported_share:
        cause = "too_few_supported"
    elif basis.relevance.band != "unknown" and not _answers(session, supported):
        cause = "answering_claim_gone"
    else:
        return
    detail = f"{len(supported)} of {total} statements are supported"
    missing = basis.relevance.missing or ("an authorised statement that answers the question",)
    flags = {flag for found in failed for flag in found.flags}
    if Flag.JUDGE_FAILED in flags:
        raise Ended(NoResultReason.CHECK_FAILED, "judge_failed", detail, missing=missing)
    if Flag.JUDGES_DISAGREE in flags:
        raise Ended(NoResultReason.NO_CONSENSUS, "judges_disagree", detail, missing=missing)
    raise Ended(NoResultReason.UNSUPPORTED_CLAIM, cause, detail, missing=missing)


def _answers(session: Session, supported: Sequence[ClaimCheck]) -> bool:
    question = session.task.question
    return (
        max(coverage(question, found.claim.statement) for found in supported)
        >= _ANSWERING * session.best_coverage
    )


def _note(
    session: Session, draft: Draft, failed: int, refused: bool, supported: Sequence[ClaimCheck]
) -> None:
    notes = session.assurance
    if not session.task.judges:
        notes.append("No judge: only statements that keep to the words of the documents passed.")
    if failed:
        notes.append(
            f"{failed} statement{'s' if failed > 1 else ''} of the draft could not be supported and left out."
        )
    if refused:
        notes.append("The documents do not answer a part of the question.")
    if draft.truncated:
        notes.append("The draft was longer than what is checked; the rest was left out.")
    if any(Flag.CITATION_MOVED in found.flags for found in supported):
        notes.append("A citation was corrected to where the documents support the statement.")
