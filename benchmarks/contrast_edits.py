"""Single edits that make a true claim false, from word lists that the verifier does not hold."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def _pairs(words: str) -> dict[str, str]:
    return {old: new for old, _, new in (pair.partition(":") for pair in words.split())}


ANTONYMS = _pairs(
    """increase:decrease increased:decreased older:younger north:south northern:southern east:west
    eastern:western won:lost win:lose male:female father:mother son:daughter brother:sister early:late opened:closed
    open:closed largest:smallest larger:smaller higher:lower highest:lowest rich:poor married:divorced joined:left
    bought:sold arrived:departed winter:summer morning:evening private:public old:new long:short entered:left
    succeeded:failed began:ended started:finished front:back professional:amateur domestic:foreign hired:fired"""
)
UNITS = _pairs(
    """million:billion billion:million percent:permille miles:kilometres kilometres:miles metres:feet
    feet:metres meters:feet days:weeks weeks:months months:years years:months hours:minutes minutes:hours kg:g mg:g
    pounds:ounces acres:hectares dollars:euros euros:dollars tons:kilograms inches:centimetres"""
)
SMALL_WORDS = _pairs(
    """to:from from:to by:to for:against against:for on:off off:on and:or or:and with:without you:we we:you your:our our:your
    must:may may:must can:must his:her her:his before:after after:before"""
)
MONTHS = "January February March April May June July August September October November December".split()
HEDGES = """tends to|is believed to|are believed to|is thought to|are thought to|is said to|in some cases|in most cases
|as a rule|for the most part|in theory|so far|to date|at times|up to now|in part|on average|in principle|on occasion""".replace(
    "\n", ""
).split("|")
LISTED_HEDGES = [
    "may",
    "might",
    "could",
    "about",
    "approximately",
    "reportedly",
    "probably",
    "usually",
    "some",
    "almost",
]


@dataclass(frozen=True)
class Pair:
    """A claim that holds with its source, and other rows to draw from."""

    claim: str
    source: str


Edit = Callable[[Pair, random.Random, list[str]], str | None]


def _swap_word(claim: str, table: dict[str, str]) -> str | None:
    for match in re.finditer(r"[A-Za-z]+", claim):
        if match.group().lower() in table:
            return claim[: match.start()] + table[match.group().lower()] + claim[match.end() :]
    return None


def _names(text: str) -> list[str]:
    return [m.group() for m in re.finditer(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*", text)]


def number_changed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    found = [match for match in re.finditer(r"\d[\d,]*\d|\d", pair.claim) if match.group()[-1].isdigit()]
    if not found:
        return None
    match = rng.choice(found)
    digits = match.group()
    last = (int(digits[-1]) + rng.randint(1, 8)) % 10
    return pair.claim[: match.start()] + digits[:-1] + str(last or 1) + pair.claim[match.end() :]


def number_from_elsewhere(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = re.findall(r"\b\d{2,4}\b", pair.claim)
    theirs = [n for n in re.findall(r"\b\d{2,4}\b", pair.source) if n not in pair.claim]
    same = [(a, b) for a in mine for b in theirs if len(a) == len(b)]
    if not same:
        return None
    old, new = rng.choice(same)
    return re.sub(rf"\b{old}\b", new, pair.claim, count=1)


def negation_inserted(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    changed = re.sub(r"\b(is|was|are|were|has|have|had|will|can)\b", r"\1 not", pair.claim, count=1)
    return changed if changed != pair.claim else None


def negation_worded(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    changed = re.sub(r"\b(is|was|are|were)\b", r"\1 far from being", pair.claim, count=1)
    return changed if changed != pair.claim else None


def name_from_elsewhere(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = _names(pair.claim)
    strange = [name for text in others for name in _names(text) if name not in pair.source]
    return pair.claim.replace(rng.choice(mine), rng.choice(strange), 1) if mine and strange else None


def name_of_the_source(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = _names(pair.claim)
    theirs = [name for name in _names(pair.source) if name not in pair.claim]
    return pair.claim.replace(rng.choice(mine), rng.choice(theirs), 1) if mine and theirs else None


def hedge_removed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _without(pair.claim, HEDGES)


def listed_hedge_removed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _without(pair.claim, LISTED_HEDGES)


def _without(claim: str, hedges: Sequence[str]) -> str | None:
    for hedge in hedges:
        changed = re.sub(rf"\b{hedge}\b ?", "", claim, count=1)
        if changed != claim:
            return changed
    return None


def unit_changed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    match = re.search(r"\d ?-?([A-Za-z]+)", pair.claim)
    if not match or match.group(1).lower() not in UNITS:
        return None
    return pair.claim[: match.start(1)] + UNITS[match.group(1).lower()] + pair.claim[match.end(1) :]


def month_changed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    for month in MONTHS:
        if re.search(rf"\b{month}\b (?:\d|of)|\d,? {month}\b", pair.claim):
            return pair.claim.replace(month, rng.choice([other for other in MONTHS if other != month]), 1)
    return None


def antonym_swapped(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _swap_word(pair.claim, ANTONYMS)


def roles_reversed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = list(dict.fromkeys(_names(pair.claim)))
    if len(mine) < 2:
        return None
    first, last = mine[0], mine[-1]
    if first in last or last in first:
        return None
    return pair.claim.replace(first, "\0", 1).replace(last, first, 1).replace("\0", last, 1)


def small_word_swapped(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _swap_word(pair.claim, SMALL_WORDS)


def opening_left_out(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    opening, comma, rest = pair.claim.partition(", ")
    return rest[:1].upper() + rest[1:] if comma and 3 <= len(opening.split()) <= len(rest.split()) else None


def unrelated(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return rng.choice(others)


EDITS: dict[str, Edit] = {
    "unrelated claim": unrelated,
    "number changed": number_changed,
    "number of the same source": number_from_elsewhere,
    "negation inserted": negation_inserted,
    "negation in other words": negation_worded,
    "name from elsewhere": name_from_elsewhere,
    "name of the same source": name_of_the_source,
    "hedge removed, unlisted": hedge_removed,
    "hedge removed, listed": listed_hedge_removed,
    "unit changed": unit_changed,
    "month changed": month_changed,
    "antonym swapped": antonym_swapped,
    "roles reversed": roles_reversed,
    "small word swapped": small_word_swapped,
    "opening clause left out": opening_left_out,
}
