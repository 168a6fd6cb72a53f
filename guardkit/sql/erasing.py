"""Erasing one person, in one transaction: all of it is done, or nothing.

Threads that the person began lose their contents: checkpoints, inputs, questions with their messages, reviews and standing approvals, keys and results of effects. Everywhere else a
pseudonym takes the place of the person's names. In the audit log values that name the person are destroyed with their salts.
"""

import json
import secrets
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from typing import Any, cast

from sqlalchemy import Connection, LargeBinary, Row, Table, delete, select, tuple_, update

from guardkit.core.approvals import ApprovalState
from guardkit.core.disclosure import Salts, erasable, without
from guardkit.core.effects import EffectState
from guardkit.core.erasure import Names, erasure_event, subject_of
from guardkit.core.no_result import NoResult
from guardkit.core.principals import Principal
from guardkit.core.runs import Marks, TurnStatus
from guardkit.core.standing import StandingGrant
from guardkit.core.values import Json, JsonObject
from guardkit.errors import ErasureRefusedError
from guardkit.sql import answers, approval_rows, audit, dialects, holds, listing_rows, standing_rows
from guardkit.sql.aging import FORGOTTEN
from guardkit.sql.codec import dump, load, load_json
from guardkit.sql.secrecy import SEALED, Opened, opened, sealed
from guardkit.sql.side_tables import api_tokens, contacts, posts, reviews, standing
from guardkit.sql.tables import (
    approvals,
    audit as audit_table,
    blobs,
    checkpoints,
    deliveries,
    effects,
    threads,
    turns,
    writes,
)
from guardkit.sql.thread_rows import principal_hash
from guardkit.sql.vault import vault_of

_OPEN = (ApprovalState.PENDING.value, ApprovalState.APPROVED.value)
_UNDER_WAY = (TurnStatus.RUNNING.value, TurnStatus.PAUSED.value)
_UNSETTLED = (EffectState.CLAIMED.value, EffectState.IN_DOUBT.value)
_SOME = 200


def erase(connection: Connection, tenant: str, names: Names, *, by: str, why: str) -> tuple[str, str]:
    """Erase a person of a tenant, and announce it in the audit log.

    Returns:
        The case, and the salt of the commitment to the person's names.

    Raises:
        ErasureRefusedError: something of the person's is not over.
        LegalHoldError: something of it is under a legal hold.
    """
    holds.share_gate(connection)
    mine = _begun_by(connection, tenant, names)
    holds.require_none(connection, tenant, mine)
    _lock(connection, tenant, mine)
    now = dialects.now(connection)
    waiting = _not_over(connection, tenant, names, mine, now)
    if waiting:
        raise ErasureRefusedError(
            f"{len(waiting)} things of the person are not over; nothing was erased: {', '.join(waiting[:20])}",
            waiting=tuple(waiting),
            remedy="let them end, decide or cancel them, then try again",
        )
    rows: Counter[str] = Counter()
    for start in range(0, len(mine), _SOME):
        _empty(connection, tenant, mine[start : start + _SOME], rows)
    _forget_contacts(connection, tenant, names, rows)
    for table in SEALED:
        if table is not audit_table:
            _rename(connection, tenant, table, names, rows)
    values, kept = _erase_entries(connection, tenant, names)
    rows["gk_audit"] = values
    case, salt = secrets.token_hex(8), secrets.token_hex(16)
    event = erasure_event(
        case=case, subject=subject_of(names, salt), by=by, why=why, rows=rows, values=values, kept=kept
    )
    audit.append(connection, tenant, [event], now)
    return case, salt


# --- what is the person's ---


def _begun_by(connection: Connection, tenant: str, names: Names) -> list[str]:
    columns = (turns.c.tenant, turns.c.thread_id, turns.c.number, turns.c.principal)
    found: set[str] = set()
    for row in connection.execute(select(*columns).where(turns.c.tenant == tenant)):
        if names.is_one(load(Principal, opened(connection, turns, row).principal).id):
            found.add(row.thread_id)
    return sorted(found)


def _lock(connection: Connection, tenant: str, mine: Sequence[str]) -> None:
    for start in range(0, len(mine), _SOME):
        some = mine[start : start + _SOME]
        of = (threads.c.tenant == tenant, threads.c.thread_id.in_(some))
        connection.execute(
            select(threads.c.thread_id).where(*of).order_by(threads.c.thread_id).with_for_update()
        ).all()


