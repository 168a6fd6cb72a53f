"""Finding phrases by their words: several words in order, with a bounded number of others between.

A text is read once, from its end to its beginning. For every phrase and every place in it the reader keeps where the
rest of the phrase was last seen, so each word costs as many steps as there are places it can stand in, however often
it occurs: the time is linear in the text, and there is no expression that could backtrack.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from guardkit.errors import ConfigurationError

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[:@]")
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*|[:@]")


def word_form(text: str) -> re.Pattern[str]:
    """What counts as a word of this lower-case text.

    Letters and digits with inner apostrophes; a colon and an at sign, because they say that something follows.
    """
    return _ASCII_WORD if text.isascii() else _WORD


_FAR = 1 << 60
_STEP = re.compile(r"\.\.(\d+)")
_LONG = 6
"""Letters from which a word is also found with one slip of the pen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A phrase that says something about a text."""

    family: str
    """What kind of sign it is."""

    weight: int
    """2 speaks for itself; 1 needs a sign of another family nearby."""

    words: str
    """The words in order, each one of alternatives (`say/print`) or the name of a word list in capitals; `..4` allows
    up to four other words in between."""

    command: bool = False
    """Whether it counts only where it is a command, not where it is reported (`they tell it to ignore ...`)."""


@dataclass(frozen=True, slots=True)
class Found:
    """A phrase in a text."""

    phrase: Phrase
    at: int
    """Index of its first word."""


_Place: TypeAlias = tuple[int, int, Phrase | None]
"""A word's place in a phrase: its state; how many words away the next place may be, 0 for the last; the phrase, if this
is its first place. A tuple, because the reader touches several per word."""


class Phrasebook:
    """Phrases compiled into one index by word.

    Args:
        phrases: what to look for.
        lists: word lists by name, in capitals.
        slips: names of lists whose longer words are also found with one letter missing, doubled, wrong or swapped.

    Raises:
        ConfigurationError: a phrase names a list that does not exist, or has no words.
    """

    def __init__(
        self, phrases: Iterable[Phrase], lists: Mapping[str, Sequence[str]], slips: Sequence[str] = ()
    ) -> None:
        index: dict[str, list[_Place]] = {}
        slipped: dict[str, list[_Place]] = {}
        self.states = 0
        for phrase in phrases:
            places = _places(phrase)
            for number, (alternatives, reach) in enumerate(places):
                place: _Place = (self.states, reach, phrase if number == 0 else None)
                self.states += 1
                for alternative in alternatives:
                    words = _words(alternative, lists, phrase)
                    for word in words:
                        index.setdefault(word, []).append(place)
                    if alternative in slips:
                        for slip in {slip for word in words for slip in _slips(word)}:
                            slipped.setdefault(slip, []).append(place)
        # Before the slips come in: a plural is also a slip of its singular, and is a word all the same.
        self._spelt = re.compile("|".join(map(re.escape, sorted(index, key=len, reverse=True))))
        for slip, places in slipped.items():
            index.setdefault(slip, places)
        self._index = {word: tuple(dict.fromkeys(places)) for word, places in index.items()}

    def split(self, letters: str) -> list[str]:
        """The known words in a run of letters without spaces, the longest at each place; the rest is left out."""
        return self._spelt.findall(letters)

    def read(self, words: Sequence[str]) -> list[Found]:
        """All phrases in a text, in the order of their first words.

        Args:
            words: the words of the text, lower-case.
        """
        look = self._index.get
        known = [(at, places) for at, word in enumerate(words) if (places := look(word)) is not None]
        seen = [_FAR] * (self.states + 1)
        found: list[Found] = []
        for at, places in reversed(known):
            # Places of one phrase come in order, so a word never stands for two of them at once.
            for state, reach, phrase in places:
                if reach and seen[state + 1] - at > reach:
                    continue
                seen[state] = at
                if phrase is not None:
                    found.append(Found(phrase, at))
        found.reverse()
        return found


def _places(phrase: Phrase) -> list[tuple[list[str], int]]:
    places: list[tuple[list[str], int]] = []
    reach = 1
    for part in phrase.words.split():
        step = _STEP.fullmatch(part)
        if step:
            reach = int(step[1]) + 1
            continue
        if places:
            places[-1] = (places[-1][0], reach)
        places.append((part.split("/"), 0))
        reach = 1
    if not places:
        raise ConfigurationError(f"a phrase of family {phrase.family!r} has no words")
    return places


def _words(alternative: str, lists: Mapping[str, Sequence[str]], phrase: Phrase) -> Sequence[str]:
    if not alternative.isupper():
        return (alternative,)
    if alternative not in lists:
        raise ConfigurationError(
            f"a phrase of family {phrase.family!r} names the word list {alternative!r}",
            remedy=f"known: {', '.join(sorted(lists))}",
        )
    return lists[alternative]


def _slips(word: str) -> set[str]:
    """A word with one slip of the pen."""
    if len(word) < _LONG:
        return set()
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    less = {head + tail[1:] for head, tail in cuts if tail}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    more = {head + letter + tail for head, tail in cuts for letter in string.ascii_lowercase}
    wrong = {head + letter + tail[1:] for head, tail in cuts if tail for letter in string.ascii_lowercase}
    return (less | swapped | more | wrong) - {word}
