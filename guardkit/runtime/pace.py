"""Whether somebody approved in less time than reading the question takes."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from guardkit.core.approvals import IN_PLACE, ApprovalDecision, ApprovalRequest
from guardkit.core.values import Json, JsonObject

WORDS_PER_MINUTE = 300.0
"""The upper end of the range in which most adults read English non-fiction silently, 175 to 300 words a minute; the
mean is 238. M. Brysbaert, "How many words do we read per minute? A review and meta-analysis of reading rate", Journal of
Memory and Language 109 (2019), 104047."""

_PEOPLE = 1000


@dataclass(slots=True)
class _Last:
    """A person's latest decision, and those that were given with it."""

    at: float
    before: float
    """When the person decided before that: what is answered together was read together since then."""

    delivery: str | None
    needed: float
    """Seconds that reading all that was answered together takes."""


class Pace:
    """Remembers when people decided last, and compares the time since with the time that reading takes.

    A question can have been read since it was asked, and since the person's decision before it at this desk: somebody
    who answers twenty questions in a minute has not read twenty. Those that one form or request answers together have the
    time before it together. When a page was opened is not known, so that a quick
    click on an old question is not noticed; and words are what stands between spaces, so that a text in Chinese or
    Japanese counts as few.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, _Last] = OrderedDict()

    def too_short(
        self, request: ApprovalRequest, args: JsonObject, decision: ApprovalDecision
    ) -> float | None:
        """Seconds that reading takes, if it was approved in less; `None` for any other decision.

        Args:
            request: the question.
            args: the arguments that the person saw.
            decision: what they said.
        """
        needed = reading_seconds(request, args)
        last = self._last.pop(decision.person, None) or _Last(0.0, 0.0, None, 0.0)
        together = decision.delivery not in (None, *IN_PLACE) and decision.delivery == last.delivery
        before = last.before if together else last.at
        needed += last.needed if together else 0.0
        self._last[decision.person] = _Last(decision.decided_at, before, decision.delivery, needed)
        while len(self._last) > _PEOPLE:
            self._last.popitem(last=False)
        if decision.kind not in ("approve", "edit"):
            return None
        since = max(request.requested_at, before)
        return needed if decision.decided_at - since < needed else None


def reading_seconds(request: ApprovalRequest, args: JsonObject) -> float:
    """Seconds that a fast reader needs for the tool, its arguments, the reasons and what the model wrote."""
    texts = [request.action.tool, request.thought, *request.why, *_texts(args)]
    return sum(len(text.split()) for text in texts) * 60.0 / WORDS_PER_MINUTE


def _texts(value: Json) -> Iterator[str]:
    match value:
        case dict():
            for name, inner in value.items():
                yield name
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            yield str(value)