def _not_over(
    connection: Connection, tenant: str, names: Names, mine: Collection[str], now: float
) -> list[str]:
    """What keeps the person from being erased: as many lines as there are things."""
    own = set(mine)
    found: list[str] = []
    for row in connection.execute(select(threads).where(threads.c.tenant == tenant)):
        if row.thread_id in own and (
            (row.lease_until is not None and row.lease_until > now) or row.due_at is not None
        ):
            found.append(f"thread {row.thread_id!r} is at work")
    under_way = (turns.c.tenant == tenant, turns.c.status.in_(_UNDER_WAY))
    latest = (turns.c.thread_id == threads.c.thread_id, turns.c.number == threads.c.turn)
    chosen = select(turns.c.thread_id, turns.c.status).join(
        threads, (threads.c.tenant == turns.c.tenant) & latest[0] & latest[1]
    )
    for row in connection.execute(chosen.where(*under_way)):
        if row.thread_id in own:
            found.append(f"thread {row.thread_id!r} is {row.status}")
    asked = select(approvals).where(approvals.c.tenant == tenant, approvals.c.state.in_(_OPEN))
    for row in connection.execute(asked):
        one = opened(connection, approvals, row)
        if row.thread_id in own or _named(names, one.request) or _named(names, one.decisions):
            found.append(f"approval {row.id} is {row.state}")
    acting = select(effects.c.thread_id, effects.c.state).where(
        effects.c.tenant == tenant, effects.c.state.in_(_UNSETTLED)
    )
    found += [
        f"an effect of thread {row.thread_id!r} is {row.state}"
        for row in connection.execute(acting)
        if row.thread_id in own
    ]
    unclosed = select(reviews).where(reviews.c.tenant == tenant, reviews.c.closed_at.is_(None))
    for row in connection.execute(unclosed):
        if row.thread_id in own or _named(names, opened(connection, reviews, row).review):
            found.append(f"the review of {row.approval_id} is open")
    given = select(standing).where(standing.c.tenant == tenant, standing_rows.active(now))
    for row in connection.execute(given):
        if row.thread_id in own or _named(names, opened(connection, standing, row).given):
            found.append(f"standing approval {row.id} is active")
    return found


def _named(names: Names, text: str) -> bool:
    value = load_json(text)
    return names.within(value) != value


# --- threads that the person began ---


def _empty(connection: Connection, tenant: str, mine: Sequence[str], rows: Counter[str]) -> None:
    for table in (writes, blobs, checkpoints):
        _delete(connection, table, rows, table.c.tenant == tenant, table.c.thread_id.in_(mine))
    asked = select(approvals.c.id).where(approvals.c.tenant == tenant, approvals.c.thread_id.in_(mine))
    ids = list(connection.execute(asked).scalars())
    for start in range(0, len(ids), _SOME):
        some = ids[start : start + _SOME]
        for table in (deliveries, posts, reviews, standing):
            _delete(connection, table, rows, table.c.approval_id.in_(some))
        _delete(connection, approvals, rows, approvals.c.id.in_(some))
    of_threads = (effects.c.tenant == tenant, effects.c.thread_id.in_(mine))
    done = effects.c.state == EffectState.DONE.value
    _delete(connection, effects, rows, *of_threads, ~done)
    for row in connection.execute(select(effects.c.tenant, effects.c.key_hash).where(*of_threads)).all():
        nothing = {
            **sealed(connection, effects, {"key": FORGOTTEN}, row),
            "digest": FORGOTTEN,
            "result": None,
        }
        _update(connection, effects, row, nothing, rows)
    for row in connection.execute(
        select(turns).where(turns.c.tenant == tenant, turns.c.thread_id.in_(mine))
    ).all():
        before = opened(connection, turns, row)
        values: dict[str, Any] = {"input": None, "salt": secrets.token_hex(16), "marks": dump(Marks())}
        if row.no_result is not None:
            reason = load(NoResult, before.no_result).reason
            values["no_result"] = dump(NoResult.because(reason))
        _update(connection, turns, row, sealed(connection, turns, values, row), rows)
    connection.execute(
        update(threads)
        .where(threads.c.tenant == tenant, threads.c.thread_id.in_(mine), threads.c.dead_letter.is_not(None))
        .values(dead_letter=None)
    )


# --- everything else ---


