"""What was shown to whom: the messages about one question, and which of them each decision names."""

from collections.abc import Iterator, Sequence
from typing import Literal

from guardkit.cli.base import out
from guardkit.cli.listing import Shown
from guardkit.core.approvals import Approval, SaidKind
from guardkit.core.presentation import utc
from guardkit.core.runs import Message
from guardkit.core.values import Value
from guardkit.core.visible import one_line

_SHORT = 12


class Sent(Value):
    """A message about the question, as `--json` prints it."""

    id: str
    """Id of the delivery, which decisions name."""

    channel: str
    kind: Literal["ask", "remind", "update", "outcome", "review"]
    stage: int
    """1 for the first; one more than there are with `review`."""

    at: float | None
    """Seconds since the epoch, by the database's clock; `None` while it has not gone out."""

    rendered: str | None
    """The `presentation_hash` of what the message showed when it went out last."""


class Named(Value):
    """What one decision says of how its person came to it, as `--json` prints it."""

    person: str
    kind: SaidKind
    at: float
    delivery: str | None
    """Id of the message or request that was answered; `inbox` or `cli` where no message led there."""

    shown: str | None
    """The `presentation_hash` of what the person was shown; `None` where whoever brought it did not say."""


class ShownTold(Shown):
    """An approval as people see it, with what was shown to whom."""

    messages: tuple[Sent, ...]
    """In the order in which they went out."""

    decisions: tuple[Named, ...]
    """Oldest first."""

    @classmethod
    def told(cls, approval: Approval, messages: Sequence[Message]) -> "ShownTold":
        """An approval with the messages about it."""
        return cls(
            **dict(Shown.of(approval)),
            messages=tuple(
                Sent(
                    id=one.id,
                    channel=one.channel,
                    kind=one.kind,
                    stage=one.stage + 1,
                    at=one.delivered_at,
                    rendered=one.rendered,
                )
                for one in messages
            ),
            decisions=tuple(
                Named(
                    person=said.person,
                    kind=said.kind,
                    at=said.decided_at,
                    delivery=said.delivery,
                    shown=said.shown,
                )
                for said in approval.decisions
            ),
        )


def tell(approval: Approval, messages: Sequence[Message]) -> None:
    """Print which message showed what, and which of them each decision names: a line each."""
    for line in _lines(ShownTold.told(approval, messages)):
        out.print(one_line(line, 400), soft_wrap=True, highlight=False, markup=False)


def _lines(shown: ShownTold) -> Iterator[str]:
    for sent in shown.messages:
        when = "not sent yet" if sent.at is None else utc(sent.at)
        yield (
            f"message {_short(sent.id)}  {sent.kind} by {sent.channel}, stage {sent.stage}, {when}, "
            f"rendered {_short(sent.rendered)}"
        )
    for said in shown.decisions:
        yield (
            f"decision of {said.person}: {said.kind}, delivery {_short(said.delivery)}, "
            f"shown {_short(said.shown)}"
        )


def _short(name: str | None) -> str:
    return "unknown" if name is None else name[:_SHORT]
