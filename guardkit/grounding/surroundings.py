"""What the text around a supporting sentence takes back: headings that deny, sentences that limit, pronouns."""

from collections import Counter

from guardkit.core.drafts import Flag
from guardkit.grounding.index import Index, Sentence, Window
from guardkit.grounding.lexicon import CONDITIONS, CONTRASTS, EXCLUDING, NEGATIONS, REFERENCES
from guardkit.grounding.terms import Terms
from guardkit.grounding.tokens import tokens

_PERSONS = frozenset("it they he she both".split())
"""Pronouns even before a verb."""

_LIMITING = frozenset("applies apply requires require depends depend holds hold ends end".split())
"""Verbs with which a sentence limits the one that it speaks of."""

_LIMITING_HEADING = frozenset("only except unless excluding".split())
_LONGEST = 1200
_FEW = 3
"""Words of a remark such as `Members only.`"""


def negations(words: Counter[str]) -> int:
    """How often a text denies."""
    return sum(count for word, count in words.items() if word in NEGATIONS or word.endswith("n't"))


def refers_back(spoken: Terms) -> bool:
    """Whether a sentence begins with a pronoun that stands for something outside of it, as in `It is free`."""
    if not spoken.words or spoken.words[0].folded not in REFERENCES:
        return False
    return len(spoken.words) == 1 or not spoken.words[1].content or spoken.words[0].folded in _PERSONS


def surrounding_flags(claim: Terms, said: Counter[str], window: Window, index: Index) -> set[Flag]:
    """Flags for what the words of the supporting sentences do not show.

    A heading or a line above a list that denies (`Not covered`) or limits denies or limits what stands below it; a
    following sentence that begins with `however`, or that speaks of the one before and excludes or limits, takes a
    part back; a question states nothing.
    """
    flags: set[Flag] = set()
    first, last = window.sentences[0], window.sentences[-1]
    heading = _words(first.section)
    lead = _words(first.lead)
    above = heading + lead
    if not negations(said) and (negations(above) or EXCLUDING & above.keys()):
        flags.add(Flag.NEGATION_DROPPED)
    if (_LIMITING_HEADING & heading.keys() or CONDITIONS & lead.keys()) - said.keys():
        flags.add(Flag.LIMIT_DROPPED)
    if any(sentence.text.endswith("?") for sentence in window.sentences):
        flags.add(Flag.LIMIT_DROPPED)
    following = index.after(last)
    if following is not None and _takes_back(following):
        flags.add(Flag.LIMIT_DROPPED)
    return flags


def _words(text: str) -> Counter[str]:
    return Counter(token.folded for token in tokens(text[:_LONGEST]))


def _takes_back(sentence: Sentence) -> bool:
    words = [word.folded for word in sentence.spoken.words]
    if not words:
        return False
    if words[0] in CONTRASTS or (words[0] in REFERENCES and words[1:2] and words[1] in _LIMITING):
        return True
    if len(words) > _FEW and not refers_back(sentence.spoken):
        return False
    return any(word in CONDITIONS or word in NEGATIONS for word in words)
