"""Before a word is written: which sources count, and whether they speak to the question."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from guardkit.core.no_result import NoResultReason
from guardkit.core.sources import Source, SourceRejection
from guardkit.grounding.admission import admit
from guardkit.grounding.index import Index
from guardkit.grounding.judges import Exhibit, SufficiencyAnswer
from guardkit.grounding.outcome import Admitted, Compared
from guardkit.grounding.passages import Passage, retrieve
from guardkit.grounding.requests import AskSufficiency, Request
from guardkit.grounding.task import Ended, Session
from guardkit.grounding.topic import Relevance, relevance

_NEARER = 0.15
"""By how much a refused source must cover the question better to be named as speaking to it."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer may rest on."""

    index: Index
    passages: tuple[Passage, ...]
    """What the prompt shows, numbered."""

    relevance: Relevance


def open_basis(session: Session) -> Generator[Request, Any, Basis]:
    """Admit, compare, and have sufficiency judged.

    Raises:
        Ended: no authorised source, none that speaks to the question, or not enough of them.
    """
    index, refused = _admitted(session)
    found = _compared(session, index, refused)
    passages = retrieve(index, session.task.question, limit=session.task.settings.max_passages)
    yield from _suffices(session, passages, found)
    return Basis(index, passages, found)


def _admitted(session: Session) -> tuple[Index, Sequence[Source]]:
    task = session.task
    admission = admit(task.sources, tenant=task.tenant, now=task.at, only=task.only)
    session.titles = tuple(source.title for source in admission.admitted)
    session.rejected = admission.rejected
    session.trail.append(Admitted(titles=session.titles, rejected=session.rejected))
    if not admission.admitted:
        cause, detail = (
            ("none_admitted", f"none of the {len(admission.rejected)} sources is authorised")
            if admission.rejected
            else ("no_source", "there is no source")
        )
        raise Ended(NoResultReason.NO_AUTHORIZED_SOURCE, cause, detail, missing=["an authorised document"])
    index = Index(admission.admitted)
    if not index.sentences:
        raise Ended(
            NoResultReason.INSUFFICIENT_EVIDENCE, "empty_sources", "the authorised documents are empty"
        )
    if index.truncated:
        session.assurance.append(
            "The documents are longer than what is read at once; the rest was not considered."
        )
    return index, admission.refused


def _compared(session: Session, index: Index, refused: Sequence[Source]) -> Relevance:
    task = session.task
    if not task.question.strip():
        raise Ended(NoResultReason.INSUFFICIENT_EVIDENCE, "no_question", "the question is empty")
    found = relevance(task.question, index, task.settings.relevance)
    session.trail.append(Compared(band=found.band, score=found.score, missing=found.missing))
    refusing = task.sufficiency is None and task.settings.doubtful == "refuse"
    if found.band == "unknown":
        session.assurance.append("The question could not be compared with the documents word by word.")
    if found.band != "off_topic" and not (found.band == "doubtful" and refusing):
        return found
    speaking = _speaking(session, refused, found)
    if speaking:
        raise Ended(
            NoResultReason.NO_AUTHORIZED_SOURCE,
            "only_unauthorised",
            f"only documents that are not authorised speak to the question: {'; '.join(speaking)}",
            missing=["an authorised document that says this"],
        )
    raise Ended(
        NoResultReason.INSUFFICIENT_EVIDENCE,
        found.band,
        f"the authorised documents cover {found.score:.0%} of the question",
        missing=found.missing,
    )


def _speaking(session: Session, refused: Sequence[Source], found: Relevance) -> list[str]:
    """Marks refused sources of this tenant that cover the question better than what is admitted."""
    by_id = {source.id: source for source in refused}
    marked: list[SourceRejection] = []
    speaking: list[str] = []
    for rejection in session.rejected:
        source = by_id.get(rejection.source_id)
        if source is not None:
            read = relevance(session.task.question, Index([source]), session.task.settings.relevance)
            if read.band == "covered" and read.score >= found.score + _NEARER:
                rejection = rejection.model_copy(update={"speaks_to_question": True})
                speaking.append(f"{rejection.title} ({rejection.reason.words})")
        marked.append(rejection)
    session.rejected = tuple(marked)
    return speaking


def _suffices(
    session: Session, passages: Sequence[Passage], found: Relevance
) -> Generator[Request, Any, None]:
    judge = session.task.sufficiency
    if judge is None:
        session.assurance.append(
            "No sufficiency judge: whether the documents answer the whole question is unjudged."
        )
        return
    exhibits = tuple(Exhibit(passage.id, passage.evidence) for passage in passages)
    answer = yield from session.ask(AskSufficiency(judge, session.task.question, exhibits))
    if not isinstance(answer, SufficiencyAnswer):
        raise Ended(
            NoResultReason.CHECK_FAILED, "sufficiency_judge", "the sufficiency judge gave no usable answer"
        )
    missing = answer.missing or found.missing
    known = {passage.id: passage.evidence for passage in passages}
    if answer.conflict:
        spans = [known[name] for name in answer.evidence_ids if name in known]
        raise Ended(
            NoResultReason.CONFLICTING_SOURCES,
            "judged",
            "the authorised documents are judged to contradict each other",
            missing=missing,
            conflict=spans,
        )
    if not answer.sufficient or not answer.evidence_ids or not set(answer.evidence_ids) <= known.keys():
        raise Ended(
            NoResultReason.INSUFFICIENT_EVIDENCE,
            "judged",
            "the authorised documents are judged not to answer the question",
            missing=missing,
        )
