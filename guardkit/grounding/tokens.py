"""Words of a text, with exact offsets and English stems."""

import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

_WORD = re.compile(
    r"[\u0E00-\u0EFF\u3040-\u30FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7AF]"  # scripts without spaces: one sign, one token
    r"|[^\W_]+(?:['\u2019][^\W\d_]{1,3}(?![^\W_]))?"
)

STOP_WORDS = frozenset(
    """a about above after again against all also although am an and any are as at be because been before being
    below between both but by can could did do does doing down during each either else ever every few for from
    further had has have having he her here hers herself him himself his how however i if in into is it its itself
    just let may me might more most much must my myself neither nor of off on once one only onto or other ought our
    ours ourselves out over own per rather s same shall she should since so some such t than that the their theirs
    them themselves then there these they this those though through to too under until up upon us very was we were
    what when where whether which while who whom whose why will with within without would yet you your yours
    yourself yourselves am re ve ll d m don isn aren wasn weren doesn didn hasn haven hadn won wouldn couldn
    shouldn can't cannot""".split()
)
"""Words that carry grammar rather than content. Negations are handled by their own signal."""

_PAIRS = """arose:arise arisen:arise ate:eat eaten:eat became:become began:begin begun:begin bent:bend bought:buy
    bore:bear borne:bear broke:break broken:break brought:bring built:build came:come caught:catch chose:choose
    chosen:choose cost:cost dealt:deal drew:draw drawn:draw drove:drive driven:drive fell:fall fallen:fall fed:feed
    felt:feel fought:fight found:find flew:fly flown:fly forgot:forget gave:give given:give went:go gone:go grew:grow
    grown:grow held:hold heard:hear hid:hide hidden:hide kept:keep knew:know known:know laid:lay led:lead left:leave
    lent:lend lost:lose made:make meant:mean met:meet paid:pay ran:run rode:ride risen:rise rose:rise said:say
    sang:sing sat:sit saw:see seen:see sent:send shot:shoot shown:show sold:sell sought:seek spent:spend spoke:speak
    spoken:speak stood:stand stole:steal stolen:steal struck:strike sworn:swear swore:swear taken:take took:take
    taught:teach thought:think threw:throw thrown:throw told:tell understood:understand withdrew:withdraw
    withdrawn:withdraw won:win wore:wear worn:wear wrote:write written:write died:die dying:die death:die dead:die
    born:birth men:man women:woman children:child people:person feet:foot mice:mouse wives:wife
    theft:steal thefts:steal sale:sell sales:sell loss:lose losses:lose payment:pay payments:pay growth:grow proof:prove
    choice:choose belief:believe length:long height:high width:wide strength:strong"""
_IRREGULAR = {form: base for form, _, base in (pair.partition(":") for pair in _PAIRS.split())}


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802  # the library's name


_stemmer = cast(_Stemmer, snowballstemmer.stemmer("english"))  # pyright: ignore[reportUnknownMemberType]
_stemmer_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text."""

    text: str
    start: int
    end: int
    folded: str
    """Case, width, accents and apostrophes undone."""

    stem: str
    """Folded, irregular forms undone, stemmed: equal stems are one word."""

    content: bool
    """Whether it says something about the matter (is no stop word)."""


@lru_cache(maxsize=65536)
def stem(folded: str) -> str:
    """The stem of one folded word. The stemmer itself is not thread-safe, hence the lock."""
    folded = folded.removesuffix("'s").removesuffix("'")
    folded = _IRREGULAR.get(folded, folded)
    if not folded.isascii() or len(folded) < 3:
        return folded
    with _stemmer_lock:
        return _stemmer.stemWord(folded)


def fold(word: str) -> str:
    """Case, width, accents and apostrophes undone, so that `Müller` and `MULLER` are one word."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.replace("\u2019", "'").casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def tokens(text: str) -> list[Token]:
    """All words in order. `text[token.start:token.end] == token.text` holds for each."""
    found: list[Token] = []
    for match in _WORD.finditer(text):
        word = match.group()
        folded = fold(word)
        content = folded.removesuffix("'s") not in STOP_WORDS
        found.append(Token(word, match.start(), match.end(), folded, stem(folded), content))
    return found


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry content, in order, with repeats."""
    return [token.stem for token in tokens(text) if token.content]
