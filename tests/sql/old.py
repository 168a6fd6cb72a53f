"""A database with a past: threads that finished long ago, and a process that dies while it removes them.

`python -m tests.sql.old URL STATEMENT NUMBER` prunes with one thread a transaction, and is killed at the given number of
the statement.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from sqlalchemy import event, func, select, update

from guardkit.core.approvals import Approval
from guardkit.core.effects import Claimed, EffectState
from guardkit.core.replies import Held, KeyedRequest, Reply
from guardkit.core.runs import RunRef
from guardkit.policy import Retention
from guardkit.sql import Database, SQLAlchemySaver, SQLRetention, SQLStore
from guardkit.sql.side_tables import api_replies, metadata, posts, taken
from guardkit.sql.tables import approvals, deliveries, effects, threads, turns
from guardkit.testing.contracts import samples

DAY = 86_400.0
KINDS = ("checkpoints", "inputs", "approvals", "deliveries", "effects", "replies")
EVERYTHING = Retention.from_dict(
    {
        "retention": "claims",
        "version": "1",
        "owner": "privacy",
        "keep": {**dict.fromkeys(KINDS, "30d"), "requests": "1d"},
    }
)


def retention(tenants: dict[str, Any] | None = None, **keep: str) -> Retention:
    """A retention that names these periods."""
    said = {"retention": "some", "version": "1", "owner": "privacy", "keep": keep, "tenants": tenants or {}}
    return Retention.from_dict(said)


def checkpoint(
    database: Database, thread_id: str, tenant: str = samples.TENANT, run: RunRef | None = None
) -> None:
    """Two checkpoints with a value and a write."""
    saver = SQLAlchemySaver(database, tenant=tenant)
    config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    if run is not None:
        config["configurable"]["__guardkit_run"] = run
    for step in (1, 2):
        version = saver.get_next_version(None, None)
        made = empty_checkpoint()
        made["channel_values"] = {"log": ["x" * 400] * step}
        made["channel_versions"] = {"log": version}
        config = saver.put(
            config, made, {"source": "loop", "step": step, "run_id": f"r-{thread_id}"}, {"log": version}
        )
        if run is not None:
            config["configurable"]["__guardkit_run"] = run
        saver.put_writes(config, [("log", "y")], f"task-{step}")


def paid(store: SQLStore, run: RunRef, approval: Approval, key: str, state: EffectState) -> None:
    """An effect that consumes an approval."""
    done = store.claim(
        run,
        key=key,
        tool="pay_claim",
        digest=approval.digest,
        action_id=approval.request.action.id,
        approval=approval,
        events=[samples.EVENT],
    )
    assert isinstance(done, Claimed)
    assert store.record(run, key=key, state=state, result={"receipt": key}, events=[samples.EVENT])


def sent(store: SQLStore) -> None:
    """Everything that has to go out goes out."""
    while handed := store.deliveries():
        for delivery in handed:
            store.delivered(delivery, error=None, rendered="0" * 64)


def finished(database: Database, thread_id: str, tenant: str = samples.TENANT) -> None:
    """A thread that asked, was answered, paid and is done; everybody was told."""
    store = SQLStore(database)
    (approval,) = samples.paused(store, thread_id, tenant=tenant)
    sent(store)
    said = samples.said(store, approval, samples.ADA.model_copy(update={"tenant": tenant}))
    assert store.settle(said, approval.version, [samples.EVENT])
    approval = said
    run = store.open_run(samples.opening(thread_id, tenant=tenant, new_turn=False), []).run
    checkpoint(database, thread_id, tenant, run)
    paid(store, run, approval, f"key-{thread_id}", EffectState.DONE)
    store.close_run(run, samples.closing("done"), [])
    sent(store)
    with database.writing() as connection:
        of = (threads.c.tenant == tenant, threads.c.thread_id == thread_id)
        connection.execute(update(threads).where(*of).values(due_at=None, due_why=None))


def replied(store: SQLStore, tenant: str, key: str, days: float = 1.0) -> None:
    """A request with an idempotency key that was answered."""
    request = KeyedRequest(tenant=tenant, token_id="t", key=key, fingerprint="f")
    held = store.hold(request, kept=days * DAY)
    assert isinstance(held, Held)
    assert store.answered(request, held.owner, Reply(status=200, body="{}"))


def aged(database: Database, days: float, thread_id: str | None = None) -> None:
    """Move the past further away: of one thread, or of everything."""
    by = days * DAY
    moved: list[tuple[Any, tuple[Any, ...]]] = [
        (threads, (threads.c.active_at, threads.c.opened_at)),
        (turns, (turns.c.opened_at,)),
        (approvals, (approvals.c.settled_at, approvals.c.requested_at)),
        (effects, (effects.c.settled_at, effects.c.claimed_at)),
    ]
    if thread_id is None:
        moved += [
            (deliveries, (deliveries.c.delivered_at, deliveries.c.next_at)),
            (posts, (posts.c.kept_at,)),
            (taken, (taken.c.until,)),
            (api_replies, (api_replies.c.kept_until,)),
        ]
    with database.writing() as connection:
        for table, columns in moved:
            change = update(table).values({column.name: column - by for column in columns})
            connection.execute(change if thread_id is None else change.where(table.c.thread_id == thread_id))


def dump(database: Database, *but: str) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with database.reading() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in metadata.sorted_tables
            if table.name not in but
        }


def counts(database: Database, tenant: str = samples.TENANT) -> dict[str, int]:
    """Rows of a tenant by table, without those of tables that are empty."""
    with database.reading() as connection:
        found = {
            table.name: connection.execute(select(func.count()).where(table.c.tenant == tenant)).scalar_one()
            for table in metadata.sorted_tables
            if "tenant" in table.c
        }
    return {name: count for name, count in found.items() if count}


def main(url: str, statement: str, number: int) -> None:
    """Prune, and be killed."""
    seen = 0
    with Database(url) as database:

        def look(_: Any, __: Any, said: str, *rest: Any) -> None:
            nonlocal seen
            seen += said.startswith(statement)
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(database.engine, "after_cursor_execute", look)
        SQLRetention(database).prune(EVERYTHING, by="cron", batch=1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
