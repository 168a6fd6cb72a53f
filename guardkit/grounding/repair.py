"""What a model says to failed statements, put back into the draft."""

import re
from collections.abc import Sequence

from guardkit.core.drafts import ClaimCheck
from guardkit.grounding.prompts import REMOVE

_LINE = re.compile(r"[ \t]*(\d{1,3})[ \t]*[:.)][ \t]*(\S[^\n]*)")


def replacements(reply: str, count: int) -> dict[int, str]:
    """Per failed statement, counted from 1, the sentence that replaces it; empty for one taken back.

    Lines of another form, numbers that were not asked and repeats are left out.
    """
    found: dict[int, str] = {}
    for line in reply.split("\n"):
        match = _LINE.match(line)
        if match is None:
            continue
        number, text = int(match.group(1)), match.group(2).strip()
        if 1 <= number <= count and number not in found:
            found[number] = "" if text.rstrip(".") == REMOVE else text
    return found


def spliced(draft: str, failed: Sequence[ClaimCheck], changes: dict[int, str]) -> str:
    """The draft with failed statements replaced; all else stays letter for letter."""
    text = draft
    for number, check in sorted(enumerate(failed, start=1), key=lambda pair: -pair[1].claim.start):
        if number in changes:
            text = text[: check.claim.start] + changes[number] + text[check.claim.end :]
    return text
