"""When a question is over, and when people are told of it: what a store works out as it writes one down."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from guardkit.core.approvals import Approval, ApprovalRequest
from guardkit.core.stages import ApprovalStage

MOST_DAILY = 20
"""How often people are reminded at most by the time of day."""


RINGING = ("ask", "remind")
"""Kinds of messages that ring people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message to the people of a stage, and when it is due."""

    kind: Literal["ask", "remind"]
    channel: str
    at: float
    number: int = 0
    """Of an `ask`: which escalation it carries out, 1 for the first. Reminders count from 0."""


def registered(request: ApprovalRequest, now: float) -> ApprovalRequest:
    """The request as a store keeps it: its times by the store's clock, and the earliest end of all that it has.

    Args:
        request: as it was handed in.
        now: seconds since the epoch, by the database's clock.
    """
    ends = [one.calendar.due(one.after, now) for one in request.deadlines]
    if request.expires_at is not None:
        ends.append(request.expires_at + (now - request.requested_at))
    return request.model_copy(update={"requested_at": now, "expires_at": min(ends, default=None)})


def planned(approval: Approval, place: int, now: float) -> Iterator[Planned]:
    """The messages of a stage that begins to wait: the question, reminders, and questions to who may answer later.

    None is due in quiet hours. Of reminders that wait for the end of the same quiet hours one is left, and none when the
    question itself waits for it.

    Args:
        approval: as it stands.
        place: 0-based index of the stage.
        now: seconds since the epoch, by the database's clock.
    """
    stage = approval.request.stages[place]
    asked = _audible(stage, now)
    for channel in dict.fromkeys(stage.channels):
        yield Planned(kind="ask", channel=channel, at=asked)
    told = {asked}
    for number, due in enumerate(_reminders(approval, stage, now)):
        at = _audible(stage, due)
        if at in told:
            continue
        told.add(at)
        for channel in dict.fromkeys(stage.channels):
            yield Planned(kind="remind", channel=channel, at=at, number=number)
    for number, step in enumerate(stage.escalations, start=1):
        at = _audible(stage, stage.due(step.after, now))
        for channel in dict.fromkeys(step.channels):
            yield Planned(kind="ask", channel=channel, at=at, number=number)


def waiting_anew(before: Approval, after: Approval) -> tuple[int, ...]:
    """0-based indexes of the stages whose people have to be asked after a decision: an edit asks all that wait.

    Args:
        before: as it stood.
        after: as it stands with one decision more.
    """
    if after.digest != before.digest:
        return after.waiting()
    return tuple(place for place in after.waiting() if place not in before.waiting())


def held_until(approval: Approval, stage: int, kind: str, now: float) -> float | None:
    """When the quiet hours end that a message falls into, or `None` when it may go out now.

    What changes messages that are out, or tells how it ended, waits for nothing.

    Args:
        approval: what it is about.
        stage: whose people it goes to.
        kind: the kind of the message.
        now: seconds since the epoch, by the database's clock.
    """
    if kind not in RINGING:
        return None
    at = _audible(approval.request.stages[stage], now)
    return at if at > now else None


def _reminders(approval: Approval, stage: ApprovalStage, now: float) -> Iterator[float]:
    for after in stage.reminders:
        yield stage.due(after, now)
    until = approval.request.expires_at
    if stage.calendar is not None and stage.remind_at:
        end = float("inf") if until is None else until
        yield from stage.calendar.daily(stage.remind_at, now, end, MOST_DAILY)


def _audible(stage: ApprovalStage, at: float) -> float:
    return at if stage.calendar is None else stage.calendar.audible(at)
