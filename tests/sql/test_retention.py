"""What is old goes, what is not finished or held stays, and a kill loses nothing: on each database."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from guardkit.core.approvals import ApprovalDecision
from guardkit.core.audit import verify
from guardkit.core.breaking import break_glass
from guardkit.core.effects import Claimed, EffectState, KeyTaken
from guardkit.core.people import Assurance
from guardkit.core.retention import LegalHold, Pruned, RetentionKind
from guardkit.core.reviews import Closed, ReviewVerdict
from guardkit.errors import InputError, LegalHoldError
from guardkit.policy import Retention
from guardkit.sql import Database, SQLAlchemySaver, SQLRetention, SQLStore, inspect_database, upgrade
from guardkit.sql.tables import checkpoints, deliveries, threads, turns
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once
from tests.sql.old import (
    DAY,
    EVERYTHING,
    KINDS,
    aged,
    checkpoint,
    counts,
    dump,
    finished,
    paid,
    replied,
    retention,
    sent,
)

GONE_OF_A_THREAD = {
    "gk_checkpoints": 2,
    "gk_blobs": 2,
    "gk_writes": 2,
    "gk_turns": 1,
    "gk_approvals": 1,
    "gk_deliveries": 3,
    "gk_effects": 1,
}


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    made: str = request.getfixturevalue(request.param)
    upgrade(made)
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url) as found:
        yield found


def rows(pruned: object) -> Counter[str]:
    found: Counter[str] = Counter()
    assert isinstance(pruned, list)
    for one in pruned:
        assert isinstance(one, Pruned)
        found.update(one.rows)
    return found


def audited(database: Database, tenant: str = samples.TENANT) -> list[dict[str, Any]]:
    entries = SQLStore(database).entries(tenant, limit=10_000)
    assert verify(tenant, entries).intact
    return [entry.event.data for entry in entries if entry.event.kind == "retention.pruned"]


def hold(thread_id: str | None, tenant: str = samples.TENANT, id: str = "h-1") -> LegalHold:
    return LegalHold(id=id, tenant=tenant, thread_id=thread_id, by="dana", why="a claim in court")


def test_what_is_old_goes_and_the_rest_stays(database: Database) -> None:
    store, retaining = SQLStore(database), SQLRetention(database)
    for thread_id in ("old-1", "old-2"):
        finished(database, thread_id)
    replied(store, samples.TENANT, "k-1")
    replied(store, samples.TENANT, "k-2", days=50)
    assert store.first_time("slack", "r-1", 1.0)
    aged(database, 40)
    finished(database, "young")
    young = counts(database)

    before = dump(database)
    preview = retaining.preview(EVERYTHING)
    assert dump(database) == before, "looking changes nothing"
    pruned = retaining.prune(EVERYTHING, by="cron")
    expected = Counter({name: 2 * count for name, count in GONE_OF_A_THREAD.items()})
    assert rows(pruned) == rows(preview) == expected + Counter(gk_api_replies=1, gk_taken=1)
    assert {one.threads for one in pruned if one.rows and one.kind.value in KINDS[:-1]} == {2}
    assert [one.before for one in pruned] == sorted(one.before for one in pruned)
    assert all(one.before <= store.now() - DAY for one in pruned)

    left = counts(database)
    for table, count in GONE_OF_A_THREAD.items():
        stays = table in ("gk_turns", "gk_effects")  # their rows stay, what they hold goes
        assert young[table] - left.get(table, 0) == (0 if stays else 2 * count), table
    assert left["gk_threads"] == 3
    assert left["gk_api_replies"] == 1
    assert store.turn_input(samples.TENANT, "old-1", 1) is None
    assert store.turn_input(samples.TENANT, "young", 1) is not None
    assert store.history(samples.TENANT, "old-1"), "the audit log stays"

    said = audited(database)
    assert [one["kind"] for one in said] == ["approvals", "effects", "checkpoints", "inputs", "replies"]
    assert said[2] == {
        "kind": "checkpoints",
        "threads": 2,
        "rows": {"gk_checkpoints": 4, "gk_blobs": 4, "gk_writes": 4},
        "before": said[2]["before"],
        "by": "cron",
        "retention": "claims",
        "version": "1",
        "hash": EVERYTHING.hash,
    }
    (requests,) = audited(database, "*")
    assert requests["rows"] == {"gk_taken": 1}
    assert not rows(retaining.prune(EVERYTHING, by="cron"))
    assert len(audited(database)) == 5, "removing nothing is not worth an entry"
    assert all(one.ok for one in inspect_database(database))


def test_a_file_that_names_nothing_removes_nothing(database: Database) -> None:
    finished(database, "old")
    aged(database, 4000)
    before = dump(database)
    for nothing in (retention(), retention(checkpoints="forever"), retention({"default": {}})):
        assert SQLRetention(database).prune(nothing, by="cron") == []
    assert dump(database) == before
    kept = retention({"default": {"checkpoints": "forever"}}, checkpoints="1d")
    assert SQLRetention(database).prune(kept, by="cron") == []
    assert dump(database) == before


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_only_the_kinds_that_are_named_go(database: Database, kind: str) -> None:
    finished(database, "old")
    aged(database, 40)
    before = dump(database)
    pruned = SQLRetention(database).prune(
        Retention.from_dict({**retention().model_dump(), "keep": {kind: "30d"}}), by="cron"
    )
    after = dump(database)
    assert [one.kind for one in pruned] == [RetentionKind(kind)]
    changed = {name for name in before if before[name] != after[name]}
    with_them = {"gk_answers", "gk_listings"} if kind == "approvals" else set()
    assert changed == {*pruned[0].rows, *with_them, "gk_audit", "gk_audit_heads"}
    assert all(one.ok for one in inspect_database(database))


def running(database: Database, store: SQLStore) -> None:
    store.open_run(samples.opening("t", lease_seconds=3600.0), [])


def died(database: Database, store: SQLStore) -> None:
    store.open_run(samples.opening("t", lease_seconds=0.001), [])


def paused(database: Database, store: SQLStore) -> None:
    run = store.open_run(samples.opening("t"), []).run
    store.close_run(run, samples.closing("paused"), [])


def asking(database: Database, store: SQLStore) -> None:
    run = store.open_run(samples.opening("t"), []).run
    store.register(run, [samples.request(run, 7)], [])
    store.close_run(run, samples.closing("failed"), [])


def approved(database: Database, store: SQLStore) -> None:
    run = store.open_run(samples.opening("t"), []).run
    (asked,) = store.register(run, [samples.request(run, 7)], [])
    samples.approved(store, asked)
    store.close_run(run, samples.closing("failed"), [])
    _to_no_worker(database)


def in_doubt(database: Database, store: SQLStore) -> None:
    run = store.open_run(samples.opening("t"), []).run
    (asked,) = store.register(run, [samples.request(run, 7)], [])
    paid(store, run, samples.approved(store, asked), "doubtful", EffectState.IN_DOUBT)
    store.close_run(run, samples.closing("failed"), [])
    _to_no_worker(database)


def under_review(database: Database, store: SQLStore) -> None:
    run = store.open_run(samples.opening("t"), []).run
    (asked,) = store.register(run, [samples.request(run, 7, break_glass=samples.GLASS)], [])
    said = ApprovalDecision(
        approval_id=asked.request.id,
        digest=asked.digest,
        kind="break_glass",
        person=samples.BEN.id,
        assurance=Assurance.OIDC,
        via="web",
        reason="the house is on fire",
        stage=0,
        decided_at=store.now(),
    )
    broken = break_glass(asked, said, samples.BEN, [])
    assert store.settle(broken, asked.version, [])
    paid(store, run, broken, "urgent", EffectState.DONE)
    store.close_run(run, samples.closing("done"), [])
    _to_no_worker(database)


def given_up(database: Database, store: SQLStore) -> None:
    run = store.open_run(samples.opening("t"), []).run
    (asked,) = store.register(run, [samples.request(run, 7)], [])
    samples.approved(store, asked)
    store.close_run(run, samples.closing("failed"), [])
    (due,) = store.due()
    store.dead_letter(due, "nothing fits")
    with database.writing() as connection:
        connection.execute(update(threads).values(due_at=None))


def of_an_older_release(database: Database, store: SQLStore) -> None:
    """A process that does not know the columns of the thread's row opened a turn, and waits for people."""
    paused(database, store)
    with database.writing() as connection:
        connection.execute(update(threads).values(status="done"))