def _forget_contacts(connection: Connection, tenant: str, names: Names, rows: Counter[str]) -> None:
    for table, column, key in ((contacts, "key", "contact_hash"), (api_tokens, "subject", "id")):
        for row in connection.execute(select(table).where(table.c.tenant == tenant)).all():
            if names.is_one(getattr(opened(connection, table, row), column)):
                _delete(connection, table, rows, table.c.tenant == tenant, table.c[key] == getattr(row, key))
    for row in connection.execute(select(posts).where(posts.c.tenant == tenant)).all():
        if row.address is not None and names.is_one(opened(connection, posts, row).recipient):
            _update(connection, posts, row, {"address": None}, rows)


def _rename(connection: Connection, tenant: str, table: Table, names: Names, rows: Counter[str]) -> None:
    """Put the pseudonym in the place of the person's names."""
    for found in _rows(connection, tenant, table):
        row: Opened = opened(connection, table, found)
        changed: dict[str, Any] = {}
        for name in _texts(table):
            text = getattr(row, name)
            if isinstance(text, str):
                new = _renamed(names, text)
                if new != text:
                    changed[name] = new
        if not changed:
            continue
        if table is standing and "given" in changed:
            changed["who"] = vault_of(connection).hashed(load(StandingGrant, changed["given"]).key)
        _update(connection, table, found, sealed(connection, table, changed, found), rows)
        if table is approvals:
            whole = approval_rows.find(connection, found.id)
            if whole is not None:
                listing_rows.rewrite(connection, whole)
                answers.rename(connection, whole)
        if table is turns and "principal" in changed:
            principal = load(Principal, changed["principal"])
            hashed = vault_of(connection).hashed(principal_hash(tenant, principal.id))
            connection.execute(
                update(threads)
                .where(
                    threads.c.tenant == tenant,
                    threads.c.thread_id == found.thread_id,
                    threads.c.turn == found.number,
                )
                .values(principal_hash=hashed)
            )


def _texts(table: Table) -> list[str]:
    return [name for name in SEALED[table] if not isinstance(table.c[name].type, LargeBinary)]


def _rows(connection: Connection, tenant: str, table: Table) -> Generator[Row[Any]]:
    """The rows of a tenant with their texts, some at a time."""
    keys = list(table.primary_key.columns)
    names = dict.fromkeys([*(key.name for key in keys), "tenant", *_texts(table)])
    chosen = select(*(table.c[name] for name in names)).where(table.c.tenant == tenant)
    chosen = chosen.order_by(*keys).limit(_SOME)
    page = connection.execute(chosen).all()
    while page:
        yield from page
        after = tuple_(*(getattr(page[-1], key.name) for key in keys))
        page = connection.execute(chosen.where(tuple_(*keys) > after)).all()


def _renamed(names: Names, text: str) -> str:
    try:
        value = cast("Json", json.loads(text))
    except ValueError:
        return names.in_text(text)
    if not isinstance(value, dict | list):
        return names.in_text(text)
    made = names.within(value)
    return text if made == value else json.dumps(made, separators=(",", ":"))


# --- the audit log ---


def _erase_entries(connection: Connection, tenant: str, names: Names) -> tuple[int, int]:
    """Destroy what names the person. Returns how many values, and how many cannot be."""
    erased = kept = after = 0
    chosen = select(audit_table).where(audit_table.c.tenant == tenant).order_by(audit_table.c.seq)
    while page := connection.execute(chosen.where(audit_table.c.seq > after).limit(_SOME)).all():
        after = page[-1].seq
        for found in page:
            row = opened(connection, audit_table, found)
            data = cast("JsonObject", load_json(row.data))
            wanted = [name for name, value in data.items() if names.within(value) != value]
            salts = None if found.salts is None else load(Salts, row.salts)
            can = [] if salts is None else [name for name in wanted if name in erasable(data)]
            kept += len(wanted) - len(can)
            if salts is not None and can:
                left, new = without(data, salts, can)
                values = {"data": json.dumps(left, separators=(",", ":")), "salts": dump(new)}
                _update(connection, audit_table, found, sealed(connection, audit_table, values, found), None)
                erased += len(can)
    return erased, kept


# --- counting ---


def _delete(connection: Connection, table: Table, rows: Counter[str], *where: Any) -> None:
    rows[table.name] += connection.execute(delete(table).where(*where)).rowcount


def _update(
    connection: Connection, table: Table, row: Any, values: dict[str, Any], rows: Counter[str] | None
) -> None:
    one = [table.c[key.name] == getattr(row, key.name) for key in table.primary_key.columns]
    connection.execute(update(table).where(*one).values(**values))
    if rows is not None:
        rows[table.name] += 1
