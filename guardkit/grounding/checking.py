"""One claim of a draft, checked without a model: citations, quotations, numbers, coverage."""

from collections.abc import Sequence
from dataclasses import dataclass

from guardkit.core.drafts import Claim, ClaimCheck, ClaimVerdict, Flag, Vote
from guardkit.core.sources import Evidence, Source
from guardkit.grounding.index import Index
from guardkit.grounding.judges import Exhibit
from guardkit.grounding.passages import Passage, passage_of
from guardkit.grounding.quotes import quotations
from guardkit.grounding.settings import GroundingSettings
from guardkit.grounding.signals import conflicting_numbers
from guardkit.grounding.verifier import Assessment, assess

MAX_EXHIBITS = 8
"""Most spans that a judge sees for one claim."""

_FATAL = {Flag.CITATION_MISSING, Flag.CITATION_UNKNOWN, Flag.QUOTE_ABSENT}


@dataclass(frozen=True, slots=True)
class Escalated:
    """A claim that takes judges, with what they are to see."""

    claim: Claim
    assessment: Assessment
    flags: tuple[Flag, ...]
    exhibits: tuple[Exhibit, ...]
    cited: tuple[Passage, ...]


def check(
    claim: Claim, passages: Sequence[Passage], index: Index, settings: GroundingSettings, *, judged: bool
) -> ClaimCheck | Escalated:
    """The claim's verdict where rules or the verifier can give one, else what judges need.

    Args:
        claim: a checkable claim.
        passages: what the draft could cite.
        index: all admitted sources.
        settings: thresholds and choices.
        judged: whether there are judges to go to.
    """
    by_id = {passage.id: passage for passage in passages}
    cited = [by_id[name] for name in claim.citations if name in by_id]
    assessment = assess(
        claim.statement, index, settings.verifier, cited=[passage.evidence for passage in cited]
    )
    flags = set(assessment.flags) | _citation_flags(claim, by_id, cited, index, settings)
    fatal = flags & _FATAL
    if Flag.NUMBER_CONFLICT in flags:
        return _settled(claim, ClaimVerdict.CONTRADICTED, "rules", assessment, flags)
    if fatal or Flag.NUMBER_ABSENT in flags:
        return _settled(claim, ClaimVerdict.NOT_ENOUGH_INFO, "rules", assessment, flags)
    if assessment.band == "reject":
        return _settled(claim, ClaimVerdict.NOT_ENOUGH_INFO, "verifier", assessment, flags)
    accepting = settings.auto_accept == "always" or (settings.auto_accept == "without_judge" and not judged)
    if assessment.band == "accept" and accepting:
        moved = {Flag.CITATION_MOVED} if _is_moved(assessment.evidence[0], cited) else set[Flag]()
        return _settled(claim, ClaimVerdict.SUPPORTED, "verifier", assessment, flags | moved)
    if not judged:
        return _settled(claim, ClaimVerdict.NOT_ENOUGH_INFO, "nobody", assessment, flags | {Flag.NOT_JUDGED})
    return Escalated(
        claim, assessment, tuple(sorted(flags)), _exhibits(cited, assessment, index), tuple(cited)
    )


def decide(
    escalated: Escalated, votes: Sequence[Vote], judges: int, settings: GroundingSettings
) -> ClaimCheck:
    """The panel's verdict: supported only if every judge voted so, validly, and no flag withholds.

    Args:
        escalated: the claim with its flags.
        votes: one vote a judge, in order, up to the first dissent.
        judges: how many judges there are; a missing vote is no agreement.
        settings: which flags withhold.
    """
    flags = set(escalated.flags)
    verdicts = [vote.verdict for vote in votes]
    verdict = ClaimVerdict.NOT_ENOUGH_INFO
    if None in verdicts or (len(votes) < judges and all(said is ClaimVerdict.SUPPORTED for said in verdicts)):
        flags.add(Flag.JUDGE_FAILED)
    elif all(said is ClaimVerdict.SUPPORTED for said in verdicts) and not flags & settings.withholding:
        verdict = ClaimVerdict.SUPPORTED
    elif ClaimVerdict.SUPPORTED in verdicts:
        flags.add(Flag.JUDGES_DISAGREE)
    elif ClaimVerdict.CONTRADICTED in verdicts:
        verdict = ClaimVerdict.CONTRADICTED
    if any(vote.error and vote.verdict for vote in votes):
        flags.add(Flag.UNQUOTED)
    spans = _spans(escalated, votes)
    if verdict is ClaimVerdict.SUPPORTED and _is_moved(spans[0], escalated.cited):
        flags.add(Flag.CITATION_MOVED)
    return ClaimCheck(
        claim=escalated.claim,
        verdict=verdict,
        decided_by="judges",
        score=escalated.assessment.score,
        evidence=spans,
        flags=tuple(sorted(flags)),
        votes=tuple(votes),
    )


