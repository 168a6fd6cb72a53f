"""Ledger rows, and finding them.

A claim belongs to one lease. Once that lease is over, given back or run out, without an outcome, the key is in doubt,
whether or not anybody has written that down: every reader judges it by the lease.
"""

import hashlib
from typing import Any

from sqlalchemy import Connection, Row, Update, and_, case, or_, select, update

from guardkit.core.effects import EffectRecord, EffectState
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.sql import dialects
from guardkit.sql.codec import load_json
from guardkit.sql.secrecy import opened
from guardkit.sql.tables import effects, threads


def standing_of(connection: Connection, row: Row[Any], now: float) -> EffectState:
    """Where a key stands: a claim whose lease is over is in doubt."""
    state = EffectState(row.state)
    if state is not EffectState.CLAIMED:
        return state
    held = connection.execute(
        select(threads.c.thread_id).where(
            threads.c.tenant == row.tenant,
            threads.c.thread_id == row.thread_id,
            threads.c.token == row.token,
            threads.c.lease_run == row.run_id,
            threads.c.lease_until > now,
        )
    ).first()
    return EffectState.CLAIMED if held is not None else EffectState.IN_DOUBT


def find(connection: Connection, tenant: str, key: str) -> EffectRecord | None:
    """The ledger row of a key."""
    row = connection.execute(
        select(effects).where(effects.c.tenant == tenant, effects.c.key_hash == key_hash_of(key))
    ).one_or_none()
    return (
        None
        if row is None
        else _read(connection, row, standing_of(connection, row, dialects.now(connection)))
    )


def listed(
    connection: Connection,
    *,
    tenant: str | None,
    thread_id: str | None,
    state: EffectState | None,
    limit: int,
) -> list[EffectRecord]:
    """Ledger rows, latest claim first."""
    now = dialects.now(connection)
    claimed = effects.c.state == EffectState.CLAIMED.value
    live = and_(
        threads.c.token == effects.c.token,
        threads.c.lease_run == effects.c.run_id,
        threads.c.lease_until > now,
    )
    standing = case(
        (and_(claimed, or_(live.is_(None), ~live)), EffectState.IN_DOUBT.value), else_=effects.c.state
    )
    chosen = (
        select(effects, standing.label("standing"))
        .outerjoin(
            threads, and_(threads.c.tenant == effects.c.tenant, threads.c.thread_id == effects.c.thread_id)
        )
        .order_by(effects.c.claimed_at.desc(), effects.c.key_hash)
        .limit(limit)
    )
    if tenant is not None:
        chosen = chosen.where(effects.c.tenant == tenant)
    if thread_id is not None:
        chosen = chosen.where(effects.c.thread_id == thread_id)
    if state is not None:
        chosen = chosen.where(standing == EffectState(state).value)
    return [_read(connection, row, EffectState(row.standing)) for row in connection.execute(chosen)]


def key_hash_of(key: str) -> str:
    """The hash by which a key is found.

    Raises:
        InputError: the key is empty, or holds what databases refuse.
    """
    if not key:
        raise InputError("the effect key is empty", remedy="derive it from what makes the effect unique")
    if "\x00" in key or any("\ud800" <= char <= "\udfff" for char in key):
        raise InputError("the effect key holds a character that databases refuse")
    return hashlib.sha256(key.encode()).hexdigest()


def locked(connection: Connection, tenant: str, key_hash: str) -> Row[Any] | None:
    """A row of the ledger, locked."""
    return connection.execute(
        select(effects).where(effects.c.tenant == tenant, effects.c.key_hash == key_hash).with_for_update()
    ).one_or_none()


def changing(tenant: str, key_hash: str) -> Update:
    """The statement that changes a row."""
    return update(effects).where(effects.c.tenant == tenant, effects.c.key_hash == key_hash)


def result_of(connection: Connection, row: Row[Any]) -> Json:
    """The recorded result in a row."""
    return None if row.result is None else load_json(opened(connection, effects, row).result)


def _read(connection: Connection, row: Row[Any], state: EffectState) -> EffectRecord:
    return EffectRecord(
        tenant=row.tenant,
        key=opened(connection, effects, row).key,
        tool=row.tool,
        digest=row.digest,
        action_id=row.action_id,
        thread_id=row.thread_id,
        turn=row.turn,
        state=state,
        attempt=row.attempt,
        approval_id=row.approval_id,
        standing_id=row.standing_id,
        result=result_of(connection, row),
        claimed_at=row.claimed_at,
        deadline=row.deadline,
        settled_at=row.settled_at,
    )
