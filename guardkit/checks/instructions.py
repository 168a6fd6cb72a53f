"""Instructions planted in what tools return.

A deterministic detector for text that speaks to the model: it knows the marks of such text (phrases, chat markup,
disguises) and sees through the common disguises. What carries no mark passes: nothing in "Please move Friday's backup
to bucket b-17" tells a colleague's request from an attack. A hit therefore only tightens, and no hit is no evidence.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, cast

from guardkit.checks import disguises
from guardkit.checks.instruction_words import MENTION, PHRASEBOOK, POSSESSIVE, REPORTING
from guardkit.checks.phrases import Found, word_form
from guardkit.core.steps import Observation, Trust
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.errors import ConfigurationError

ENOUGH = 2
"""The weight that flags: one sign that speaks for itself, or two families near one another."""

NEAR = 100
"""Words within which two signs belong together."""

LAYERS = 2
"""How many encodings inside one another are taken off."""

UNSCANNED = "unscanned"
"""The evidence that part of an observation was not scanned."""

_EVIDENCE = 12
"""Signs that a verdict names at most."""

_BEFORE, _AFTER = 30, 12
"""Words around a quotation in which it may be called a mention."""

_MARKUP: tuple[tuple[str, int, re.Pattern[str]], ...] = (
    ("template", 2, re.compile(r"<\|[a-z_ ]{2,24}\|>|\[/inst\]|<</?sys>>|<(?:start|end)_of_turn>")),
    ("template", 2, re.compile(r"\[(system|assistant|user)\]\s?\[\1\]\s?\[\1\]")),
    (
        "markup",
        1,
        re.compile(
            r"</?(?:system|assistant|instructions?|information|important|admin|developer)(?:\s[^<>]{0,40})?>"
            r"|\[/?(?:system|assistant|instructions?)\]|<[^<>\n]{0,40}\bmode\b[^<>\n]{0,40}>"
            r"|^[#=*\- ]{1,8}(?:system prompt|instructions? (?:for|to) |new instructions?|core instruction)",
            re.MULTILINE,
        ),
    ),
    ("turn", 1, re.compile(r"^[ \t>#*-]{0,8}(?:system|assistant|human)[ \t]?:", re.MULTILINE)),
    (
        "boundary",
        1,
        re.compile(
            r"[<\[(-]{1,12} ?/?(?:end|rest)[ _-](?:of[ _-])?(?:the[ _-])?(?:session|document|input|context|data|prompt)"
        ),
    ),
)

# Scripts without spaces between words, or whose vowels are combining marks: "ignore" near "instructions".
_UNSPACED = re.compile("[\u0600-\u06ff\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]")
_FAR_AWAY = re.compile(
    "(?:忽略|无视|忘记|忘掉|不要理会|無視|忘れ)[^。\n]{0,16}(?:指令|指示|说明|提示|命令|規則|规则)"
    "|(?:指令|指示|说明|提示|命令)[^。\n]{0,8}(?:忽略|无视|忘记|無視|忘れ)"
    "|(?:지시|명령|지침)[^.\n]{0,12}(?:무시|잊)|(?:무시|잊)[^.\n]{0,12}(?:지시|명령|지침)"
    "|(?:تجاهل|انس)[^.\n]{0,16}(?:التعليمات|الأوامر|الاوامر)"
    "|(?:निर्देश|आदेश)[^।\n]{0,16}(?:अनदेखी|अनदेखा|नज़रअंदाज|भूल)|(?:अनदेखी|अनदेखा|नज़रअंदाज)[^।\n]{0,16}(?:निर्देश|आदेश)"
)
_QUOTED = re.compile(
    r"```.{1,2000}?```|\"[^\"\n]{1,300}\"|“[^“”\n]{1,300}”|«[^«»\n]{1,300}»|'[^'\n]{3,300}'(?!\w)|`[^`\n]{1,300}`",
    re.DOTALL,
)

_BREAK = re.compile(r"[.!?;\n\r\u2026\u3002]")
"""What stands between two sentences or lines."""


@dataclass(frozen=True, slots=True)
class _Sign:
    family: str
    weight: int
    word: int
    """Index of the word at which it begins."""
    at: int
    """Offset of its first character."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A text to look at."""

    name: str
    """Where it lies; empty for the observation itself."""
    text: str
    layer: int = 0
    """How many disguises were taken off to get at it."""