def conflicts(check: ClaimCheck, index: Index) -> tuple[Evidence, ...]:
    """The claim's evidence and sentences of other sources that say the same with other numbers.

    A source of lower authority contradicts nothing; empty when none does.
    """
    found: list[Evidence] = []
    for span in check.evidence[:1]:
        for sentence in index.sentences_in(span):
            if not any(not number.soft for number in sentence.spoken.numbers):
                continue
            for window in index.windows([*sentence.spoken.kinds], size=1):
                rival = window.sentences[0]
                if (
                    rival.source.id != sentence.source.id
                    and _rank(rival.source) >= _rank(sentence.source)
                    and conflicting_numbers(sentence, rival)
                ):
                    found.extend([sentence.evidence, rival.evidence])
    return tuple(dict.fromkeys(found))


def _rank(source: Source) -> int:
    return 1 if source.authority == "authoritative" else 0


def _settled(
    claim: Claim, verdict: ClaimVerdict, by: str, assessment: Assessment, flags: set[Flag]
) -> ClaimCheck:
    return ClaimCheck.model_validate(
        {
            "claim": claim,
            "verdict": verdict,
            "decided_by": by,
            "score": assessment.score,
            "evidence": assessment.evidence,
            "flags": tuple(sorted(flags)),
        }
    )


def _citation_flags(
    claim: Claim,
    by_id: dict[str, Passage],
    cited: Sequence[Passage],
    index: Index,
    settings: GroundingSettings,
) -> set[Flag]:
    flags: set[Flag] = set()
    if any(name not in by_id for name in claim.citations):
        flags.add(Flag.CITATION_UNKNOWN)
    if not claim.citations and settings.require_citations:
        flags.add(Flag.CITATION_MISSING)
    named = {passage.source.id for passage in cited}
    if claim.citations and not all(index.holds(quoted, named) for quoted in quotations(claim.statement)):
        flags.add(Flag.QUOTE_ABSENT)
    return flags


def _is_moved(evidence: Evidence, cited: Sequence[Passage]) -> bool:
    return bool(cited) and passage_of(cited, evidence) is None


def _exhibits(cited: Sequence[Passage], assessment: Assessment, index: Index) -> tuple[Exhibit, ...]:
    """Cited passages first, then what covers the claim best with its neighbours; under ids of their own."""
    spans = [passage.evidence for passage in cited]
    spans += [index.with_neighbours(span) for span in assessment.evidence]
    chosen: list[Evidence] = []
    for span in spans:
        if not any(_covers(other, span) for other in chosen):
            chosen.append(span)
    return tuple(Exhibit(f"E{number}", span) for number, span in enumerate(chosen[:MAX_EXHIBITS], start=1))


def _covers(outer: Evidence, inner: Evidence) -> bool:
    return outer.source_id == inner.source_id and outer.start <= inner.start and inner.end <= outer.end


def _spans(escalated: Escalated, votes: Sequence[Vote]) -> tuple[Evidence, ...]:
    """What the judges quoted, as far as it is found letter for letter, then what the verifier found."""
    quoted: list[Evidence] = []
    for quote in dict.fromkeys(vote.quote for vote in votes if vote.quote):
        for exhibit in escalated.exhibits:
            place = exhibit.evidence.text.find(quote)
            if place >= 0:
                start = exhibit.evidence.start + place
                quoted.append(
                    Evidence(
                        source_id=exhibit.evidence.source_id, start=start, end=start + len(quote), text=quote
                    )
                )
                break
    return tuple(dict.fromkeys([*quoted, *escalated.assessment.evidence]))
