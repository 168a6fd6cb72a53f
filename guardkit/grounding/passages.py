"""Passages of the admitted sources, ranked for a question and numbered for a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from guardkit.core.sources import Evidence, Source
from guardkit.grounding.index import Index, Sentence
from guardkit.grounding.terms import WEIGHTS, terms

MAX_PASSAGE = 900
"""Characters after which a passage is closed at the next sentence."""

_K1 = 1.2
_B = 0.6
"""Usual constants of BM25 (Robertson and Zaragoza, 2009): saturation and length."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of sentences of one section, under the id by which a draft cites it."""

    id: str
    """`E1`, `E2`, ... in the order of the prompt: says nothing about the document."""

    source: Source
    section: str
    start: int
    end: int

    @property
    def text(self) -> str:
        """Exactly the span of the source."""
        return self.source.text[self.start : self.end]

    @property
    def evidence(self) -> Evidence:
        """The span as evidence."""
        return self.source.evidence(self.start, self.end)


def retrieve(index: Index, question: str, *, limit: int = 8) -> tuple[Passage, ...]:
    """The passages that fit the question best, best first.

    Ranking is BM25 with the weights of `guardkit.grounding.terms`. When no word fits, as with a
    question in another language, the first passages of the sources are taken in order.
    """
    asked = terms(question)
    weights = {term: WEIGHTS[kind] for term, kind in asked.kinds.items()}
    runs = _runs(index)
    hits = index.hits(list(weights))
    sizes = [run[-1].end - run[0].start for run in runs]
    average = sum(sizes) / max(1, len(sizes))
    scored: list[tuple[float, int]] = []
    for place, run in enumerate(runs):
        counts: dict[str, float] = {}
        for sentence in run:
            for term, degree in hits.get(sentence.position, {}).items():
                counts[term] = counts.get(term, 0.0) + degree
        norm = _K1 * (1 - _B + _B * sizes[place] / average)
        score = sum(
            weights[term] * index.rarity(term) * count * (_K1 + 1) / (count + norm)
            for term, count in counts.items()
        )
        scored.append((-score, place))
    chosen = [runs[place] for score, place in sorted(scored)[:limit] if score < 0 or not hits]
    return tuple(
        Passage(f"E{number}", run[0].source, run[0].section, run[0].start, run[-1].end)
        for number, run in enumerate(chosen, start=1)
    )


def passage_of(passages: Sequence[Passage], evidence: Evidence) -> Passage | None:
    """The passage that holds the larger part of a span, if any."""
    best: tuple[int, Passage] | None = None
    for passage in passages:
        if passage.source.id != evidence.source_id:
            continue
        shared = min(passage.end, evidence.end) - max(passage.start, evidence.start)
        if shared > 0 and (best is None or shared > best[0]):
            best = (shared, passage)
    return best[1] if best else None


def _runs(index: Index) -> list[list[Sentence]]:
    runs: list[list[Sentence]] = []
    for sentence in index.sentences:
        last = runs[-1] if runs else None
        if (
            last is None
            or last[0].source is not sentence.source
            or last[0].section != sentence.section
            or sentence.end - last[0].start > MAX_PASSAGE
        ):
            runs.append([sentence])
        else:
            last.append(sentence)
    return runs