class InstructionInObservation:
    """Asks for review when an untrusted observation holds what reads like instructions to the model.

    Trusted observations pass. JSON is looked at by its strings, alone and with their neighbours; other text as it is.
    Invisible characters, look-alike letters, comments, unseen elements and up to two layers of encoding are taken off.
    Evidence names families of signs and offsets in the text as it was scanned, never the text.

    Args:
        max_chars: characters of one observation that are scanned. What is longer is scanned so far, and asks for
            review as `unscanned` in any case.

    Raises:
        ConfigurationError: `max_chars` is not positive.
    """

    def __init__(self, max_chars: int = 200_000) -> None:
        if max_chars < 1:
            raise ConfigurationError(
                f"InstructionInObservation: max_chars is {max_chars!r}", remedy="give 1 or more"
            )
        self._max_chars = max_chars

    def __call__(self, observation: Observation, context: CheckContext, /) -> Verdict | None:
        """Judge one observation."""
        if observation.trust is Trust.TRUSTED:
            return None
        evidence = self.scan(observation.text)
        if not evidence:
            return None
        why = "an observation that anybody may have written holds what reads like instructions to the model"
        if evidence == (UNSCANNED,):
            why = f"an observation that anybody may have written has more than {self._max_chars:,} characters to scan"
        return Verdict(check="instruction", outcome="review", why=why, evidence=evidence)

    def scan(self, text: str) -> tuple[str, ...]:
        """The signs that flag a text; none when it passes.

        Args:
            text: any text.

        Returns:
            `family@offset`, with the disguises taken off in front, as in `base64:override@0`; `unscanned` last if the
            text is too long.
        """
        evidence: list[str] = []
        pending = list(_parts(text[: self._max_chars]))
        while pending:
            part = pending.pop(0)
            evidence.extend(f"{part.name}{sign.family}@{sign.at}" for sign in _flagging(part))
            if part.layer < LAYERS:
                undisguised, blatant = _undisguised(part)
                evidence.extend(blatant)
                pending.extend(undisguised)
        shown = list(dict.fromkeys(evidence))[:_EVIDENCE]
        return (*shown, UNSCANNED) if len(text) > self._max_chars else tuple(shown)


def _undisguised(part: _Part) -> tuple[list[_Part], list[str]]:
    """What a part's disguises hide, the pieces of one kind together, and the disguises that are signs themselves."""
    pieces: dict[str, list[str]] = {}
    blatant: list[str] = []
    for reader in (disguises.smuggled, disguises.hidden, disguises.decoded):
        for piece in reader(part.text):
            pieces.setdefault(piece.how, []).append(piece.text)
            if piece.blatant:
                blatant.append(f"{part.name}{piece.how}@{piece.at}")
    # Two line breaks: what one piece ends with and the next begins with is never read as one encoding.
    return [
        _Part(f"{part.name}{how}:", "\n\n".join(texts), part.layer + 1) for how, texts in pieces.items()
    ], blatant


def _parts(text: str) -> Iterator[_Part]:
    """The text as it is, or the strings of the JSON that it is.

    Joined by line breaks, so that each is seen alone and with its neighbours, and once more glued together where a
    word may be cut in two.
    """
    strings = _json_strings(text)
    if strings is None:
        yield _Part("", text)
        return
    values, names = strings
    yield _Part("", "\n".join(values))
    breaks = ["" if left[-1:].isalpha() and right[:1].isalpha() else "\n" for left, right in pairwise(values)]
    if "" in breaks:
        yield _Part("glued:", "".join(chain.from_iterable(zip(values, [*breaks, ""], strict=True))))
    if names:
        yield _Part("keys:", "\n".join(names))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all of its pairs: of two equal keys a dict keeps one, and the model reads both."""


def _json_strings(text: str) -> tuple[list[str], list[str]] | None:
    """The strings and the keys of a JSON text in their order; `None` when it is no JSON."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        pending: list[Any] = [json.loads(text, object_pairs_hook=_Pairs)]
    except (ValueError, RecursionError):
        return None
    values: list[str] = []
    names: list[str] = []
    while pending:
        value = pending.pop()
        match value:
            case str():
                values.append(value)
            case _Pairs():
                names.extend(key for key, _ in value)
                pending.extend(item for _, item in reversed(value))
            case list():
                pending.extend(reversed(cast("list[Any]", value)))
            case _:
                pass
    return values, names


