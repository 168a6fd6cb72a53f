"""The admitted sources, cut into sentences and looked up by word."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import fuzz

from guardkit.core.sources import Evidence, Source
from guardkit.grounding.numbers import numbers
from guardkit.grounding.quotes import contains, plain
from guardkit.grounding.sentences import Span, sections, sentences
from guardkit.grounding.terms import Terms, terms
from guardkit.grounding.tokens import content_stems

MAX_CHARACTERS = 2_000_000
"""How much text one index holds; the rest is left out and `Index.truncated` is set."""

CONTEXT = 0.7
"""What a word counts that stands only in the heading or the title above a sentence."""

_FUZZY = 0.8
_PREFIX = 4


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a source."""

    position: int
    """Place among all sentences of the index; neighbours in one section differ by one."""

    source: Source
    section: str
    start: int
    end: int
    spoken: Terms
    """Its terms, with offsets into `text`."""

    lead: str
    """The line above the list that it is an item of, unless that is a part of it."""

    context: frozenset[str]
    """Content stems of the headings above and of the title."""

    @property
    def text(self) -> str:
        """Exactly the span of the source."""
        return self.source.text[self.start : self.end]

    @property
    def evidence(self) -> Evidence:
        """The span as evidence."""
        return self.source.evidence(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Window:
    """One to three neighbouring sentences and how well each sought term is met in them."""

    sentences: tuple[Sentence, ...]
    met: dict[str, float]
    """Term to degree of match in (0, 1]; terms that are not met are absent."""

    @property
    def evidence(self) -> Evidence:
        """The span from the first to the last sentence."""
        first, last = self.sentences[0], self.sentences[-1]
        return first.source.evidence(first.start, last.end)


class Index:
    """Sentences of admitted sources by the words in them.

    Args:
        sources: admitted sources only: whatever stands in an index may end up in a prompt.
        max_characters: how much text is read; what is beyond is left out and marked.
    """

    def __init__(self, sources: Sequence[Source], *, max_characters: int = MAX_CHARACTERS) -> None:
        self.sources = tuple(sources)
        self.sentences: list[Sentence] = []
        self.truncated = False
        self._postings: dict[str, list[int]] = {}
        self._context_postings: dict[str, list[int]] = {}
        self._places: dict[str, list[int]] = {}
        self._heading_numbers: set[str] = set()
        self._plain: dict[int, str] = {}
        self._variants: dict[str, dict[str, float]] = {}
        left = max_characters
        for source in self.sources:
            self._read(source, left)
            left = max(0, left - len(source.text))

    def _read(self, source: Source, limit: int) -> None:
        title = frozenset(content_stems(source.title[:500]))
        places = self._places.setdefault(source.id, [])
        for section in sections(source.text[:limit]):
            self._heading_numbers.update(number.value for number in numbers(section.path))
            context = title.union(content_stems(section.path), content_stems(source.section or ""))
            for span in sentences(source.text, section.start, section.end):
                if span.end == limit < len(source.text):
                    continue  # cut in the middle: half a sentence may hold half a number
                places.append(self._add(source, source.section or section.path, span, context))
        self.truncated = self.truncated or len(source.text) > limit

    def _add(self, source: Source, section: str, span: Span, context: frozenset[str]) -> int:
        spoken = terms(source.text[span.start : span.end])
        place = len(self.sentences)
        above = context - spoken.kinds.keys()
        self.sentences.append(
            Sentence(place, source, section, span.start, span.end, spoken, span.lead, above)
        )
        for term in spoken.kinds:
            self._postings.setdefault(term, []).append(place)
        for term in above:
            self._context_postings.setdefault(term, []).append(place)
        return place

    def sentences_in(self, span: Evidence) -> list[Sentence]:
        """The sentences that a span touches."""
        places = self._places.get(span.source_id, [])
        first = bisect_right(places, span.start, key=lambda place: self.sentences[place].end)
        last = bisect_left(places, span.end, key=lambda place: self.sentences[place].start)
        return [self.sentences[place] for place in places[first:last]]

    def with_neighbours(self, span: Evidence) -> Evidence:
        """A span, widened by one sentence on each side within its section."""
        inside = self.sentences_in(span)
        if not inside:
            return span
        around = [
            self.sentences[place]
            for place in (inside[0].position - 1, inside[-1].position + 1)
            if 0 <= place < len(self.sentences)
        ]
        wide = [
            *inside,
            *(
                sentence
                for sentence in around
                if sentence.source is inside[0].source and sentence.section == inside[0].section
            ),
        ]
        return inside[0].source.evidence(
            min(span.start, *(sentence.start for sentence in wide)),
            max(span.end, *(sentence.end for sentence in wide)),
        )

    def after(self, sentence: Sentence) -> Sentence | None:
        """The sentence that follows in the same section, if there is one."""
        place = sentence.position + 1
        if place == len(self.sentences):
            return None
        following = self.sentences[place]
        together = following.source is sentence.source and following.section == sentence.section
        return following if together else None

    def holds(self, quotation: str, source_ids: Collection[str] | None = None) -> bool:
        """Whether one of the sources (of those named, if any are) holds the quotation verbatim."""
        for place, source in enumerate(self.sources):
            if source_ids is not None and source.id not in source_ids:
                continue
            if place not in self._plain:
                self._plain[place] = plain(source.text)
            if contains(self._plain[place], quotation):
                return True
        return False

    @cached_property
    def _prefixes(self) -> dict[str, list[str]]:
        prefixes: dict[str, list[str]] = {}
        for term in self._postings.keys() | self._context_postings.keys():
            if len(term) >= _PREFIX and not term.startswith("#"):
                prefixes.setdefault(term[:_PREFIX], []).append(term)
        return prefixes

    @cached_property
    def number_values(self) -> frozenset[str]:
        """Normal forms of all numbers in the sources; of negative ones the amount too."""
        values = {number.value for sentence in self.sentences for number in sentence.spoken.numbers}
        return frozenset(
            values | self._heading_numbers | {value[1:] for value in values if value.startswith("-")}
        )

    def __contains__(self, term: str) -> bool:
        return term in self._postings or term in self._context_postings

    def rarity(self, term: str) -> float:
        """How rare a term is among the sentences, in [0, 1]; 1 for one that does not occur."""
        total = len(self.sentences)
        if not total:
            return 1.0
        frequency = len(self._postings.get(term, ()))
        return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5)) / math.log(1 + (total + 0.5) / 0.5)

    def variants(self, term: str) -> dict[str, float]:
        """The spellings under which a term occurs, with the degree of match: itself, else near forms."""
        known = self._variants.get(term)
        if known is None:
            known = self._variants[term] = self._find_variants(term)
        return known

    def _find_variants(self, term: str) -> dict[str, float]:
        if term in self:
            return {term: 1.0}
        if term.startswith("#") or len(term) < _PREFIX:
            return {}
        found: dict[str, float] = {}
        for other in self._prefixes.get(term[:_PREFIX], ()):
            shorter = min(len(term), len(other))
            ratio = fuzz.ratio(term, other)
            if ratio > 85 or (ratio >= 75 and term[: shorter - 1] == other[: shorter - 1]):
                found[other] = _FUZZY
        return found

    def hits(self, terms: Sequence[str]) -> dict[int, dict[str, float]]:
        """Per sentence that meets any of the terms: which, and to what degree."""
        found: dict[int, dict[str, float]] = {}
        for term in terms:
            for form, degree in self.variants(term).items():
                for place in self._postings.get(form, ()):
                    met = found.setdefault(place, {})
                    met[term] = max(degree, met.get(term, 0.0))
        for term in terms:
            for form, degree in self.variants(term).items():
                for place in self._context_postings.get(form, ()):
                    if place in found:
                        found[place].setdefault(term, degree * CONTEXT)
        return found

    def windows(self, terms: Sequence[str], *, size: int = 3) -> list[Window]:
        """All windows of up to `size` neighbouring sentences of one section that meet a term."""
        hits = self.hits(terms)
        found: list[Window] = []
        for first in sorted(hits):
            met: dict[str, float] = {}
            members: list[Sentence] = []
            for place in range(first, min(first + size, len(self.sentences))):
                sentence = self.sentences[place]
                if members and (
                    sentence.source is not members[0].source or sentence.section != members[0].section
                ):
                    break
                members.append(sentence)
                if place not in hits:
                    continue
                met = dict(met)
                for term, degree in hits[place].items():
                    met[term] = max(degree, met.get(term, 0.0))
                found.append(Window(tuple(members), met))
        return found
