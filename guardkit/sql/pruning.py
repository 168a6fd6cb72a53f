"""Removing what is old, a batch a transaction.

Each batch takes the gate of legal holds, locks its threads, reads the clock and only then judges, so that nothing of what it
judged by can change before it commits. What it removed is in the audit chain of the tenant, in the same transaction.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.effects import EffectState
from guardkit.core.retention import RetentionKind
from guardkit.core.values import Json, JsonObject
from guardkit.errors import BusyError
from guardkit.sql import audit, dialects, holds, names
from guardkit.sql.aging import FORGOTTEN, Age, Part, parts, resting
from guardkit.sql.secrecy import sealed
from guardkit.sql.side_tables import api_replies, posts, reviews, standing, taken
from guardkit.sql.tables import approvals, checkpoints, deliveries, effects, threads, turns

_ROWS = 10_000
"""Rows of a batch at most, unless one thread has more: a thread is not divided."""

_AT_ONCE = 500
"""Ids that one statement names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be removed."""

    tenant: str
    kind: RetentionKind
    seconds: float
    """How long it is kept."""

    asked_seconds: float | None = None
    """How long questions are kept, where that is to be known besides."""

    facts: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What the audit log is told besides: who, and by which file."""

    def age(self, now: float) -> Age:
        """What is old by now."""
        asked = None if self.asked_seconds is None else now - self.asked_seconds
        return Age(kind=self.kind, before=now - self.seconds, asked_before=asked)


@dataclass(slots=True, kw_only=True)
class Batch:
    """What a transaction found, and what it removed."""

    before: float
    last: str | None = None
    """Where the next batch goes on: behind this thread or row; `None` when there is nothing left."""

    threads: int = 0
    rows: Counter[str] = field(default_factory=Counter[str])


def tenants(connection: Connection) -> list[str]:
    """Tenants that have something that can be removed."""
    found: set[str] = set()
    for table in (threads, api_replies):
        found |= set(connection.execute(select(table.c.tenant).distinct()).scalars())
    return sorted(found)


def count(connection: Connection, order: Order) -> Batch:
    """What would be removed now. Changes nothing."""
    now = dialects.now(connection)
    batch = Batch(before=now - order.seconds)
    match order.kind:
        case RetentionKind.REPLIES | RetentionKind.REQUESTS:
            loose = _loose(order, batch.before)
            if not (order.kind is RetentionKind.REPLIES and holds.on_tenant(connection, order.tenant)):
                _add(batch, loose.table, connection.execute(loose.counted()).scalar_one())
        case _:
            age = order.age(now)
            found = resting(age, order.tenant, now).order_by(None).subquery()
            batch.threads = connection.execute(select(func.count()).select_from(found)).scalar_one()
            for part in parts(age):
                rows = part.chosen(order.tenant, func.count()).where(
                    part.thread_id.in_(select(found.c.thread_id))
                )
                _add(batch, part.table, connection.execute(rows).scalar_one())
    return batch


def remove(connection: Connection, order: Order, *, after: str, limit: int) -> Batch:
    """Remove a batch.

    Args:
        connection: a transaction that writes.
        order: what is to be removed.
        after: where the batch before ended; empty for the first.
        limit: threads, or rows of what has no thread, at most.
    """
    holds.share_gate(connection)
    match order.kind:
        case RetentionKind.REPLIES | RetentionKind.REQUESTS:
            batch = _remove_loose(connection, order, limit)
        case _:
            batch = _remove_of_threads(connection, order, after, limit)
    if batch.rows:
        data: JsonObject = {
            "kind": order.kind.value,
            "threads": batch.threads,
            "rows": {**batch.rows},
            "before": batch.before,
            **order.facts,
        }
        event = AuditEvent(kind="retention.pruned", data=data)
        audit.append(connection, order.tenant, [event], dialects.now(connection))
    return batch


# --- what belongs to threads ---


def _remove_of_threads(connection: Connection, order: Order, after: str, limit: int) -> Batch:
    now = dialects.now(connection)
    few = resting(order.age(now), order.tenant, now).where(threads.c.thread_id > after)
    candidates = list(connection.execute(few.limit(limit)).scalars())
    if not candidates:
        return Batch(before=now - order.seconds)
    of = and_(threads.c.tenant == order.tenant, threads.c.thread_id.in_(candidates))
    lock = select(threads.c.thread_id).where(of).order_by(threads.c.thread_id)
    locked = list(connection.execute(lock.with_for_update(skip_locked=True)).scalars())
    # From here on no run begins on them, and nobody settles or claims anything of theirs.
    now = dialects.now(connection)
    batch = Batch(before=now - order.seconds, last=candidates[-1] if len(candidates) == limit else None)
    age = order.age(now)
    still = resting(age, order.tenant, now).where(threads.c.thread_id.in_(locked))
    found = list(connection.execute(still).scalars())
    chosen = _bounded(connection, order, age, found)
    if not chosen:
        return batch
    if len(chosen) < len(found):
        batch.last = chosen[-1]
    batch.threads = len(chosen)
    match order.kind:
        case RetentionKind.INPUTS:
            _forget_inputs(connection, order, age, chosen, batch)
        case RetentionKind.EFFECTS:
            _forget_effects(connection, order, age, chosen, batch)
        case RetentionKind.APPROVALS:
            _delete_approvals(connection, order, age, chosen, batch)
        case _:
            for part in parts(age):
                _delete(connection, order, part, chosen, batch)
    if order.kind is RetentionKind.CHECKPOINTS:
        _see_that_none_is_left(connection, order, chosen)
    return batch


