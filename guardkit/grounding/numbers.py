"""Numbers of a text, normalised: `5 million` and `5,000,000` are one, `9:00` is a time, `2016-08-24` a date.

English conventions hold: a comma groups thousands, a point separates decimals.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

_SMALL = {
    word: value
    for value, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
        seventeen eighteen nineteen""".split()
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), start=1
    )
}
_SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "k": 1_000,
    "million": 1_000_000,
    "mn": 1_000_000,
    "billion": 1_000_000_000,
    "bn": 1_000_000_000,
    "trillion": 1_000_000_000_000,
    "lakh": 100_000,
    "crore": 10_000_000,
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        """january|jan february|feb march|mar april|apr may june|jun july|jul august|aug september|sept|sep
        october|oct november|nov december|dec""".split(),
        start=1,
    )
    for name in names.split("|")
}
_UNITS: dict[str, tuple[str, str]] = {
    surface: (dimension, unit)
    for dimension, table in {
        "money": "eur:\u20ac|eur|euro|euros usd:$|usd|dollar|dollars|us$ gbp:\u00a3|gbp|pound|pounds "
        "jpy:\u00a5|jpy|yen chf:chf|franc|francs inr:\u20b9|inr|rupee|rupees",
        "share": "permille:\u2030 %:%|percent|pct point:point|points|percentage",
        "mass": "kg:kg|kilogram|kilograms|kilo|kilos g:g|gram|grams mg:mg|milligram|milligrams "
        "ug:\u00b5g|\u03bcg|mcg|microgram|micrograms t:tonne|tonnes|ton|tons lb:lb|lbs oz:oz|ounce|ounces",
        "length": "km:km|kilometre|kilometres|kilometer|kilometers m:m|metre|metres|meter|meters "
        "cm:cm|centimetre|centimetres|centimeter|centimeters mm:mm|millimetre|millimetres|millimeter|millimeters "
        "mi:mile|miles ft:ft|foot|feet in:inch|inches yd:yard|yards",
        "area": "ha:hectare|hectares|ha acre:acre|acres m2:m\u00b2|sqm km2:km\u00b2",
        "volume": "l:l|litre|litres|liter|liters ml:ml|millilitre|millilitres|milliliter|milliliters "
        "gal:gallon|gallons",
        "time": "s:second|seconds|sec|secs min:minute|minutes|min|mins h:hour|hours|hr|hrs d:day|days "
        "wk:week|weeks mo:month|months y:year|years|yr|yrs decade:decade|decades century:century|centuries",
        "data": "kb:kb b:byte|bytes mb:mb gb:gb tb:tb",
        "temperature": "c:\u00b0c|celsius f:\u00b0f|fahrenheit",
        "energy": "kw:kw mw:mw gw:gw kwh:kwh w:watt|watts",
    }.items()
    for entry in table.split()
    for unit, surfaces in [entry.split(":", 1)]
    for surface in surfaces.split("|")
}
_EXACT = 15
"""Longest number in digits that is calculated with; longer ones are compared as written."""

_LONGEST = 8
"""Most words of one number in words."""

