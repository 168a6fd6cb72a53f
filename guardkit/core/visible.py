"""Foreign text as people see it: nothing invisible, nothing endless, nothing that reorders its surroundings.

Marks are written in mathematical angle brackets, `⟨U+202E⟩`. The brackets themselves are marked too where foreign text
holds them, so a mark in visible text is always guardkit's own and cannot be forged.
"""

import re

_RANGES: tuple[tuple[int, int], ...] = (
    (0x00, 0x08),  # C0 controls, but for tab and line feed
    (0x0B, 0x1F),
    (0x7F, 0xA0),  # DEL, C1 controls, no-break space
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),  # combining grapheme joiner
    (0x61C, 0x61C),  # Arabic letter mark
    (0x115F, 0x1160),  # Hangul fillers
    (0x1680, 0x1680),  # Ogham space
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian selectors and vowel separator
    (0x2000, 0x200F),  # typographic spaces, zero-width characters, directional marks
    (0x2028, 0x202F),  # line and paragraph separators, bidi embeddings and overrides, narrow no-break space
    (0x205F, 0x206F),  # invisible operators, bidi isolates, deprecated format characters
    (0x27E8, 0x27E9),  # the brackets of the marks
    (0x2800, 0x2800),  # empty Braille pattern
    (0x3000, 0x3000),  # ideographic space
    (0x3164, 0x3164),  # Hangul filler
    (0xD800, 0xF8FF),  # surrogates, private use
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFFB),  # interlinear annotations
    (0x13430, 0x1345F),  # hieroglyph format controls
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0xE0000, 0x10FFFF),  # tag characters, variation selectors, private use
)
"""Code points that show nothing, show as a space, or change how others show: Unicode's Default_Ignorable_Code_Point,
Bidi_Control and White_Space, controls, surrogates and private use (Unicode 16, DerivedCoreProperties and PropList)."""

_HIDDEN = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _RANGES) + "]")
_STACKED = re.compile(
    "(?<=[\u0300-\u036f]{3})[\u0300-\u036f]|[\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4,}"
)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){3,}")
_BLANKS = re.compile(r"[ \t]{24,}")


def _code_points(found: re.Match[str]) -> str:
    return "".join(f"⟨U+{ord(char):04X}⟩" for char in found.group())


def visible(text: str) -> str:
    """The text with everything invisible or misleading replaced by a mark.

    Controls, bidi controls, zero-width, tag and private-use characters and all spaces but the plain one become
    `⟨U+XXXX⟩`; combining marks past the third on one letter likewise; long runs of blanks and of empty lines become
    their number. Plain line feeds and tabs stay.

    Args:
        text: any text; its cost is linear in its length.
    """
    shown = _STACKED.sub(_code_points, _HIDDEN.sub(_code_points, text))
    shown = _BLANK_LINES.sub(lambda found: f"\n⟨{found.group().count(chr(10)) - 1} empty lines⟩\n", shown)
    return _BLANKS.sub(lambda found: f" ⟨{len(found.group())} blanks⟩ ", shown)


def shortened(text: str, limit: int, *, note: str = "") -> str:
    """Visible text of at most `limit` characters of the original, cut in the middle where a mark says so.

    The middle is what is left out, because an attacker hides a payload at the end that nobody scrolls to.

    Args:
        text: any text.
        limit: how many characters of it to keep.
        note: what else the mark says, e.g. a hash of the whole.
    """
    if len(text) <= limit:
        return visible(text)
    head = limit - limit // 2
    tail = limit // 2
    mark = f"⟨… {len(text) - limit:,} of {len(text):,} characters left out{note} …⟩"
    return f"{visible(text[:head])} {mark} {visible(text[len(text) - tail :])}"


def one_line(text: str, limit: int) -> str:
    """Like `shortened`, with line feeds and tabs marked too: for names and other text that has its place in a line."""
    return shortened(text, limit).replace("\n", "⟨U+000A⟩").replace("\t", "⟨U+0009⟩")


_INITIALS = frozenset({"bic", "iban", "id", "ip", "url", "vat"})


def _as_word(word: str) -> str:
    if word.lower() in _INITIALS:
        return word.upper()
    return word if word.isupper() and len(word) > 1 else word.lower()


def human(name: str) -> str:
    """An identifier as words: `pay_claim` and `payClaim` become `Pay claim`, `claim_id` `Claim ID`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", re.sub(r"[_\-./:\s]+", " ", name[:200])).strip()
    words = [_as_word(word) for word in spaced.split(" ")]
    text = one_line(" ".join(words), 120)
    return text[:1].upper() + text[1:]


def escaped(text: str) -> str:
    r"""JSON text with everything invisible or misleading in its strings written as `\uXXXX`: the same JSON, to edit."""

    def codes(found: re.Match[str]) -> str:
        units = found.group().encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))

    return _STACKED.sub(codes, _HIDDEN.sub(codes, text))
