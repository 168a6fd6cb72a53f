"""The contract of the port `Stops`."""

import time

from guardkit.core.ports import Store
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, holds
from guardkit.testing.contracts.samples import TENANT


def _audited(store: Store) -> list[str]:
    return [
        entry.event.kind
        for tenant in store.tenants()
        for entry in store.entries(tenant)
        if entry.event.kind.startswith("stop.")
    ]


class StopsContract:
    """The operator's emergency stop."""

    def test_a_stop_lasts_until_it_is_lifted(self, store: Store) -> None:
        before = store.now()
        first = store.set_stop(samples.stop("thread", "t", id="s1"))
        holds(before <= first.at <= store.now(), "a stop's time is the store's")
        time.sleep(0.01)
        second = store.set_stop(samples.stop("everything", tenant=None, id="s2"))
        expect(list(store.stops()), [first, second], "stops in force, oldest first")
        holds("stop.set" in _audited(store), "setting a stop is audited")
        expect(store.lift_stop("s1", by="ops", why="over"), True, "lifting")
        expect(store.lift_stop("s1", by="ops", why="over"), False, "lifting twice")
        expect(store.lift_stop("none", by="ops", why="over"), False, "lifting a stop that is not there")
        expect(list(store.stops()), [second], "stops in force afterwards")
        holds("stop.lifted" in _audited(store), "lifting a stop is audited")

    def test_paused_threads_that_it_covers_become_due(self, store: Store) -> None:
        for name in ("t", "u"):
            samples.paused(store, name)
        samples.paused(store, "t", tenant="other")
        store.close_run(samples.opened(store, "done").run, samples.closing("done"), [])
        expect(list(store.due()), [], "due before")
        store.set_stop(samples.stop("thread", "t", id="s1"))
        due = list(store.due())
        expect([(d.tenant, d.thread_id, d.why) for d in due], [(TENANT, "t", "stopped")], "due for a thread")
        store.set_stop(samples.stop("tenant", id="s2"))
        expect({(d.tenant, d.thread_id) for d in store.due()}, {(TENANT, "t"), (TENANT, "u")}, "for a tenant")
        store.set_stop(samples.stop("everything", tenant=None, id="s3"))
        expect(len(store.due()), 3, "due for everything")

    def test_an_agents_stop_covers_its_threads(self, store: Store) -> None:
        samples.paused(store)
        store.set_stop(samples.stop("agent", "another", id="s1"))
        expect(list(store.due()), [], "due for another agent")
        store.set_stop(samples.stop("agent", "agent", id="s2"))
        expect([d.thread_id for d in store.due()], ["t"], "due for the agent")

    def test_a_stop_that_came_while_it_ran_makes_a_thread_due_when_it_pauses(self, store: Store) -> None:
        run = samples.opened(store).run
        store.set_stop(samples.stop("thread", "t"))
        expect(list(store.due()), [], "due while it runs")
        store.close_run(run, samples.closing("paused"), [])
        expect([(d.thread_id, d.why) for d in store.due()], [("t", "stopped")], "due once it has paused")
