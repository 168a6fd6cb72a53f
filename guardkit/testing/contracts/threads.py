"""The contract of the port `Threads`."""

import time
from collections.abc import Sequence
from typing import Any

from guardkit.core.ports import Store
from guardkit.core.principals import Principal
from guardkit.core.runs import TurnStatus
from guardkit.core.threads import ThreadQuery
from guardkit.errors import InputError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, holds, refused, there
from guardkit.testing.contracts.samples import NO_RESULT, TENANT


def _ids(store: Store, tenant: str = TENANT, **asked: Any) -> list[str]:
    """The ids that a query finds on one page."""
    return [one.thread_id for one in store.find_threads(ThreadQuery(tenant=tenant, **asked)).threads]


def _pages(store: Store, query: ThreadQuery, limit: int) -> list[Sequence[str]]:
    found: list[Sequence[str]] = []
    cursor: str | None = None
    while True:
        page = store.find_threads(query, limit=limit, cursor=cursor)
        found.append([one.thread_id for one in page.threads])
        cursor = page.next
        if cursor is None:
            return found


def _done(store: Store, thread_id: str, *, agent: str = "agent", principal: Principal | None = None) -> None:
    run = store.open_run(samples.opening(thread_id, agent=agent, principal=principal), []).run
    store.close_run(run, samples.closing("done"), [])


