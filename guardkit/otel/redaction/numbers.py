"""Numbers that carry their own proof: payment cards by Luhn's formula, bank accounts by mod 97.

Cards: ISO/IEC 7812-1:2017, annex B (check digit), and the issuers' prefixes. Accounts: ISO 13616-1:2020 (structure and
lengths, as in SWIFT's IBAN registry), whose check is ISO/IEC 7064 MOD 97-10.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from guardkit.otel.redaction.redactor import Redactor

_DIGITS = re.compile(r"[0-9](?:[ \t\r\n._/-]{0,4}+[0-9]){11,}+")
_SHORTEST, _LONGEST = 12, 19
_GROUPS = 4
"""A card in at most as many groups is found whatever their sizes; one in more, where all but the last are of one size:
`4 1 1 1 …` is one, a list of numbers is none."""

_DOUBLED = tuple(sum(divmod(2 * digit, 10)) for digit in range(10))

_NETWORKS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4000, 4999, (13, 16, 19)),
    (2200, 2204, (16,)),
    (2221, 2720, (16,)),
    (3000, 3059, (14, 16)),
    (3095, 3095, (14, 16)),
    (3400, 3499, (15,)),
    (3528, 3589, (16,)),
    (3600, 3699, (14, 16)),
    (3700, 3799, (15,)),
    (3800, 3999, (14, 16)),
    (5000, 5099, (16, 19)),
    (5100, 5599, (16,)),
    (5600, 5999, (16, 19)),
    (6000, 6199, (16, 19)),
    (6200, 6299, (16, 17, 18, 19)),
    (6300, 6999, (16, 19)),
    (8100, 8299, (16,)),
    (9792, 9792, (16,)),
)
"""First four digits, and how long the numbers of the network usually are."""


def _network(digits: str) -> bool:
    prefix = int(digits[:4])
    return any(low <= prefix <= high and len(digits) in lengths for low, high, lengths in _NETWORKS)


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for run in _DIGITS.finditer(text):
        at = [index for index in range(*run.span()) if text[index] in "0123456789"]
        yield from _cards_among(text, at)


def _cards_among(text: str, at: list[int]) -> Iterator[tuple[int, int]]:
    """Cards in a run of digits, with little between them.

    Every stretch of 12 to 19 digits is looked at: what stands before or behind a card (a date, a check number) may be
    digits too. Sums of all beginnings are kept, so that each stretch costs the same.
    """
    digits = "".join(text[index] for index in at)
    count = len(digits)
    sums: list[list[int]] = [[0], [0]]
    for index, digit in enumerate(map(int, digits)):
        for doubled, so_far in enumerate(sums):
            so_far.append(so_far[-1] + (_DOUBLED[digit] if index % 2 == doubled else digit))
    begins = [index == 0 or at[index] - at[index - 1] > 1 for index in range(count)] + [True]
    for start in range(count):
        for end in range(start + _SHORTEST, min(start + _LONGEST, count) + 1):
            so_far = sums[end % 2]
            if (so_far[end] - so_far[start]) % 10 == 0 and _is_card(digits, begins, start, end):
                yield at[start], at[end - 1] + 1


def _is_card(digits: str, begins: list[bool], start: int, end: int) -> bool:
    """Whether digits whose check digit fits are a card, by the network and by how they are grouped."""
    whole = begins[start] and begins[end]
    if not any(begins[start + 1 : end]):
        return (whole and digits[start] != "0") or _network(digits[start:end])
    if not whole or not _network(digits[start:end]):
        return False
    groups = [index for index in range(start, end + 1) if begins[index]]
    sizes = [after - before for before, after in pairwise(groups)]
    return len(sizes) <= _GROUPS or len(set(sizes[:-1])) == 1


_GAP = r"[ \t\r\n._/-]{0,4}+"
_IBAN_START = re.compile(rf"[A-Za-z]{_GAP}[A-Za-z]{_GAP}[0-9]{_GAP}[0-9]")
_IBAN_REST = re.compile(rf"{_GAP}([A-Za-z0-9])")
_IBAN_LENGTHS = {
    country: int(length)
    for country, length in (
        entry.split(":")
        for entry in """
        AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BI:27 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DJ:27
        DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FK:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HN:28 HR:21 HU:28
        IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 LV:21 LY:25 MC:27 MD:24 ME:22
        MK:19 MN:20 MR:27 MT:31 MU:30 NI:28 NL:18 NO:15 OM:23 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 RU:33 SA:24
        SC:31 SD:18 SE:24 SI:19 SK:24 SM:27 SO:23 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20 YE:30
        """.split()
    )
}
_IBAN_MOST = 34


def iban_is_valid(iban: str) -> bool:
    """Whether the check digits fit. Upper-case letters and digits only."""
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for start in _IBAN_START.finditer(text):
        at = [index for index in range(*start.span()) if text[index].isalnum()]
        rest = start.end()
        while len(at) < _IBAN_MOST and (found := _IBAN_REST.match(text, rest)):
            at.append(found.start(1))
            rest = found.end()
        written = "".join(text[index] for index in at).upper()
        usual = _IBAN_LENGTHS.get(written[:2])
        for length in (usual,) if usual else range(15, len(at) + 1):
            if (
                length <= len(at)
                and (usual or _stands_alone(text, at, length))
                and iban_is_valid(written[:length])
            ):
                yield at[0], at[length - 1] + 1


def _stands_alone(text: str, at: list[int], length: int) -> bool:
    """Whether so many letters and digits are one word; asked of countries whose lengths are not known."""
    begin, end = at[0], at[length - 1] + 1
    together = end - begin == length
    return together and not text[begin - 1 : begin].isalnum() and not text[end : end + 1].isalnum()


CARD = Redactor("card", _cards)
IBAN = Redactor("iban", _ibans)