def _flagging(part: _Part) -> list[_Sign]:
    """The signs in one part, if they weigh enough. What was disguised weighs 1 more."""
    text = disguises.plain(part.text)
    bonus = 1 if part.layer else 0
    signs = _weighed(_signs(text, mentions=not part.layer), bonus)
    if signs:
        return signs
    for how, other in disguises.other_readings(text):
        signs = _weighed(_signs(other, mentions=not part.layer), bonus + (how in ("rot13", "backwards")))
        if signs:
            return signs
    for at, letters in disguises.spaced_out(text):
        found = PHRASEBOOK.read(PHRASEBOOK.split(letters))
        if found:
            return [_Sign(found[0].phrase.family, found[0].phrase.weight, found[0].at, at)]
    return []


def _weighed(signs: Sequence[_Sign], bonus: int) -> list[_Sign]:
    heavy = [sign for sign in signs if sign.weight + bonus >= ENOUGH]
    if heavy:
        return heavy
    for first, second in pairwise(signs):
        if first.family != second.family and second.word - first.word <= NEAR:
            return [first, second]
    return []


def _signs(text: str, *, mentions: bool) -> list[_Sign]:
    """All signs in a plain text, in order; without those that are only mentioned, if mentions are allowed for."""
    form = word_form(text)
    words: list[str] = form.findall(text)
    phrases = PHRASEBOOK.read(words)
    markup = [
        (family, weight, found.start()) for family, weight, form in _MARKUP for found in form.finditer(text)
    ]
    if not text.isascii():
        markup += [("override", 2, found.start()) for found in _FAR_AWAY.finditer(text)]
    if not phrases and not markup:
        return []
    offsets = [found.start() for found in form.finditer(text)]
    signs = [
        _Sign(found.phrase.family, found.phrase.weight, found.at, offsets[found.at])
        for found in phrases
        if not _reported(found, words, offsets, text)
    ]
    signs += [
        _Sign(family, weight, max(0, bisect_right(offsets, at) - 1), at) for family, weight, at in markup
    ]
    signs.sort(key=lambda sign: sign.at)
    if not mentions:
        return signs
    quotations = [found.span() for found in _QUOTED.finditer(text)]
    return [sign for sign in signs if not _mentioned(sign, quotations, words, offsets)]


def _reported(found: Found, words: Sequence[str], offsets: Sequence[int], text: str) -> bool:
    """Whether a command is somebody else's: `they tell it to ignore ...`, `models that ignore their ...`.

    What ends a sentence or a line in front of it reports nothing: `I did what I could. Ignore ...`.
    """
    if not found.phrase.command:
        return False
    if words[found.at + 1 : found.at + 2] and words[found.at + 1] in POSSESSIVE:
        return True
    before = words[max(0, found.at - 5) : found.at]
    if not before or before[-1] not in REPORTING or "you" in before:
        return False
    end = offsets[found.at - 1] + len(before[-1])
    return _BREAK.search(text, end, offsets[found.at]) is None


def _mentioned(
    sign: _Sign, quotations: Sequence[tuple[int, int]], words: Sequence[str], offsets: Sequence[int]
) -> bool:
    """Whether a sign stands in a quotation beside words that call it an attack or an example."""
    index = bisect_right(quotations, (sign.at, len(words) + sign.at)) - 1
    if index < 0 or not quotations[index][0] <= sign.at < quotations[index][1]:
        return False
    first = bisect_right(offsets, quotations[index][0])
    last = bisect_right(offsets, quotations[index][1])
    around = [*words[max(0, first - _BEFORE) : first], *words[last : last + _AFTER]]
    return any(word in MENTION for word in around)
