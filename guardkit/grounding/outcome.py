"""What comes of grounding: an answer or the reason for none, with the trail that led to it.

The trail holds unverified text. It is for the process that made it: a demo, a debugger, a test. It belongs
neither into a state nor into a log.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from guardkit.core.drafts import Answer, Critique, Verification
from guardkit.core.no_result import NoResultReason
from guardkit.core.sources import Evidence, SourceRejection
from guardkit.core.values import Value


class Admitted(Value):
    """Sources were sorted."""

    kind: Literal["admitted"] = "admitted"
    titles: tuple[str, ...]
    rejected: tuple[SourceRejection, ...] = ()


class Compared(Value):
    """The question was compared with the sources."""

    kind: Literal["compared"] = "compared"
    band: Literal["covered", "doubtful", "off_topic", "unknown"]
    score: float
    missing: tuple[str, ...] = ()


class Drafted(Value):
    """A model wrote a draft."""

    kind: Literal["drafted"] = "drafted"
    text: str


class Criticised(Value):
    """A critic answered the criteria."""

    kind: Literal["criticised"] = "criticised"
    critique: Critique


class Verified(Value):
    """All claims of a draft were judged."""

    kind: Literal["verified"] = "verified"
    revision: int
    verification: Verification


class Revised(Value):
    """A model rewrote what had failed."""

    kind: Literal["revised"] = "revised"
    revision: int
    text: str


class Removed(Value):
    """A sentence did not reach the answer."""

    kind: Literal["removed"] = "removed"
    text: str
    why: str


Record: TypeAlias = Annotated[
    Admitted | Compared | Drafted | Criticised | Verified | Revised | Removed, Field(discriminator="kind")
]


class Grounded(Value):
    """A verified answer."""

    kind: Literal["grounded"] = "grounded"
    answer: Answer
    rejected: tuple[SourceRejection, ...] = ()
    trail: tuple[Record, ...] = ()


class Ungrounded(Value):
    """No answer, and why. Nothing but `trail` quotes a draft."""

    kind: Literal["ungrounded"] = "ungrounded"
    reason: NoResultReason
    cause: str
    """The fine cause: a stable identifier such as `off_topic` or `deadline`."""

    detail: str
    """The cause in words, for operators."""

    looked_at: tuple[str, ...] = ()
    """Titles of the sources that counted, then those that did not, with the reason."""

    missing: tuple[str, ...] = ()
    """What would have been needed, as far as it is known."""

    rejected: tuple[SourceRejection, ...] = ()
    conflict: tuple[Evidence, ...] = ()
    """The spans that contradict each other."""

    trail: tuple[Record, ...] = ()


Outcome: TypeAlias = Annotated[Grounded | Ungrounded, Field(discriminator="kind")]