_CURRENCY = "\u20ac$\u00a3\u00a5\u20b9"
_NUMBER = re.compile(
    r"(?P<iso>(?<![\w.-])\d{4}-\d{2}-\d{2}(?!\d))"
    r"|(?P<time>(?<![\w.:])\d{1,2}:[0-5]\d(?::[0-5]\d)?(?![\d:]))"
    r"|(?P<code>(?<![\w.,])(?!(?i:pre|post|mid|late|early|non|sub|circa)-)(?:(?:[A-Z][A-Za-z]{0,7}-?|[a-z]{1,8})\d\w{0,16}"
    r"(?:-\d\w{0,8}){0,3}|\d{1,8}[A-Za-z][A-Za-z0-9]{0,11}\d[A-Za-z0-9]{0,8}|\d{1,8}[A-JLN-Z])(?!\w))"
    rf"|(?P<sign>(?<![\w.,)\]])[-\u2212](?=[{_CURRENCY}]?\d))?"
    rf"(?:(?P<currency>[{_CURRENCY}])[ ]?)?(?<!\d)(?P<digits>\d{{1,3}}(?:[,\u00a0\u202f\u2009]\d{{3}})++(?!\d)(?:\.\d++)?"
    r"|\d++(?:\.\d++)?)"
    r"(?P<tail>st|nd|rd|th|s|['\u2019]s|[A-Za-z\u00b5\u03bc\u00b0]{1,3}(?![^\W_]))?"
    r"|(?P<half>[\u00bd\u00bc\u00be])"
    r"|(?P<word>(?<![\w])[A-Za-z]{2,9}(?![\w]))"
)
_FRACTIONS = {"\u00bd": "0.5", "\u00bc": "0.25", "\u00be": "0.75"}
_NEXT = re.compile(
    r"[ \u00a0\u202f-]{0,2}(%|\u2030|\u00b0[CF](?!\w)|[A-Za-z\u00b5\u03bc]{1,12}[\u00b2]?|[\u20ac$\u00a3])"
)
_GLUED = re.compile(r"[^\W\d_]{1,12}")
_WORD_BEFORE = re.compile(r"([A-Za-z]{3,9})[. ]{1,2}\Z")
_WORD_AFTER = re.compile(r" (?:of )?([A-Za-z]{3,9})")
_MERIDIEM = re.compile(r"[ \u00a0]?([ap])\.?m\b\.?", re.IGNORECASE)
_FOOTNOTE = re.compile(r"\[(?:\d{1,3}|[A-Z]\d{1,3}|note \d{1,2}|citation needed)\]")


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a text."""

    value: str
    """Normal form; equal forms are equal numbers. Dates are split into year, month and day."""

    start: int
    end: int
    unit: str | None
    dimension: str | None
    soft: bool
    """Written as a word up to twelve, or as a month: its absence from the sources is no proof."""


def numbers(text: str) -> list[Number]:
    """All numbers in order of appearance. Footnote marks are none; list marks are, where they stand in the text."""
    masked = _FOOTNOTE.sub(lambda match: " " * len(match.group()), text)
    matches = _NUMBER.finditer(masked)
    found: list[Number] = []
    words: list[re.Match[str]] = []
    for match in matches:
        if match.lastgroup == "word" and _is_number_word(match.group().lower(), bool(words)):
            if words and (len(words) == _LONGEST or masked[words[-1].end() : match.start()].strip(" -")):
                _close(words, masked, found)
            words.append(match)
            continue
        _close(words, masked, found)
        _read(match, masked, found)
    _close(words, masked, found)
    return found


def _is_number_word(word: str, inside: bool) -> bool:
    return (
        word in _SMALL or word in _TENS or word in _ORDINALS or (inside and word in _SCALES and len(word) > 2)
    )


def _close(words: list[re.Match[str]], text: str, found: list[Number]) -> None:
    """Turns collected number words into one number: `two hundred`, `twenty-five`, `three million`."""
    if not words:
        return
    total, current = 0, 0
    for match in words:
        word = match.group().lower()
        if word in _SCALES:
            scale = _SCALES[word]
            current = max(current, 1) * scale
            if scale > 100:
                total, current = total + current, 0
        else:
            current += _SMALL.get(word, _TENS.get(word, _ORDINALS.get(word, 0)))
    value = total + current
    start, end = words[0].start(), words[-1].end()
    ordinal = words[-1].group().lower() in _ORDINALS
    soft = value <= 12 or ordinal
    dimension, unit = (None, "th") if ordinal else _unit_after(text, end) or (None, None)
    found.append(Number(str(value), start, end, unit, dimension, soft))
    words.clear()


def _read(match: re.Match[str], text: str, found: list[Number]) -> None:
    start, end = match.span()
    kind = match.lastgroup
    if match.group("iso"):
        year, month, day = match.group().split("-")
        found.append(Number(str(int(year)), start, start + 4, None, None, False))
        found.append(Number(f"month:{int(month)}", start + 5, start + 7, None, None, True))
        found.append(Number(str(int(day)), start + 8, end, None, None, False))
    elif match.group("time"):
        found.append(Number(_time(match.group(), text, end), start, end, None, None, False))
    elif match.group("code"):
        found.append(Number(f"code:{match.group().lower().replace('-', '')}", start, end, None, None, False))
    elif match.group("half"):
        found.append(Number(_FRACTIONS[match.group()], start, end, None, None, False))
    elif kind == "word":
        month = _MONTHS.get(match.group().lower())
        if month and (match.group()[0].isupper()):
            found.append(Number(f"month:{month}", start, end, None, None, True))
    elif match.group("digits"):
        found.append(_plain(match, text))


def _time(clock: str, text: str, end: int) -> str:
    hours, minute = clock.split(":")[:2]
    hour = int(hours)
    half = _MERIDIEM.match(text, end)
    if half and half.group(1).lower() == "p" and hour < 12:
        hour += 12
    if half and half.group(1).lower() == "a" and hour == 12:
        hour = 0
    return f"time:{hour}:{minute}"


def _plain(match: re.Match[str], text: str) -> Number:
    start, end = match.start("digits"), match.end("digits")
    digits = re.sub("[,\u00a0\u202f\u2009]", "", match.group("digits"))
    if len(digits) > _EXACT:
        return Number(digits, start, end, None, None, False)
    value = Decimal(digits)
    tail = (match.group("tail") or "").lower()
    if (half := _MERIDIEM.match(text, end)) and value <= 12 and "." not in match.group("digits"):
        return Number(_time(f"{int(value)}:00", text, end), start, half.end(), None, None, False)
    measure = _UNITS.get(match.group("currency") or "")
    if tail in ("s", "'s", "\u2019s"):
        return Number(f"{value:f}s", start, match.end("tail"), None, None, False)
    if tail in _SCALES and tail != "hundred":
        value, end = value * _SCALES[tail], match.end("tail")
    elif tail == "m" and measure:
        value, end = value * 1_000_000, match.end("tail")
    elif tail in ("st", "nd", "rd", "th"):
        return Number(_form(value), start, match.end("tail"), _ordinal(text, match), None, False)
    elif tail in _UNITS:
        measure = measure or _UNITS[tail]
        end = match.end("tail")
    following = _NEXT.match(text, end)
    if following and following.group(1).lower() in _SCALES and len(following.group(1)) > 1:
        value, end = value * _SCALES[following.group(1).lower()], following.end()
    measure = measure or _currency_before(text, start) or _unit_after(text, end)
    dimension, unit = measure or (None, _glued(text, end))
    if match.group("sign"):
        value = -value
    return Number(_form(value), start, end, unit, dimension, False)


def _ordinal(text: str, match: re.Match[str]) -> str | None:
    """Counts are no ranks: `5 repairs`, `the 5th repair`. The days of a date are written either way."""
    before = _WORD_BEFORE.search(text, max(0, match.start() - 12), match.start())
    after = _WORD_AFTER.match(text, match.end())
    beside = {found.group(1) for found in (before, after) if found}
    return None if any(word[0].isupper() and word.lower() in _MONTHS for word in beside) else "th"


def _glued(text: str, end: int) -> str | None:
    """A unit that is not known, if it is written without a space."""
    found = _GLUED.match(text, end)
    return found.group().lower() if found else None


def _currency_before(text: str, start: int) -> tuple[str, str] | None:
    before = text[max(0, start - 4) : start]
    if len(before) < 4 or before[-1] not in " \u00a0" or not before[:3].isupper():
        return None
    measure = _UNITS.get(before[:3].lower())
    return measure if measure and measure[0] == "money" else None


def _unit_after(text: str, end: int) -> tuple[str, str] | None:
    following = _NEXT.match(text, end)
    if following is None:
        return None
    surface = following.group(1).lower()
    if surface == "per" and re.match(r"[ ]cents?\b", text[following.end() : following.end() + 7]):
        return _UNITS["%"]
    return _UNITS.get(surface)


def _form(value: Decimal) -> str:
    shown = f"{value:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
