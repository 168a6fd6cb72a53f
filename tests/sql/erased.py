"""A person who asked, decided, was written to and operated; and a process that dies while it erases them.

`python -m tests.sql.erased URL NUMBER` erases, and is killed before the given number of the statements that change something.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sqlalchemy import event, update

from guardkit.core.audit import AuditEvent
from guardkit.core.effects import Claimed, EffectState
from guardkit.core.people import Person
from guardkit.core.principals import Principal
from guardkit.core.runs import Contact, Marks, Post
from guardkit.core.tokens import TokenScope, new_token
from guardkit.sql import Database, SQLErasure, SQLStore
from guardkit.sql.tables import threads
from guardkit.testing.contracts import samples
from tests.sql.old import checkpoint, sent

GRACE = ("Grace.Hopper@corp.example", "slack:T1:UGRACE")
"""Who decides."""

UMA = ("uma.thurgood@corp.example",)
"""Who asks."""


def life(database: Database, tenant: str = samples.TENANT, thread: str = "t-1") -> None:
    """One question from beginning to end, and what remains of it everywhere."""
    store = SQLStore(database)
    principal = Principal(id=UMA[0], tenant=tenant)
    opening = samples.opening(thread, tenant=tenant, principal=principal)
    run = store.open_run(
        opening, [AuditEvent(kind="run.started", thread_id=thread, data={"for": UMA[0]})]
    ).run
    asked = samples.request(run, args={"to": f"the account of {UMA[0]}", "amount": "1.00"})
    asked = asked.model_copy(update={"principal": principal, "excluded": (UMA[0],)})
    [approval] = store.register(run, [asked], [])
    store.close_run(run, samples.closing("paused").model_copy(update={"marks": Marks(wary=UMA[0])}), [])
    sent(store)
    grace = Person(id=GRACE[0], tenant=tenant, roles=("manager",), groups=("desk",))
    said = samples.said(store, approval, grace)
    last = said.decisions[-1].model_copy(update={"reason": "she is my neighbour"})
    said = said.model_copy(update={"decisions": (last,)})
    decided = AuditEvent(
        kind="approval.decided",
        thread_id=thread,
        data={"approval": asked.id, "person": GRACE[0], "via": "web", "why": f"{GRACE[0]} said so"},
    )
    assert store.settle(said, approval.version, [decided])
    run = store.open_run(samples.opening(thread, tenant=tenant, new_turn=False), []).run
    checkpoint(database, thread, tenant, run)
    done = store.claim(
        run,
        key=f"pay:{UMA[0]}:{thread}",
        tool="pay_claim",
        digest=said.digest,
        action_id=asked.action.id,
        approval=said,
        events=[samples.EVENT],
    )
    assert isinstance(done, Claimed)
    key = f"pay:{UMA[0]}:{thread}"
    assert store.record(run, key=key, state=EffectState.DONE, result={"paid": UMA[0]}, events=[samples.EVENT])
    store.close_run(run, samples.closing("done"), [])
    sent(store)
    with database.writing() as connection:
        of = (threads.c.tenant == tenant, threads.c.thread_id == thread)
        connection.execute(update(threads).where(*of).values(due_at=None, due_why=None))
    _around(store, tenant, thread, asked.id)


def _around(store: SQLStore, tenant: str, thread: str, approval_id: str) -> None:
    address: Any = {"conversation": "a:1"}
    store.keep_contact(Contact(tenant=tenant, channel="desk", key=GRACE[1], reference=address))
    store.keep_post(
        Post(
            id=f"post-{tenant}-{thread}",
            approval_id=approval_id,
            tenant=tenant,
            channel="desk",
            delivery=None,
            stage=0,
            recipient=GRACE[0],
            address=address,
            version=1,
            open=False,
        )
    )
    name = f"stop-{tenant}-{thread}"
    order = samples.stop("agent", "other", tenant=tenant, id=name).model_copy(update={"by": GRACE[0]})
    store.set_stop(order)
    assert store.lift_stop(name, by=GRACE[0], why=f"as {GRACE[0].upper()} says")
    _, token = new_token(
        tenant=tenant,
        holder="person",
        subject=GRACE[0],
        scopes=[TokenScope.STOPS_WRITE],
        created_by="ops",
    )
    store.add_token(token, 60.0)


def main(url: str, number: int) -> None:
    """Erase, and be killed."""
    seen = 0
    with Database(url) as database:
        database.prepare()

        @event.listens_for(database.engine, "before_cursor_execute")
        def _(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            nonlocal seen
            seen += statement.lstrip().startswith(("UPDATE", "DELETE", "INSERT"))
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        SQLErasure(database).erase("default", UMA, by="dpo", why="case 7")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