def _bounded(connection: Connection, order: Order, age: Age, found: Sequence[str]) -> list[str]:
    """As many of the threads, in order, as have no more rows than a batch may."""
    rows: Counter[str] = Counter()
    if found:
        for part in parts(age):
            counted = part.chosen(order.tenant, part.thread_id.label("of"), func.count().label("rows"))
            counted = counted.where(part.thread_id.in_(found)).group_by(part.thread_id)
            for row in connection.execute(counted):
                rows[row.of] += row.rows
    chosen: list[str] = []
    total = 0
    for thread_id in found:
        total += rows[thread_id]
        if chosen and total > _ROWS:
            break
        chosen.append(thread_id)
    return chosen


def _delete(connection: Connection, order: Order, part: Part, chosen: Sequence[str], batch: Batch) -> None:
    table = part.table
    if not part.of_approvals:
        where = (table.c.tenant == order.tenant, table.c.thread_id.in_(chosen), *part.where)
        _add(batch, table, connection.execute(delete(table).where(*where)).rowcount)
        return
    ids = part.chosen(order.tenant, table.c.id).where(part.thread_id.in_(chosen))
    _delete_by(connection, table, "id", connection.execute(ids).scalars().all(), batch)


def _delete_approvals(
    connection: Connection, order: Order, age: Age, chosen: Sequence[str], batch: Batch
) -> None:
    """Questions with their messages, reviews and standing approvals. They are chosen once: a message may be sent between two statements."""
    *_, asked = parts(age)
    found = asked.chosen(order.tenant, approvals.c.id).where(approvals.c.thread_id.in_(chosen))
    ids = connection.execute(found.order_by(approvals.c.id).with_for_update()).scalars().all()
    for table in (deliveries, posts, reviews, standing):
        _delete_by(connection, table, "approval_id", ids, batch)
    _delete_by(connection, approvals, "id", ids, batch)


def _forget_inputs(
    connection: Connection, order: Order, age: Age, chosen: Sequence[str], batch: Batch
) -> None:
    """Inputs, and with them the salts: digests of what is gone cannot be guessed any more."""
    (part,) = parts(age)
    found = part.chosen(order.tenant, turns.c.thread_id, turns.c.number).where(turns.c.thread_id.in_(chosen))
    for row in connection.execute(found).all():
        one = (
            turns.c.tenant == order.tenant,
            turns.c.thread_id == row.thread_id,
            turns.c.number == row.number,
        )
        new = {"input": None, "salt": secrets.token_hex(16)}
        _add(batch, turns, connection.execute(update(turns).where(*one).values(**new)).rowcount)


def _forget_effects(
    connection: Connection, order: Order, age: Age, chosen: Sequence[str], batch: Batch
) -> None:
    """What was not done goes; of what was done stays that its key was used, and with which tool."""
    (part,) = parts(age)
    where = (effects.c.tenant == order.tenant, effects.c.thread_id.in_(chosen), *part.where)
    done = effects.c.state == EffectState.DONE.value
    key = {"key": FORGOTTEN}
    chosen_keys = select(effects.c.tenant, effects.c.key_hash).where(*where, done)
    for row in connection.execute(chosen_keys).all():
        nothing = {**sealed(connection, effects, key, row), "digest": FORGOTTEN, "result": None}
        one = (effects.c.tenant == row.tenant, effects.c.key_hash == row.key_hash)
        _add(batch, effects, connection.execute(update(effects).where(*one).values(**nothing)).rowcount)
    _add(batch, effects, connection.execute(delete(effects).where(*where, ~done)).rowcount)


def _see_that_none_is_left(connection: Connection, order: Order, chosen: Sequence[str]) -> None:
    """A checkpoint that somebody put meanwhile, without a run, may rest on what was deleted.

    Raises:
        BusyError: there is one. The transaction must not be committed.
    """
    left = select(checkpoints.c.thread_id).where(
        checkpoints.c.tenant == order.tenant, checkpoints.c.thread_id.in_(chosen)
    )
    found = connection.execute(left.limit(1)).scalar()
    if found is not None:
        raise BusyError(
            f"thread {found!r} was written to while its checkpoints were removed; nothing of this batch was",
            remedy="try again when no graph runs on it",
        )


# --- what belongs to no thread ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loose:
    table: Table
    key: str
    where: tuple[Any, ...]

    def counted(self) -> Any:
        return select(func.count()).select_from(self.table).where(*self.where)


def _loose(order: Order, before: float) -> _Loose:
    if order.kind is RetentionKind.REQUESTS:
        return _Loose(table=taken, key="taken_hash", where=(taken.c.until <= before,))
    where = (api_replies.c.tenant == order.tenant, api_replies.c.kept_until <= before)
    return _Loose(table=api_replies, key="name", where=where)


def _remove_loose(connection: Connection, order: Order, limit: int) -> Batch:
    now = dialects.now(connection)
    batch = Batch(before=now - order.seconds)
    if order.tenant != names.EVERYBODY and holds.on_tenant(connection, order.tenant):
        return batch
    loose = _loose(order, batch.before)
    key = loose.table.c[loose.key]
    found = select(key).where(*loose.where).order_by(key).limit(limit).with_for_update(skip_locked=True)
    keys = connection.execute(found).scalars().all()
    _delete_by(connection, loose.table, loose.key, keys, batch)
    if len(keys) == limit:
        batch.last = keys[-1]
    return batch


# --- counting ---


def _delete_by(connection: Connection, table: Table, key: str, values: Sequence[str], batch: Batch) -> None:
    for at in range(0, len(values), _AT_ONCE):
        few = values[at : at + _AT_ONCE]
        _add(batch, table, connection.execute(delete(table).where(table.c[key].in_(few))).rowcount)


def _add(batch: Batch, table: Table, rows: int) -> None:
    if rows:
        batch.rows[table.name] += rows