def of_unknown_age(database: Database, store: SQLStore) -> None:
    with database.writing() as connection:
        connection.execute(update(threads).values(active_at=0.0))


def held(database: Database, store: SQLStore) -> None:
    SQLRetention(database).set_hold(hold("t"))


def of_a_held_tenant(database: Database, store: SQLStore) -> None:
    SQLRetention(database).set_hold(hold(None))


def _to_no_worker(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(update(threads).values(due_at=None, due_why=None))


@pytest.mark.parametrize(
    "make",
    [
        running, died, paused, asking, approved, in_doubt, under_review, given_up, of_an_older_release, of_unknown_age, held,
        of_a_held_tenant,
    ],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_a_thread_that_does_not_rest_is_not_touched(
    database: Database, make: Callable[[Database, SQLStore], None]
) -> None:
    store = SQLStore(database)
    finished(database, "t")
    make(database, store)
    sent(store)
    for thread_id in ("t",) if make is not of_unknown_age else ():
        aged(database, 40, thread_id)
    with database.writing() as connection:
        long_ago = {"delivered_at": store.now() - 40 * DAY, "next_at": store.now() - 40 * DAY}
        connection.execute(update(deliveries).values(**long_ago))
    before = dump(database)
    retaining = SQLRetention(database)
    assert not rows(retaining.preview(EVERYTHING))
    assert not rows(retaining.prune(EVERYTHING, by="cron", batch=1))
    assert dump(database) == before


def test_a_review_that_is_closed_goes_with_its_question(database: Database) -> None:
    store = SQLStore(database)
    under_review(database, store)
    sent(store)
    (review,) = store.reviews(samples.TENANT)
    end = Closed(verdict=ReviewVerdict.JUSTIFIED, by="cleo", via="web", comment="it was", at=store.now())
    assert store.change_review(review, review.model_copy(update={"closed": end}), [])
    aged(database, 40)
    (gone,) = SQLRetention(database).prune(retention(approvals="1d"), by="cron")
    assert (gone.rows["gk_approvals"], gone.rows["gk_reviews"]) == (1, 1)
    assert list(store.reviews(samples.TENANT)) == []


def test_a_failed_or_ended_thread_rests(database: Database) -> None:
    store = SQLStore(database)
    for thread_id, status in (("f", "failed"), ("e", "ended")):
        run = store.open_run(samples.opening(thread_id), []).run
        checkpoint(database, thread_id, run=run)
        if status == "ended":
            store.end_turn(run, samples.NO_RESULT, [])
        store.close_run(run, samples.closing(status), [])  # pyright: ignore[reportArgumentType]  # from above
    aged(database, 40)
    pruned = SQLRetention(database).prune(retention(checkpoints="30d"), by="cron")
    assert rows(pruned)["gk_checkpoints"] == 4


def test_checkpoints_without_a_guarded_run_are_kept(database: Database) -> None:
    checkpoint(database, "plain")
    assert not rows(SQLRetention(database).prune(retention(checkpoints="1s"), by="cron"))
    assert counts(database)["gk_checkpoints"] == 2


def test_tenants_have_their_own_periods(database: Database) -> None:
    for tenant in ("acme", "blue", "coal"):
        finished(database, "t", tenant)
    aged(database, 40)
    said = retention({"acme": {"checkpoints": "90d"}, "blue": {"effects": "1d"}}, checkpoints="30d")
    retaining = SQLRetention(database)
    assert [(one.tenant, one.kind.value) for one in retaining.prune(said, by="cron", tenant="blue")] == [
        ("blue", "effects"),
        ("blue", "checkpoints"),
    ]
    assert "gk_checkpoints" not in counts(database, "blue")
    assert counts(database, "coal")["gk_checkpoints"] == 2
    assert not audited(database, "coal")
    retaining.prune(said, by="cron")
    assert counts(database, "acme")["gk_checkpoints"] == 2
    assert "gk_checkpoints" not in counts(database, "coal")
    with pytest.raises(InputError, match="reserved"):
        retaining.prune(said, by="cron", tenant="*")
    for wrong in ({"by": ""}, {"by": "cron", "batch": 0}, {"by": "cron", "batch": 1001}):
        with pytest.raises(InputError):
            retaining.prune(said, **wrong)  # pyright: ignore[reportArgumentType]  # wrong on purpose


def test_batches_are_transactions_of_their_own(database: Database) -> None:
    for number in range(5):
        finished(database, f"t-{number}")
    aged(database, 40)
    (pruned,) = SQLRetention(database).prune(retention(checkpoints="30d"), by="cron", batch=2)
    assert (pruned.batches, pruned.threads, pruned.rows["gk_checkpoints"]) == (3, 5, 10)
    assert [one["threads"] for one in audited(database)] == [2, 2, 1]


def test_a_question_that_somebody_was_not_told_the_end_of_stays(database: Database) -> None:
    finished(database, "t")
    aged(database, 40)
    with database.writing() as connection:
        one = select(func.min(deliveries.c.id)).scalar_subquery()
        found = connection.execute(select(one)).scalar_one()
        connection.execute(update(deliveries).where(deliveries.c.id == found).values(state="waiting"))
    assert not rows(SQLRetention(database).prune(retention(approvals="1d"), by="cron"))
    (left,) = SQLRetention(database).prune(retention(deliveries="1d"), by="cron")
    assert left.rows == {"gk_deliveries": 2}
    sent(SQLStore(database))
    (gone,) = SQLRetention(database).prune(retention(approvals="1d"), by="cron")
    assert gone.rows == {"gk_approvals": 1, "gk_deliveries": 1}


def test_a_key_that_was_used_stays_used(database: Database) -> None:
    store = SQLStore(database)
    finished(database, "t")
    run = store.open_run(samples.opening("t"), []).run
    (asked,) = store.register(run, [samples.request(run, 7)], [])
    paid(store, run, samples.approved(store, asked), "not-paid", EffectState.NOT_DONE)
    store.close_run(run, samples.closing("done"), [])
    _to_no_worker(database)
    aged(database, 40)
    (pruned,) = SQLRetention(database).prune(retention(effects="30d"), by="cron")
    assert pruned.rows == {"gk_effects": 2}
    (left,) = store.effects(tenant=samples.TENANT)
    assert (left.key, left.digest, left.result, left.state) == ("", "", None, EffectState.DONE)

    run = store.open_run(samples.opening("t"), []).run
    again = [
        store.claim(run, key=key, tool="pay_claim", digest="1" * 64, action_id="a", approval=None, events=[])
        for key in ("key-t", "not-paid")
    ]
    assert again == [KeyTaken(""), Claimed(1)]


def test_a_hold_prevents_every_removal_until_it_is_lifted(database: Database) -> None:
    store, retaining = SQLStore(database), SQLRetention(database)
    for thread_id in ("t", "other"):
        finished(database, thread_id)
    finished(database, "t", "blue")
    aged(database, 40)
    placed = retaining.set_hold(hold("t"))
    assert abs(placed.at - store.now()) < 60
    assert retaining.set_hold(hold("t")) == placed, "the same order again"
    with pytest.raises(InputError, match="exists already"):
        retaining.set_hold(hold("other"))
    saver = SQLAlchemySaver(database)
    before = dump(database)
    for remove in (
        lambda: saver.delete_thread("t"),
        lambda: saver.prune(["other", "t"]),
        lambda: saver.prune(["other", "t"], strategy="delete"),
        lambda: saver.delete_for_runs(["r-other", "r-t"]),
    ):
        with pytest.raises(LegalHoldError, match="thread 't' is under legal hold 'h-1'") as caught:
            remove()
        assert (caught.value.hold, caught.value.code) == ("h-1", "legal_hold")
    assert dump(database) == before, "nothing was removed"
    retaining.prune(EVERYTHING, by="cron")
    assert counts(database)["gk_checkpoints"] == 2, "the other thread's went"
    assert "gk_checkpoints" not in counts(database, "blue"), "another tenant's of the same name too"

    assert not retaining.lift_hold("blue", "h-1", by="dana", why="not theirs")
    assert retaining.lift_hold(samples.TENANT, "h-1", by="eve", why="settled")
    assert not retaining.lift_hold(samples.TENANT, "h-1", by="eve", why="again")
    assert retaining.holds() == []
    (lifted,) = retaining.holds(samples.TENANT, lifted=True)
    assert (lifted.lifted_by, lifted.lifted_why) == ("eve", "settled")
    said = [entry.event for entry in store.entries(samples.TENANT, limit=1000) if "hold." in entry.event.kind]
    assert [(one.kind, one.thread_id, one.data["by"]) for one in said] == [
        ("hold.set", "t", "dana"),
        ("hold.lifted", "t", "eve"),
    ]
    assert "court" not in repr(said), "no text of people"
    saver.delete_thread("t")
    assert "gk_checkpoints" not in counts(database)


def test_a_held_tenant_keeps_everything(database: Database) -> None:
    store, retaining = SQLStore(database), SQLRetention(database)
    for tenant in ("acme", "blue"):
        finished(database, "t", tenant)
        replied(store, tenant, "k")
    aged(database, 40)
    retaining.set_hold(hold(None, "acme"))
    before = counts(database, "acme")
    assert {one.tenant for one in retaining.prune(EVERYTHING, by="cron") if one.rows} == {"blue"}
    assert counts(database, "acme") == {**before}
    with pytest.raises(LegalHoldError, match="tenant 'acme' is under legal hold"):
        SQLAlchemySaver(database, tenant="acme").delete_thread("anything")
    for wrong in (hold("t", "*"), hold(" t"), hold("t", id=""), hold("t").model_copy(update={"why": " "})):
        with pytest.raises(InputError):
            retaining.set_hold(wrong)


def test_prunes_holds_and_runs_at_once_leave_each_thread_whole(database: Database, url: str) -> None:
    many = 24
    for number in range(many):
        finished(database, f"t-{number:02}")
    aged(database, 40)
    others = [Database(url) for _ in range(6)]

    def prune(one: Database) -> Callable[[], object]:
        return lambda: SQLRetention(one).prune(EVERYTHING, by="cron", batch=3)

    def holding(one: Database, numbers: range) -> Callable[[], object]:
        def go() -> list[tuple[int, int]]:
            found: list[tuple[int, int]] = []
            for number in numbers:
                SQLRetention(one).set_hold(hold(f"t-{number:02}", id=f"h-{number}"))
                found.append((number, _checkpoints(one, f"t-{number:02}")))
            return found

        return go

    def begin(one: Database) -> Callable[[], object]:
        def go() -> None:
            store = SQLStore(one)
            for number in range(1, many, 4):
                run = store.open_run(samples.opening(f"t-{number:02}"), []).run
                store.close_run(run, samples.closing("done"), [])

        return go

    calls = [prune(others[0]), prune(others[1]), holding(others[2], range(0, many, 4)), begin(others[3])]
    seen = at_once([*calls, holding(others[4], range(3, many, 4))])
    for said in (seen[2], seen[4]):
        assert isinstance(said, list)
        for number, there in said:
            assert there == _checkpoints(database, f"t-{number:02}"), "nothing goes once a hold is set"
            assert there in (0, 2), "a thread's checkpoints go together"
    total = sum(_checkpoints(database, f"t-{number:02}") for number in range(many))
    gone = sum(one["rows"].get("gk_checkpoints", 0) for one in audited(database))
    assert total + gone == 2 * many, "each was removed once"
    assert all(one.ok for one in inspect_database(database))
    for one in others:
        one.close()


def _checkpoints(database: Database, thread_id: str) -> int:
    with database.reading() as connection:
        where = (checkpoints.c.tenant == samples.TENANT, checkpoints.c.thread_id == thread_id)
        return connection.execute(select(func.count()).select_from(checkpoints).where(*where)).scalar_one()


@pytest.mark.parametrize(
    ("statement", "number"),
    [("DELETE FROM gk_blobs", 2), ("DELETE FROM gk_approvals", 2), ("INSERT INTO gk_audit", 3)],
    ids=["in-a-thread", "in-a-question", "before-the-commit"],
)
def test_a_kill_leaves_batches_whole_and_the_next_prune_goes_on(
    database: Database, url: str, statement: str, number: int
) -> None:
    for place in range(4):
        finished(database, f"t-{place}")
    aged(database, 40)
    command = [sys.executable, "-m", "tests.sql.old", url, statement, str(number)]
    died_of = subprocess.run(command, check=False, timeout=300).returncode
    assert died_of == -signal.SIGKILL

    told = Counter[str]()
    for one in audited(database):
        told.update(one["rows"])
    whole = Counter({name: 4 * count for name, count in GONE_OF_A_THREAD.items()})
    assert told
    assert told < whole, "some batches were committed, and some were not"
    left = rows(SQLRetention(database).preview(EVERYTHING))
    until = time.monotonic() + 60
    gone: Counter[str] = Counter()
    while gone != left and time.monotonic() < until:
        # A server lets go of the threads of the process that died once it sees that nobody is there any more.
        gone += rows(SQLRetention(database).prune(EVERYTHING, by="cron"))
    assert told + gone == whole, "nothing was removed twice, or without an entry"
    assert all(one.ok for one in inspect_database(database))
    with database.reading() as connection:
        assert connection.execute(select(turns.c.thread_id).where(turns.c.input.is_not(None))).all() == []


def test_a_retention_has_one_hash_for_what_it_says() -> None:
    assert EVERYTHING.hash == Retention.from_dict(EVERYTHING.model_dump(mode="json", exclude_none=True)).hash
    assert retention(checkpoints="48h").hash == retention(checkpoints="2d").hash != retention().hash
