"""Where a value comes from.

A value is tainted when an untrusted observation holds it and nothing that the user wrote does. Text is compared
folded to its letters and digits, so spacing, case, punctuation and look-alike forms (NFKC) hide nothing. Encoded or
derived values are not seen: taint is never the only rule (see docs/concepts/threat-model.md).
"""

import unicodedata

from guardkit.core.values import Json
from guardkit.core.verdicts import CheckContext

_MAX_TEXT = 200_000


def folded(text: str) -> str:
    """Letters and digits only, in their NFKC case-folded form."""
    return "".join(
        char for char in unicodedata.normalize("NFKC", text[:_MAX_TEXT]).casefold() if char.isalnum()
    )


def tokens(text: str) -> list[str]:
    """The runs of letters and digits of a text, in their NFKC case-folded form."""
    kept = "".join(
        char if char.isalnum() else " " for char in unicodedata.normalize("NFKC", text[:_MAX_TEXT]).casefold()
    )
    return kept.split()


def said_in(text: str, words: list[str]) -> bool:
    """Whether a folded value is exactly some consecutive whole tokens: `C-17` is not said by `C-177`."""
    for start, word in enumerate(words):
        if not text.startswith(word):
            continue
        joined = word
        for following in words[start + 1 :]:
            if len(joined) >= len(text):
                break
            joined += following
        if joined == text:
            return True
    return False


def tainted(context: CheckContext, value: Json) -> bool:
    """Whether a value, or any value inside it, is tainted.

    Numbers below 1,000, booleans, null and texts of fewer than three letters or digits carry no origin and are never
    tainted. An observation too long to compare (200,000 characters) taints every value that the user did not write.

    Raises:
        ValueError: observations of an earlier run may be missing, so nothing can be said.
    """
    if context.blind:
        raise ValueError("where values come from is not known: the state holds no messages")
    observations = context.untrusted()
    if not observations:
        return False
    said = [tokens(text) for text in context.prompt]
    seen = [folded(observation.text) for observation in observations]
    endless = any(len(observation.text) > _MAX_TEXT for observation in observations)
    return _tainted(value, said, seen, endless=endless)


def _tainted(value: Json, said: list[list[str]], seen: list[str], *, endless: bool) -> bool:
    match value:
        case None | bool():
            return False
        case int() | float():
            if abs(value) < 1000:
                return False
            text = folded(format(value, ".15g"))
        case str():
            text = folded(value)
        case list():
            return any(_tainted(item, said, seen, endless=endless) for item in value)
        case dict():
            return any(_tainted(item, said, seen, endless=endless) for item in value.values())
    if len(text) < 3 or any(said_in(text, words) for words in said):
        return False
    return endless or any(text in observation for observation in seen)
