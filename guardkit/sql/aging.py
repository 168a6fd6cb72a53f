"""What is old: which threads rest, and which rows of theirs have a kind's age.

A thread rests when its latest turn is over, no run holds it, no worker has to look at it, no question and no review of it
is open, no standing approval that was given in it is good for anything, no effect of it is under way or in doubt, and no
legal hold is on it. A thread whose last activity is not known does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, literal, or_, select

from guardkit.core.approvals import ApprovalState
from guardkit.core.effects import EffectState
from guardkit.core.retention import RetentionKind
from guardkit.core.runs import TurnStatus
from guardkit.sql import holds, standing_rows
from guardkit.sql.side_tables import posts, reviews, standing
from guardkit.sql.tables import approvals, blobs, checkpoints, deliveries, effects, threads, turns, writes

_OVER = (TurnStatus.DONE.value, TurnStatus.ENDED.value, TurnStatus.FAILED.value)
_OPEN = (ApprovalState.PENDING.value, ApprovalState.APPROVED.value)
_UNSETTLED = (EffectState.CLAIMED.value, EffectState.IN_DOUBT.value)
_WAITING = "waiting"
_BY_THREAD = (RetentionKind.CHECKPOINTS, RetentionKind.INPUTS)
"""Kinds whose age is that of their thread."""

FORGOTTEN = ""
"""The key and the digest of an effect that is done and whose key is forgotten; no effect can have such a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows of one table that go."""

    table: Table
    where: tuple[ColumnElement[bool], ...]
    of_approvals: bool = False
    """Whether the rows are a thread's because their approval is, and `where` speaks of it too."""

    @property
    def thread_id(self) -> ColumnElement[str]:
        """The thread of a row."""
        return approvals.c.thread_id if self.of_approvals else self.table.c.thread_id

    def chosen(self, tenant: str, *columns: ColumnElement[Any]) -> Select[Any]:
        """The rows of a tenant."""
        found = select(*columns).where(self.table.c.tenant == tenant, *self.where)
        if not self.of_approvals:
            return found.select_from(self.table)
        joined = self.table.join(approvals, approvals.c.id == self.table.c.approval_id)
        return found.select_from(joined).where(approvals.c.tenant == tenant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """What is old."""

    kind: RetentionKind
    """One of those whose rows belong to threads."""

    before: float
    """Seconds since the epoch; what is not younger goes."""

    asked_before: float | None = None
    """Likewise for questions: messages about those go with them, and are not of another kind."""


def parts(age: Age) -> Sequence[Part]:
    """What goes of a kind of threads, in the order in which it is removed."""
    kind, before = age.kind, age.before
    match kind:
        case RetentionKind.CHECKPOINTS:
            return [Part(table=table, where=()) for table in (writes, blobs, checkpoints)]
        case RetentionKind.INPUTS:
            return [Part(table=turns, where=(turns.c.input.is_not(None),))]
        case RetentionKind.APPROVALS:
            gone = _settled(before)
            asked = [
                Part(table=table, where=gone, of_approvals=True)
                for table in (deliveries, posts, reviews, standing)
            ]
            return [*asked, Part(table=approvals, where=gone)]
        case RetentionKind.DELIVERIES:
            sent = func.coalesce(deliveries.c.delivered_at, deliveries.c.next_at)
            over: list[ColumnElement[bool]] = [approvals.c.state.not_in(_OPEN)]
            if age.asked_before is not None:
                over.append(~and_(*_settled(age.asked_before)))
            return [
                Part(
                    table=deliveries,
                    where=(*over, deliveries.c.state != _WAITING, sent <= before),
                    of_approvals=True,
                ),
                Part(table=posts, where=(*over, ~posts.c.open, posts.c.kept_at <= before), of_approvals=True),
            ]
        case _:
            return [
                Part(
                    table=effects,
                    where=(
                        or_(
                            effects.c.state == EffectState.NOT_DONE.value,
                            and_(effects.c.state == EffectState.DONE.value, effects.c.digest != FORGOTTEN),
                        ),
                        effects.c.settled_at <= before,
                    ),
                )
            ]


def _settled(before: float) -> tuple[ColumnElement[bool], ...]:
    """Questions that are settled, and whose people were told."""
    unsent = exists().where(deliveries.c.approval_id == approvals.c.id, deliveries.c.state == _WAITING)
    return (
        approvals.c.state.not_in(_OPEN),
        approvals.c.settled_at <= before,
        ~unsent.correlate(approvals),
    )


def resting(age: Age, tenant: str, now: float) -> Select[str]:
    """Ids of a tenant's threads that rest and have something of a kind to remove, in order."""
    latest = and_(
        turns.c.tenant == threads.c.tenant,
        turns.c.thread_id == threads.c.thread_id,
        turns.c.number == threads.c.turn,
    )
    # A release that does not know the status of the thread's row leaves it behind: the turn's counts.
    chosen = select(threads.c.thread_id).join(turns, latest)
    of = (approvals.c.tenant == tenant, approvals.c.thread_id == threads.c.thread_id)
    asked = exists().where(*of, approvals.c.state.in_(_OPEN))
    of = (reviews.c.tenant == tenant, reviews.c.thread_id == threads.c.thread_id)
    reviewed = exists().where(*of, reviews.c.closed_at.is_(None))
    of = (standing.c.tenant == tenant, standing.c.thread_id == threads.c.thread_id)
    given = exists().where(*of, standing_rows.active(now))
    of = (effects.c.tenant == tenant, effects.c.thread_id == threads.c.thread_id)
    acting = exists().where(*of, effects.c.state.in_(_UNSETTLED))
    chosen = chosen.where(
        threads.c.tenant == tenant,
        turns.c.status.in_(_OVER),
        threads.c.active_at > 0.0,
        or_(threads.c.lease_until.is_(None), threads.c.lease_until <= now),
        threads.c.due_at.is_(None),
        threads.c.dead_letter.is_(None),
        ~asked.correlate(threads),
        ~reviewed.correlate(threads),
        ~given.correlate(threads),
        ~acting.correlate(threads),
        ~exists().where(*holds.covering(tenant, threads.c.thread_id)).correlate(threads),
        or_(*(_has(part, tenant) for part in parts(age))),
    )
    if age.kind in _BY_THREAD:
        chosen = chosen.where(threads.c.active_at <= age.before, threads.c.opened_at <= age.before)
    return chosen.order_by(threads.c.thread_id)


def _has(part: Part, tenant: str) -> ColumnElement[bool]:
    found = part.chosen(tenant, literal(1)).where(part.thread_id == threads.c.thread_id)
    # The turns of a part are others than the latest turn, which the list of threads is joined with.
    return found.correlate(threads).exists()