class ThreadsContract:
    """Finding threads."""

    def test_threads_are_found_last_active_first(self, store: Store) -> None:
        for thread_id in ("a", "b", "c"):
            samples.paused(store, thread_id, approvals=0)
            time.sleep(0.01)
        before = store.now()
        run = store.open_run(samples.opening("a", new_turn=False), []).run
        expect(_ids(store), ["a", "c", "b"], "the order once a run goes on")
        found = there(store.find_thread(TENANT, "a"), "the thread")
        holds(before - 0.001 <= found.active_at <= store.now(), "when the run began")
        expect(found.status, TurnStatus.RUNNING, "the status under a run")
        time.sleep(0.01)
        samples.opened(store, "d")
        time.sleep(0.01)
        store.close_run(run, samples.closing("done"), [])
        expect(_ids(store), ["a", "d", "c", "b"], "the order once a run has ended")
        expect(found.principal, Principal(id="uma", tenant=TENANT), "whom it acts for")

    def test_threads_are_found_by_the_status_of_the_latest_turn(self, store: Store) -> None:
        samples.paused(store, "p")
        _done(store, "d")
        failed = samples.opened(store, "f").run
        store.close_run(failed, samples.closing("failed"), [])
        ended = samples.opened(store, "e").run
        store.end_turn(ended, NO_RESULT, [])
        expect(_ids(store, status="ended"), ["e"], "ended before its run closes")
        store.close_run(ended, samples.closing("ended"), [])
        samples.opened(store, "r")
        for status, name in {"paused": "p", "done": "d", "failed": "f", "ended": "e", "running": "r"}.items():
            expect(_ids(store, status=status), [name], f"what is {status}")
        ended_again = store.open_run(samples.opening("e", new_turn=False), []).run
        expect(_ids(store, status="ended"), ["e"], "an ended turn that is continued stays ended")
        store.close_run(ended_again, samples.closing("done"), [])
        _done(store, "p")
        expect(_ids(store, status="paused"), [], "paused, once a new turn is done")

    def test_threads_are_found_by_agent_and_principal(self, store: Store) -> None:
        _done(store, "a", agent="clerk")
        _done(store, "b", agent="clerk@embedded", principal=Principal(id="ben"))
        _done(store, "c", agent="clerks", principal=Principal(id="ben2"))
        expect(sorted(_ids(store, agent="clerk")), ["a", "b"], "threads of an agent")
        expect(_ids(store, agent="cler"), [], "half a name")
        expect(_ids(store, principal="ben"), ["b"], "threads of a principal")
        expect(_ids(store, agent="clerk", principal="uma"), ["a"], "both")
        _done(store, "b", agent="other")
        expect(_ids(store, agent="clerk"), ["a"], "after another agent ran on it")
        expect(_ids(store, principal="ben"), [], "after a turn for somebody else")

    def test_threads_are_found_by_what_waits_for_people(self, store: Store) -> None:
        (first,) = samples.paused(store, "a")
        samples.paused(store, "b", approvals=2)
        samples.paused(store, "c", approvals=0)
        samples.paused(store, "a", tenant="other")
        expect(sorted(_ids(store, pending=True)), ["a", "b"], "threads with a question")
        expect(_ids(store, pending=False), ["c"], "threads without one")
        samples.approved(store, first)
        expect(_ids(store, pending=True), ["b"], "after one is decided")
        expect(there(store.find_thread(TENANT, "b"), "b").pending_approvals, 2, "its questions")

    def test_threads_are_found_by_the_begin_of_their_id(self, store: Store) -> None:
        for thread_id in (
            "claim-1",
            "claim-2",
            "Claim-3",
            "claim%",
            "claim_1",
            "clai",
            "ü1",
            "[a]*?",
            "x\\y",
        ):
            _done(store, thread_id)
        expect(sorted(_ids(store, prefix="claim-")), ["claim-1", "claim-2"], "a prefix")
        expect(_ids(store, prefix="claim%"), ["claim%"], "a percent sign")
        expect(_ids(store, prefix="claim_"), ["claim_1"], "an underscore")
        expect(_ids(store, prefix="C"), ["Claim-3"], "a capital")
        expect(_ids(store, prefix="ü"), ["ü1"], "another letter")
        expect(_ids(store, prefix="[a]*"), ["[a]*?"], "a pattern")
        expect(_ids(store, prefix="x\\"), ["x\\y"], "a backslash")
        expect(_ids(store, prefix="claim-1-and-more"), [], "more than the id")
        expect(_ids(store, prefix="\U0010ffff"), [], "the last character")

    def test_threads_are_found_by_their_last_activity(self, store: Store) -> None:
        at: list[float] = []
        for thread_id in ("a", "b", "c"):
            _done(store, thread_id)
            at.append(there(store.find_thread(TENANT, thread_id), thread_id).active_at)
            time.sleep(0.01)
        expect(_ids(store, since=at[1]), ["c", "b"], "from an instant on, itself included")
        expect(_ids(store, until=at[1]), ["a"], "until an instant, itself left out")
        expect(_ids(store, since=at[1], until=at[2]), ["b"], "a window")
        expect(_ids(store, since=at[2] + 1), [], "a window in which nothing was")

    def test_pages_stay_right_while_threads_are_added(self, store: Store) -> None:
        for number in range(7):
            _done(store, f"t-{number}")
        query = ThreadQuery(tenant=TENANT)
        expect([len(page) for page in _pages(store, query, 3)], [3, 3, 1], "sizes of pages")
        expect(len(_pages(store, query, 7)), 1, "a list that fills a page")
        seen: list[str] = []
        cursor: str | None = None
        for number in range(4):
            page = store.find_threads(query, limit=2, cursor=cursor)
            seen += [one.thread_id for one in page.threads]
            cursor = page.next
            _done(store, f"new-{number}")
        expect(seen, [f"t-{number}" for number in reversed(range(7))], "each once, and none that came later")
        expect(cursor, None, "the end")

    def test_threads_are_counted_by_agent_and_status(self, store: Store) -> None:
        _done(store, "a", agent="clerk")
        _done(store, "b", agent="clerk@embedded")
        _done(store, "c", agent="reader")
        run = store.open_run(samples.opening("d", agent="clerk"), []).run
        store.close_run(run, samples.closing("paused"), [])
        samples.paused(store, "e", tenant="other")
        counted = [
            (one.agent, one.status, one.threads) for one in store.count_threads(ThreadQuery(tenant=TENANT))
        ]
        clerk = [("clerk", TurnStatus.DONE, 2), ("clerk", TurnStatus.PAUSED, 1)]
        expect(counted, [*clerk, ("reader", TurnStatus.DONE, 1)], "the counts")
        paused = store.count_threads(ThreadQuery(tenant=TENANT, status=TurnStatus.PAUSED))
        expect([one.threads for one in paused], [1], "what is paused")
        expect(list(store.count_threads(ThreadQuery(tenant="nobody"))), [], "a tenant without threads")

    def test_tenants_find_their_own_threads_only(self, store: Store) -> None:
        samples.paused(store, "ours")
        samples.paused(store, "theirs", tenant="other")
        asked: dict[str, Any]
        for asked in ({}, {"prefix": "t"}, {"principal": "uma"}, {"agent": "agent"}, {"pending": True}):
            holds("theirs" not in _ids(store, **asked), f"nothing of another tenant with {asked}")
        expect(_ids(store, "other"), ["theirs"], "the other tenant's")
        expect(store.find_thread(TENANT, "theirs"), None, "another tenant's thread by its id")

    def test_what_cannot_be_asked_is_refused(self, store: Store) -> None:
        for number in range(3):
            _done(store, f"t-{number}")
        query = ThreadQuery(tenant=TENANT)
        cursor = there(store.find_threads(query, limit=1).next, "a cursor")
        for limit in (0, -1, 1001):
            with refused(InputError, f"limit {limit}"):
                store.find_threads(query, limit=limit)
        for wrong in ("", "x", "W10", cursor[:-4], cursor + "A", "ü", "A" * 5000, "bnVsbA"):
            with refused(InputError, f"the cursor {wrong[:10]!r}"):
                store.find_threads(query, cursor=wrong)
        wrong_queries: dict[str, dict[str, Any]] = {
            "status is 'asleep'": {"status": "asleep"},
            "until (1.0) is not after since (2.0)": {"since": 2.0, "until": 1.0},
            "since is -1.0": {"since": -1.0},
            "until is nan": {"until": float("nan")},
            "agent has 0 characters": {"agent": ""},
            "tenant has 257 characters": {"tenant": "t" * 257},
            "prefix 'a\\x00' holds": {"prefix": "a\x00"},
        }
        for told, asked in wrong_queries.items():
            given: dict[str, Any] = {"tenant": TENANT, **asked}
            with refused(InputError, told):
                ThreadQuery(**given)
        for other in (ThreadQuery(tenant="other"), ThreadQuery(tenant=TENANT, agent="agent")):
            with refused(InputError, "the cursor of another list"):
                store.find_threads(other, cursor=cursor)
