"""A database in which every column that holds what somebody wrote holds a word that is nowhere else.

`python -m tests.sql.planted URL KEYS ACCEPTS_PLAIN NUMBER` brings it to the newest key, a row a transaction, and dies at change NUMBER.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from pydantic import SecretStr
from sqlalchemy import event, insert

from guardkit.core.approvals import Approval, ApprovalDecision
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import break_glass
from guardkit.core.effects import Claimed, EffectState
from guardkit.core.encryption import Encryption
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.people import Assurance
from guardkit.core.principals import Principal
from guardkit.core.replies import Held, KeyedRequest, Reply
from guardkit.core.retention import LegalHold
from guardkit.core.reviews import Closed, ReviewVerdict
from guardkit.core.runs import Contact, Marks, Post, StopOrder
from guardkit.core.standing import StandingGrant, StandingRevocation, StandingSubject
from guardkit.core.tokens import TokenScope, new_token
from guardkit.sql import (
    Database,
    SQLAlchemySaver,
    SQLAnomalies,
    SQLRetention,
    SQLStore,
    encrypt_database,
    standing_rows,
)
from guardkit.sql.side_tables import anomalies
from guardkit.testing.contracts import samples

WORDS = tuple(
    f"planted-{name}"
    for name in (
        *(
            "principal",
            "input",
            "marks",
            "no-result",
            "argument",
            "reason",
            "edited",
            "delivery",
            "key",
            "result",
        ),
        *(
            "audit",
            "stop-by",
            "stop-why",
            "lifted-by",
            "lifted-why",
            "hold-by",
            "hold-why",
            "unheld-by",
            "unheld-why",
        ),
        *(
            "recipient",
            "address",
            "contact",
            "reference",
            "subject",
            "creator",
            "like-it",
            "ended-why",
            "revoker",
            "reply",
            "comment",
        ),
        *("dead", "settler", "value", "metadata", "write", "second"),
    )
)
"""Each is in one place, and in the audit log where that repeats it."""

UMA = "planted-principal"


def word(name: str) -> str:
    """The word that is planted under a name."""
    made = f"planted-{name}"
    assert made in WORDS, made
    return made


def live(database: Database, tenant: str = samples.TENANT, mark: str = "1") -> None:
    """Let everything happen once that writes to a table."""
    store = SQLStore(database)
    _asked(store, tenant, mark)
    _ended(store, tenant, mark)
    _broken(store, tenant, mark)
    _stood(database, tenant, mark)
    _told(store, tenant, mark)
    _watched(database, tenant, mark)
    _saved(database, tenant, mark)


def _opened(store: SQLStore, thread_id: str, tenant: str) -> Any:
    given = samples.opening(thread_id, tenant=tenant, principal=Principal(id=UMA, tenant=tenant))
    return store.open_run(given.model_copy(update={"input": word("input").encode()}), []).run


def _asked(store: SQLStore, tenant: str, mark: str) -> None:
    run = _opened(store, f"asked-{mark}", tenant)
    request = samples.request(run, args={"claim_id": word("argument"), "amount": "1.00"})
    request = request.model_copy(update={"principal": Principal(id=UMA, tenant=tenant)})
    [approval] = store.register(run, [request], [AuditEvent(kind="test", data={"said": word("audit")})])
    marks = Marks(wary=word("marks"))
    store.close_run(run, samples.closing("paused").model_copy(update={"marks": marks}), [])
    for delivery in store.deliveries():
        if delivery.approval_id == approval.request.id:
            store.delivered(delivery, error=word("delivery"))
    approval = _decided(store, approval, tenant)
    run = store.open_run(samples.opening(f"asked-{mark}", tenant=tenant, new_turn=False), []).run
    done = store.claim(
        run,
        key=f"{word('key')}-{mark}",
        tool="pay_claim",
        digest=approval.digest,
        action_id=request.action.id,
        approval=approval,
        events=[samples.EVENT],
    )
    assert isinstance(done, Claimed)
    key = f"{word('key')}-{mark}"
    assert store.record(run, key=key, state=EffectState.DONE, result={"got": word("result")}, events=[])
    store.close_run(run, samples.closing("failed").model_copy(update={"marks": marks}), [])


def _decided(store: SQLStore, approval: Approval, tenant: str) -> Approval:
    person = samples.ADA.model_copy(update={"tenant": tenant})
    said = samples.said(store, approval, person)
    last = said.decisions[-1].model_copy(update={"reason": f"{word('reason')} {word('edited')}"})
    said = said.model_copy(update={"decisions": (*said.decisions[:-1], last)})
    assert store.settle(said, approval.version, [samples.EVENT])
    return said


def _ended(store: SQLStore, tenant: str, mark: str) -> None:
    run = _opened(store, f"ended-{mark}", tenant)
    store.end_turn(run, NoResult.because(NoResultReason.CHECK_FAILED, word("no-result")), [])
    store.close_run(run, samples.closing("ended"), [])
    run = _opened(store, f"dead-{mark}", tenant)
    asked = store.register(run, [samples.request(run, 3)], [])
    store.close_run(run, samples.closing("paused"), [])
    assert store.settle(
        samples.said(store, asked[0], samples.ADA.model_copy(update={"tenant": tenant})),
        asked[0].version,
        [],
    )
    for due in store.due(100):
        if (due.tenant, due.thread_id) == (tenant, f"dead-{mark}"):
            store.dead_letter(due, word("dead"))


def _broken(store: SQLStore, tenant: str, mark: str) -> None:
    run = _opened(store, f"glass-{mark}", tenant)
    [approval] = store.register(run, [samples.request(run, 7, break_glass=samples.GLASS)], [])
    said = ApprovalDecision(
        approval_id=approval.request.id,
        digest=approval.digest,
        kind="break_glass",
        person="ben",
        assurance=Assurance.OIDC,
        via="web",
        reason="the house is on fire",
        stage=0,
        decided_at=store.now(),
    )
    ben = samples.BEN.model_copy(update={"tenant": tenant})
    after = break_glass(approval, said, ben, [])
    assert store.settle(after, approval.version, [])
    review = store.review(tenant, approval.request.id)
    assert review is not None
    end = Closed(
        verdict=ReviewVerdict.JUSTIFIED, by="cleo", via="web", comment=word("comment"), at=store.now()
    )
    closed = review.model_copy(update={"closed": end})
    assert store.change_review(review, closed, [])
    store.keep_post(
        Post(
            id=f"post-{mark}-{tenant}",
            approval_id=approval.request.id,
            tenant=tenant,
            channel="desk",
            delivery=None,
            stage=0,
            recipient=word("recipient"),
            address={"at": word("address")},
            version=0,
        )
    )


def _stood(database: Database, tenant: str, mark: str) -> None:
    now = database.now()
    subject = StandingSubject(
        tenant=tenant,
        agent="agent",
        thread_id=f"asked-{mark}",
        principal=Principal(id=UMA, tenant=tenant),
        tool="pay_claim",
        schema_version="s1",
        rules=("r",),
        routes=("desk",),
        policy="claims",
        route_hash="route",
        same={"claim_id": word("like-it")},
    )
    grant = StandingGrant(
        id=f"standing-{mark}-{tenant}",
        approval_id=f"asked-{mark}-{tenant}",
        subject=subject,
        scope="thread",
        uses=1,
        amount=None,
        givers=("ada",),
        given_at=now,
        until=now + 60,
    )
    with database.writing() as connection:
        standing_rows.write_new(connection, grant)
    end = StandingRevocation(
        standing_id=grant.id,
        tenant=tenant,
        by="ada",
        operator=False,
        via="web",
        assurance=Assurance.OIDC,
        why=word("ended-why"),
        at=now,
    )
    assert SQLStore(database).revoke_standing(end, []) is not None


def _told(store: SQLStore, tenant: str, mark: str) -> None:
    store.keep_contact(
        Contact(
            tenant=tenant,
            channel="desk",
            key=f"{word('contact')}-{mark}",
            reference={"at": word("reference")},
        )
    )
    name = f"stop-{mark}-{tenant}"
    order = StopOrder(
        id=name,
        scope="agent",
        tenant=tenant,
        target="other",
        by=word("stop-by"),
        why=word("stop-why"),
        at=0.0,
    )
    store.set_stop(order)
    assert store.lift_stop(name, by=word("lifted-by"), why=word("lifted-why"))
    _, token = new_token(
        tenant=tenant,
        holder="person",
        subject=word("subject"),
        scopes=[TokenScope.STOPS_WRITE],
        created_by=word("creator"),
    )
    store.add_token(token, 60.0)
    assert store.revoke_token(token.id, by=word("revoker"))
    request = KeyedRequest(tenant=tenant, token_id="t", key=mark, fingerprint="f")
    held = store.hold(request)
    assert isinstance(held, Held)
    assert store.answered(request, held.owner, Reply(status=200, body=word("reply")))
    retention = SQLRetention(store.database)
    hold = LegalHold(id=f"hold-{mark}-{tenant}", tenant=tenant, by=word("hold-by"), why=word("hold-why"))
    retention.set_hold(hold)
    assert retention.lift_hold(tenant, hold.id, by=word("unheld-by"), why=word("unheld-why"))


def _watched(database: Database, tenant: str, mark: str) -> None:
    whole = {
        "id": f"anomaly-{mark}-{tenant}",
        "tenant": tenant,
        "agent": "agent",
        "measure": "blocked",
        "tool": "",
        "seconds": 60,
        "began_at": 1.0,
        "part": 1,
        "whole": 2,
        "usual": 0.1,
        "score": 9.0,
        "past": 30,
        "found_at": 1.0,
        "stands_until": 2.0,
        "anew": False,
    }
    with database.writing() as connection:
        connection.execute(insert(anomalies).values(**whole))
    assert SQLAnomalies(database).settle_anomaly(str(whole["id"]), by=word("settler"), why="known")


def _saved(database: Database, tenant: str, mark: str) -> None:
    saver = SQLAlchemySaver(database, tenant=tenant)
    config: Any = {"configurable": {"thread_id": f"saved-{mark}", "checkpoint_ns": ""}}
    for step, said in ((1, word("value")), (2, word("second"))):
        version = saver.get_next_version(None, None)
        made = empty_checkpoint()
        made["channel_values"] = {"log": [said, "x" * 400], "small": said}
        made["channel_versions"] = {"log": version, "small": version}
        metadata: Any = {"source": "loop", "step": step, "said": word("metadata")}
        config = saver.put(config, made, metadata, {"log": version, "small": version})
        saver.put_writes(config, [("log", word("write"))], f"task-{step}")


def seen(database: Database, tenant: str = samples.TENANT, mark: str = "1") -> list[Any]:
    """What a reader is given of all of it."""
    store = SQLStore(database)
    config: Any = {"configurable": {"thread_id": f"saved-{mark}"}}
    approvals = sorted(store.listed(tenant=tenant), key=lambda one: one.request.id)
    names = [f"{name}-{mark}" for name in ("asked", "ended", "glass", "dead")]
    return [
        approvals,
        [store.turn(tenant, name) for name in names],
        [store.turn_input(tenant, name, 1) for name in names],
        [store.messages(tenant, name) for name in names],
        [store.posts(tenant, one.request.id) for one in approvals],
        [store.find_thread(tenant, name) for name in names],
        sorted(store.reviews(tenant), key=lambda one: one.approval_id),
        store.effect(tenant, f"{word('key')}-{mark}"),
        store.contact(tenant, "desk", f"{word('contact')}-{mark}"),
        store.entries(tenant),
        store.standing_approvals(tenant),
        sorted(store.tokens(tenant), key=lambda one: one.id),
        SQLRetention(database).holds(tenant, lifted=True),
        SQLAnomalies(database).anomalies(tenant=tenant),
        list(SQLAlchemySaver(database, tenant=tenant).list(config)),
    ]


def keys(*texts: str, accepts_plain: bool = False) -> Encryption:
    """Keys from their texts."""
    return Encryption(keys=tuple(map(SecretStr, texts)), accepts_plain=accepts_plain)


def main(url: str, texts: str, accepts_plain: str, number: str) -> None:
    """Bring a database to the newest key, and be killed before so many changes are made."""
    encryption = keys(*texts.split(","), accepts_plain=accepts_plain == "yes")
    seen = 0
    with Database(url, encryption=encryption) as database:
        database.prepare()

        @event.listens_for(database.engine, "before_cursor_execute")
        def _(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            nonlocal seen
            seen += statement.lstrip().startswith("UPDATE")
            if seen == int(number):
                os.kill(os.getpid(), signal.SIGKILL)

        encrypt_database(database, by="ops", batch=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
