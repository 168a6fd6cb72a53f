"""Arguments that fit their schema and still must not pass silently."""

import re

from guardkit.checks.leaves import keys, leaves
from guardkit.core.steps import Action
from guardkit.core.values import JsonObject
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.errors import ConfigurationError

_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_ASCII_HIDDEN = re.compile(f"[{_CONTROLS}]")

_HIDDEN = re.compile(
    f"[{_CONTROLS}"
    "\x80-\x9f"  # C1 controls
    "\xad\u034f"  # soft hyphen, combining grapheme joiner
    "\u115f\u1160\u3164\uffa0"  # Hangul fillers
    "\u17b4\u17b5\u180b-\u180f"  # inherent vowels and Mongolian selectors
    "\u200b\u2060-\u2064\ufeff"  # zero-width space, word joiner, invisible operators, byte order mark
    "\u202a-\u202e\u2066-\u206f"  # bidi embeddings, overrides, isolates, deprecated format characters
    "\ufff9-\ufffb"  # interlinear annotations
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # shorthand and musical format controls
    "]"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2}"  # variation selectors: one chooses a glyph, several carry data
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef](?<![^\x00-\x7f][\ufe00-\ufe0f\U000e0100-\U000e01ef])(?<![0-9#*].)"
    "|[\u200c\u200d]{2}"
    "|[\u200c\u200d](?:(?<=[\x00-\x7f].)|(?=[\x00-\x7f]|$))|^[\u200c\u200d]"  # joiners belong between letters of scripts
    "|\U0001f3f4[\U000e0000-\U000e007f]{8}"  # a flag has fewer tags; more are text
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]"  # tags, but for those of a flag
)
_MARK = re.compile("[\u200e\u200f\u061c]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u060b\u060d-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def _hides(text: str) -> bool:
    """Whether a text holds characters that show nothing or reorder what is shown.

    What scripts and emoji need stays: joiners between their letters, one variation selector, flag tags, directional
    marks in right-to-left text, tabs and line breaks.
    """
    if text.isascii():
        return _ASCII_HIDDEN.search(text) is not None
    if _HIDDEN.search(text):
        return True
    return _MARK.search(text) is not None and _RIGHT_TO_LEFT.search(text) is None


class ArgumentSanity:
    """Blocks calls whose arguments hide something from the people and logs that see them.

    Texts and nested keys with control, bidi or invisible characters, and texts that are too long, are blocked. The
    evidence is the paths.

    Args:
        max_chars: characters that one text may have.

    Raises:
        ConfigurationError: `max_chars` is not positive.
    """

    def __init__(self, max_chars: int = 100_000) -> None:
        if max_chars < 1:
            raise ConfigurationError(f"ArgumentSanity: max_chars is {max_chars!r}", remedy="give 1 or more")
        self._max_chars = max_chars

    def __call__(self, action: Action, context: CheckContext, /) -> Verdict | None:
        """Judge one action."""
        long, hidden = self._faults(action.args)
        if long:
            return Verdict(
                check="arguments",
                outcome="block",
                why=f"a text has more than {self._max_chars:,} characters",
                tell_model="An argument is too long.",
                evidence=tuple(long),
            )
        if hidden:
            return Verdict(
                check="arguments",
                outcome="block",
                why="a text holds control, bidi or invisible characters",
                tell_model="An argument holds characters that cannot be shown. Use plain text.",
                evidence=tuple(hidden),
            )
        return None

    def _faults(self, args: JsonObject) -> tuple[list[str], list[str]]:
        long: list[str] = []
        hidden: list[str] = []
        for path, leaf in leaves(args):
            if isinstance(leaf, str):
                if len(leaf) > self._max_chars:
                    long.append(f"args.{path}")
                elif _hides(leaf):
                    hidden.append(f"args.{path}")
        for path, key in keys(args):
            if len(key) > self._max_chars:
                long.append(f"args.{path}")
            elif _hides(key):
                hidden.append(f"args.{path}")
        return long, hidden
