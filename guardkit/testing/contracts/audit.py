"""The contract of the port `Audit`."""

import time

from guardkit.core.audit import GENESIS, AuditEvent, verify
from guardkit.core.effects import EffectState
from guardkit.core.ports import Store
from guardkit.errors import GuardkitError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused
from guardkit.testing.contracts.samples import EVENT, TENANT


class AuditContract:
    """The audit chain."""

    def test_the_history_of_a_thread_is_its_entries_in_order(self, store: Store) -> None:
        mine = [AuditEvent(kind=f"test.{n}", thread_id="h", turn=n, data={"n": n}) for n in (1, 2)]
        store.append(TENANT, [mine[0], AuditEvent(kind="test.other", thread_id="u"), EVENT])
        store.append("other", [mine[0]])
        store.append(TENANT, [mine[1]])
        found = store.history(TENANT, "h")
        expect([(entry.seq, entry.event) for entry in found], [(1, mine[0]), (4, mine[1])], "the history")
        expect(list(store.history(TENANT, "nobody's")), [], "the history of a thread that is not there")

    def test_events_are_chained_in_order(self, store: Store) -> None:
        before = store.now()
        store.append(TENANT, [EVENT, EVENT])
        store.append(TENANT, [AuditEvent(kind="test.other")])
        store.append(TENANT, [])
        entries = list(store.entries(TENANT))
        expect([entry.seq for entry in entries], [1, 2, 3], "the sequence")
        expect([entry.event.kind for entry in entries], [EVENT.kind, EVENT.kind, "test.other"], "the kinds")
        expect(entries[0].event, EVENT, "the event as it was given")
        expect(entries[0].previous, GENESIS, "what the first entry points back to")
        expect(verify(TENANT, entries).intact, True, "the chain")
        holds(all(before <= entry.at <= store.now() for entry in entries), "times are the store's")

    def test_a_chain_is_read_in_pages(self, store: Store) -> None:
        store.append(TENANT, [EVENT] * 5)
        pages = [store.entries(TENANT, after=after, limit=2) for after in (0, 2, 4, 5)]
        expect([[entry.seq for entry in page] for page in pages], [[1, 2], [3, 4], [5], []], "the pages")
        expect(list(store.entries("nobody")), [], "a chain that is not there")

    def test_each_tenant_has_its_own_chain(self, store: Store) -> None:
        store.append("b", [EVENT])
        store.append("a", [EVENT])
        store.append("b", [EVENT])
        holds({"a", "b"} <= set(store.tenants()), f"both have a chain: {store.tenants()}")
        expect([len(store.entries(tenant)) for tenant in ("a", "b")], [1, 2], "their lengths")
        for tenant in ("a", "b"):
            expect(verify(tenant, store.entries(tenant)).intact, True, f"the chain of {tenant}")

    def test_what_concerns_everybody_has_a_chain(self, store: Store) -> None:
        store.append(TENANT, [EVENT])
        store.append("*", [EVENT])
        expect([entry.event for entry in store.entries("*")], [EVENT], "the chain of everybody")
        expect(verify("*", store.entries("*")).intact, True, "that chain")
        holds("*" in store.tenants(), f"it is among the chains: {store.tenants()}")

    def test_the_newest_entry_of_every_chain_is_told(self, store: Store) -> None:
        expect(dict(store.heads()), {}, "the heads of no chain")
        store.append("a", [EVENT, EVENT])
        store.append("b", [EVENT])
        expect(dict(store.heads()), {"a": 2, "b": 1}, "the heads")

    def test_an_instant_is_found_in_a_chain(self, store: Store) -> None:
        expect(store.before(TENANT, 0.0), 0, "the place in no chain")
        store.append(TENANT, [EVENT, EVENT])
        time.sleep(0.01)
        between = store.now()
        time.sleep(0.01)
        store.append(TENANT, [EVENT])
        places = [store.before(TENANT, at) for at in (0.0, between, store.now() + 60)]
        expect(places, [0, 2, 3], "what lies before")

    def test_what_cannot_be_hashed_is_not_written(self, store: Store) -> None:
        store.append(TENANT, [EVENT])
        unfit = AuditEvent(kind="test.unfit", data={"n": float("nan")})
        with refused(GuardkitError, "an event without a canonical form"):
            store.append(TENANT, [EVENT, unfit])
        expect(len(store.entries(TENANT)), 1, "entries afterwards")

    def test_if_the_log_cannot_be_written_nothing_happens(self, store: Store) -> None:
        run = samples.opened(store).run
        unfit = AuditEvent(kind="test.unfit", data={"n": float("inf")})
        asked = samples.request(run)
        with refused(GuardkitError, "register with an event that cannot be written"):
            store.register(run, [asked], [unfit])
        expect(store.find(asked.id), None, "the approval")
        expect(list(store.deliveries()), [], "deliveries")
        with refused(GuardkitError, "claim with an event that cannot be written"):
            store.claim(
                run, key="k", tool="pay", digest="d" * 64, action_id="a", approval=None, events=[unfit]
            )
        expect(store.effect(TENANT, "k"), None, "the ledger row")
        approval = store.register(run, [asked], [])[0]
        with refused(GuardkitError, "settle with an event that cannot be written"):
            store.settle(samples.said(store, approval), 0, [unfit])
        expect(store.find(asked.id), approval, "the approval that was to be settled")
        store.claim(run, key="k", tool="pay", digest="d" * 64, action_id="a", approval=None, events=[])
        with refused(GuardkitError, "record with an event that cannot be written"):
            store.record(run, key="k", state=EffectState.DONE, result=None, events=[unfit])
        row = store.effect(TENANT, "k")
        expect(None if row is None else row.state, EffectState.CLAIMED, "the claim that was to be recorded")
        expect(verify(TENANT, store.entries(TENANT)).intact, True, "the chain")

    def test_many_that_append_at_once_make_one_chain(self, store: Store) -> None:
        events = [[AuditEvent(kind=f"test.{number}.{part}") for part in "ab"] for number in range(8)]
        outcomes = at_once([lambda pair=pair: store.append(TENANT, pair) for pair in events])
        expect(outcomes, [None] * 8, "the outcomes")
        entries = list(store.entries(TENANT))
        expect(verify(TENANT, entries).intact, True, "the chain")
        kinds = [entry.event.kind for entry in entries]
        expect(sorted(kinds), sorted(event.kind for pair in events for event in pair), "what is in it")
        together = [kinds.index(f"test.{n}.b") - kinds.index(f"test.{n}.a") for n in range(8)]
        expect(together, [1] * 8, "events that were given together stay together")
