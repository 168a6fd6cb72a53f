"""The contract of the port `Effects`."""

import time
from typing import Any

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.effects import (
    AlreadyDone,
    Asked,
    Claimed,
    ClaimResult,
    EffectState,
    Halted,
    InDoubt,
    KeyTaken,
    Lapsed,
    UnderWay,
)
from guardkit.core.ports import Store
from guardkit.core.runs import RunRef
from guardkit.core.values import Json
from guardkit.errors import StaleRunError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused, there
from guardkit.testing.contracts.samples import EVENT, NO_RESULT, TENANT

_D1, _D2 = "1" * 64, "2" * 64


def _claim(
    store: Store, run: RunRef, key: str = "k", digest: str = _D1, approval: Approval | None = None
) -> ClaimResult:
    return store.claim(
        run,
        key=key,
        tool="pay_claim",
        digest=digest if approval is None else approval.digest,
        action_id="a1" if approval is None else approval.request.action.id,
        approval=approval,
        events=[EVENT],
    )


def _record(store: Store, run: RunRef, state: EffectState, result: Json = None, key: str = "k") -> bool:
    return store.record(run, key=key, state=state, result=result, events=[EVENT])


def _reconcile(store: Store, state: EffectState, result: Json = None, key: str = "k") -> bool:
    return store.reconcile(TENANT, key, state=state, result=result, by="ops", events=[EVENT])


def _stands(store: Store, key: str = "k") -> EffectState:
    return there(store.effect(TENANT, key), f"the ledger row of {key!r}").state


class EffectsContract:
    """The ledger."""

    def test_a_free_key_is_claimed_and_audited_before(self, store: Store) -> None:
        run = samples.opened(store).run
        before = store.now()
        expect(_claim(store, run), Claimed(1), "the claim")
        row = there(store.effect(TENANT, "k"), "the ledger row")
        expect((row.state, row.attempt, row.digest), (EffectState.CLAIMED, 1, _D1), "the row")
        expect((row.tool, row.action_id, row.thread_id, row.turn), ("pay_claim", "a1", "t", 1), "the row")
        expect((row.result, row.settled_at, row.approval_id), (None, None, None), "the row")
        holds(before <= row.claimed_at <= store.now(), "claimed_at is by the store's clock")
        kinds = [entry.event.kind for entry in store.entries(TENANT)]
        holds("effect.claimed" in kinds and EVENT.kind in kinds, f"the claim is audited: {kinds}")

    def test_a_done_effect_is_not_started_again(self, store: Store) -> None:
        run = samples.opened(store).run
        _claim(store, run)
        result: Json = {"receipt": "R-1", "of": [1, 2.5, None, "ü"]}
        expect(_record(store, run, EffectState.DONE, result), True, "recording")
        entries = len(store.entries(TENANT))
        expect(_claim(store, run), AlreadyDone(result), "the same action again")
        expect(_claim(store, run, digest=_D2), KeyTaken(_D1), "another action under the key")
        expect(len(store.entries(TENANT)), entries, "audit entries after refused claims")
        row = there(store.effect(TENANT, "k"), "the row")
        expect((row.state, row.result, row.attempt), (EffectState.DONE, result, 1), "the row")
        holds(row.settled_at is not None, "a done effect has its time")
        expect(_record(store, run, EffectState.NOT_DONE), False, "recording twice")
        expect(_stands(store), EffectState.DONE, "the state after recording twice")

    def test_a_claimed_key_is_in_nobody_elses_reach(self, store: Store) -> None:
        mine, other = samples.opened(store).run, samples.opened(store, "u").run
        _claim(store, mine)
        expect(_claim(store, other), InDoubt(1), "the same action from another thread")
        expect(_claim(store, other, digest=_D2), KeyTaken(_D1), "another action from another thread")
        expect(_claim(store, mine), UnderWay(), "the same action from the same run")
        expect(_stands(store), EffectState.CLAIMED, "the state while its run lives")
        expect(_record(store, other, EffectState.DONE), False, "recording another run's claim")
        expect(_reconcile(store, EffectState.DONE), False, "reconciling what is not in doubt")
        expect(_record(store, mine, EffectState.DONE), True, "recording one's own claim")

    def test_of_many_claims_at_once_one_wins(self, store: Store) -> None:
        runs = [samples.opened(store, f"t{number}").run for number in range(6)]
        outcomes = at_once([lambda run=run: _claim(store, run) for run in runs])
        expect(outcomes.count(Claimed(1)), 1, f"claims that won, of {outcomes!r}")
        expect(outcomes.count(InDoubt(1)), 5, f"claims that lost, of {outcomes!r}")
        kinds = [entry.event.kind for entry in store.entries(TENANT)]
        expect(kinds.count("effect.claimed"), 1, "audited claims")

    def test_not_done_frees_the_key(self, store: Store) -> None:
        run = samples.opened(store).run
        _claim(store, run)
        expect(_record(store, run, EffectState.NOT_DONE), True, "recording that nothing happened")
        expect(_claim(store, run, digest=_D2), Claimed(2), "the next attempt")
        row = there(store.effect(TENANT, "k"), "the row")
        expect((row.digest, row.state, row.settled_at), (_D2, EffectState.CLAIMED, None), "the row")

    def test_waiting_frees_the_key(self, store: Store) -> None:
        run = samples.opened(store).run
        _claim(store, run)
        _record(store, run, EffectState.WAITING)
        expect(_stands(store), EffectState.WAITING, "the state")
        expect(_claim(store, run), Claimed(2), "the next attempt")

    def test_doubt_lasts_until_it_is_reconciled(self, store: Store) -> None:
        run = samples.opened(store).run
        _claim(store, run)
        _record(store, run, EffectState.IN_DOUBT)
        expect(_claim(store, run), InDoubt(1), "claiming a key in doubt")
        expect(_record(store, run, EffectState.DONE), False, "recording a key in doubt")
        expect(_reconcile(store, EffectState.NOT_DONE), True, "reconciling")
        expect(_reconcile(store, EffectState.DONE), False, "reconciling twice")
        expect(_claim(store, run), Claimed(2), "claiming after reconciliation")
        _record(store, run, EffectState.IN_DOUBT)
        expect(_reconcile(store, EffectState.DONE, "R-2"), True, "reconciling as done")
        expect(_claim(store, run), AlreadyDone("R-2"), "claiming after it was found done")
        expect(_reconcile(store, EffectState.DONE, key="none"), False, "reconciling a key that is not there")
        kinds = [entry.event.kind for entry in store.entries(TENANT)]
        expect(kinds.count("effect.reconciled"), 2, "audited reconciliations")

    def test_who_asked_settles_what_they_asked_about_and_nothing_else(self, store: Store) -> None:
        run = samples.opened(store).run

        def settles(asked: Asked) -> bool:
            return store.reconcile(
                TENANT, "k", state=EffectState.NOT_DONE, result=None, by="tool", events=[EVENT], asked=asked
            )

        _claim(store, run)
        _record(store, run, EffectState.IN_DOUBT)
        expect(settles(Asked(run, 1)), True, "settling the attempt that was asked about")
        _claim(store, run)
        _record(store, run, EffectState.IN_DOUBT)
        before = len(store.entries(TENANT))
        expect(settles(Asked(run, 1)), False, "settling with an answer about an earlier attempt")
        stale = RunRef(
            tenant=run.tenant, thread_id=run.thread_id, turn=run.turn, run_id="x", token=run.token + 1
        )
        with refused(StaleRunError, "settling by a run that has lost its lease"):
            settles(Asked(stale, 2))
        expect(_stands(store), EffectState.IN_DOUBT, "the state")
        expect(len(store.entries(TENANT)), before, "entries of the audit log")
        expect(settles(Asked(run, 2)), True, "settling the newest attempt")

    def test_that_nothing_happened_is_settled_after_the_deadline_only(self, store: Store) -> None:
        run = samples.opened(store).run

        def claim(key: str, within: float | None) -> ClaimResult:
            return store.claim(
                run,
                key=key,
                tool="pay_claim",
                digest=_D1,
                action_id="a1",
                approval=None,
                events=[EVENT],
                within=within,
            )

        def deadline(key: str) -> float | None:
            return there(store.effect(TENANT, key), "the row").deadline

        for key, within in (("free", None), ("short", 0.3), ("long", 600.0)):
            before = store.now()
            claimed = claim(key, within)
            holds(isinstance(claimed, Claimed), f"the claim of {key!r}: {claimed!r}")
            expect(claimed, Claimed(1, deadline(key)), "the claim names the row's deadline")
            if within is None:
                expect(deadline(key), None, "the deadline of an effect that may take for ever")
            else:
                at = there(deadline(key), "the deadline")
                soonest, latest = before + within - 1e-6, store.now() + within + 1e-6
                holds(soonest <= at <= latest, "the deadline is the claim and `within`")
            _record(store, run, EffectState.IN_DOUBT, key=key)
        entries = len(store.entries(TENANT))
        expect(_reconcile(store, EffectState.NOT_DONE, key="long"), False, "not done, before the deadline")
        expect(_stands(store, "long"), EffectState.IN_DOUBT, "the state")
        expect(len(store.entries(TENANT)), entries, "entries of the audit log")
        expect(_reconcile(store, EffectState.DONE, "R-1", key="long"), True, "done, before the deadline")
        expect(_reconcile(store, EffectState.NOT_DONE, key="free"), True, "not done, without a deadline")
        time.sleep(0.4)
        expect(_reconcile(store, EffectState.NOT_DONE, key="short"), True, "not done, after the deadline")
        expect(claim("short", 600.0), Claimed(2, deadline("short")), "the next attempt has its own deadline")

    def test_what_a_dead_run_left_is_in_doubt(self, store: Store) -> None:
        run = samples.opened(store).run
        _claim(store, run)
        store.renew(run, 0.6)
        time.sleep(0.8)
        expect(_stands(store), EffectState.IN_DOUBT, "the state once the lease has run out")
        listed = [row.key for row in store.effects(state=EffectState.IN_DOUBT)]
        expect(listed, ["k"], "keys in doubt")
        expect(list(store.effects(state=EffectState.CLAIMED)), [], "keys that are claimed")
        taker = store.open_run(samples.opening(new_turn=False), []).run
        expect(_claim(store, taker), InDoubt(1), "claiming what a dead run claimed")
        expect(_claim(store, samples.opened(store, "u").run, digest=_D2), InDoubt(1), "from another thread")
        expect(_record(store, run, EffectState.DONE), False, "recording by the dead run")
        expect(_reconcile(store, EffectState.DONE, "R-1"), True, "reconciling")
        expect(_record(store, run, EffectState.NOT_DONE), False, "recording by the dead run, afterwards")
        expect(_claim(store, taker), AlreadyDone("R-1"), "claiming after reconciliation")

    def test_what_a_closed_run_left_is_in_doubt(self, store: Store) -> None:
        run = samples.opened(store).run
        _claim(store, run)
        store.close_run(run, samples.closing(), [])
        expect(_stands(store), EffectState.IN_DOUBT, "the state once the run is over")

    def test_an_approval_is_consumed_by_one_execution(self, store: Store) -> None:
        run = samples.opened(store).run
        pending = store.register(run, [samples.request(run)], [])[0]
        approval = samples.approved(store, pending)
        expect(_claim(store, run, approval=approval), Claimed(1), "the claim")
        stored = there(store.find(approval.request.id), "the approval")
        expect(stored.state, ApprovalState.CONSUMED, "the approval's state")
        expect(there(store.effect(TENANT, "k"), "row").approval_id, approval.request.id, "the row's approval")
        for again in (approval, stored):
            outcome = _claim(store, run, "k2", approval=again)
            holds(isinstance(outcome, Lapsed), f"consuming twice: {outcome!r}")
        expect(store.effect(TENANT, "k2"), None, "the ledger row of the second claim")

    def test_of_many_consumptions_at_once_one_wins(self, store: Store) -> None:
        run = samples.opened(store).run
        approval = samples.approved(store, store.register(run, [samples.request(run)], [])[0])
        outcomes: list[Any] = at_once(
            [lambda key=key: _claim(store, run, key, approval=approval) for key in "abcdef"]
        )
        expect(outcomes.count(Claimed(1)), 1, f"consumptions that won, of {outcomes!r}")
        expect(sum(isinstance(outcome, Lapsed) for outcome in outcomes), 5, f"that lapsed, of {outcomes!r}")
        expect(len(store.effects()), 1, "ledger rows")

    def test_only_a_standing_approval_is_consumed(self, store: Store) -> None:
        run = samples.opened(store).run
        pending, changed, gone = store.register(run, [samples.request(run, n) for n in range(3)], [])
        approval = samples.approved(store, changed)
        cancelled = samples.approved(store, gone)
        store.settle(close(cancelled, ApprovalState.CANCELLED, store.now()), cancelled.version, [])
        entries = len(store.entries(TENANT))
        never = samples.said(store, pending)
        for case, tried in {
            "pending": pending,
            "approved but not stored": never,
            "read before it was approved": changed,
            "cancelled since": cancelled,
            "of a made-up version": approval.model_copy(update={"version": approval.version + 1}),
        }.items():
            outcome = _claim(store, run, approval=tried)
            holds(isinstance(outcome, Lapsed), f"an approval that is {case}: {outcome!r}")
        expect(store.effect(TENANT, "k"), None, "the ledger row")
        expect(len(store.entries(TENANT)), entries, "audit entries")
        expect(_claim(store, run, approval=approval), Claimed(1), "the approval that stands")

    def test_an_approval_is_for_its_own_action_only(self, store: Store) -> None:
        run = samples.opened(store).run
        approval = samples.approved(store, store.register(run, [samples.request(run)], [])[0])
        for digest, action in ((_D1, approval.request.action.id), (approval.digest, "other")):
            outcome = store.claim(
                run, key="k", tool="pay", digest=digest, action_id=action, approval=approval, events=[EVENT]
            )
            holds(isinstance(outcome, Lapsed), f"another action on this approval: {outcome!r}")
        state = there(store.find(approval.request.id), "the approval").state
        expect(state, ApprovalState.APPROVED, "the approval's state")

    def test_an_approval_is_not_used_after_its_time(self, store: Store) -> None:
        run = samples.opened(store).run
        asked = samples.request(run, valid_for=0.05)
        approval = samples.approved(store, store.register(run, [asked], [])[0])
        time.sleep(0.2)
        outcome = _claim(store, run, approval=approval)
        holds(isinstance(outcome, Lapsed), f"an approval past its time: {outcome!r}")

    def test_a_done_effect_is_told_though_its_approval_is_consumed(self, store: Store) -> None:
        run = samples.opened(store).run
        approval = samples.approved(store, store.register(run, [samples.request(run)], [])[0])
        _claim(store, run, approval=approval)
        _record(store, run, EffectState.DONE, "R-1")
        expect(_claim(store, run, approval=approval), AlreadyDone("R-1"), "the same call again")

    def test_nothing_starts_under_a_stop(self, store: Store) -> None:
        run = samples.opened(store).run
        orders = (
            samples.stop("everything", tenant=None),
            samples.stop("tenant"),
            samples.stop("agent", "agent"),
            samples.stop("thread", "t"),
            samples.stop("run", run.run_id),
        )
        for number, order in enumerate(orders):
            placed = store.set_stop(order.model_copy(update={"id": f"s{number}"}))
            entries = len(store.entries(TENANT))
            outcome = _claim(store, run)
            holds(isinstance(outcome, Halted), f"a claim under a stop of {order.scope}: {outcome!r}")
            expect(len(store.entries(TENANT)), entries, "audit entries")
            expect(store.lift_stop(placed.id, by="ops", why="over"), True, "lifting")
        expect(store.effect(TENANT, "k"), None, "the ledger row")
        store.set_stop(samples.stop("tenant", tenant="other", id="theirs"))
        expect(_claim(store, run), Claimed(1), "a claim that no stop covers")

    def test_nothing_starts_in_a_turn_that_has_ended(self, store: Store) -> None:
        run = samples.opened(store).run
        store.end_turn(run, NO_RESULT, [])
        outcome = _claim(store, run)
        holds(isinstance(outcome, Halted), f"a claim in an ended turn: {outcome!r}")
        expect(store.effect(TENANT, "k"), None, "the ledger row")

    def test_tenants_have_their_own_keys(self, store: Store) -> None:
        ours, theirs = samples.opened(store).run, samples.opened(store, tenant="other").run
        expect(_claim(store, ours), Claimed(1), "our claim")
        expect(_claim(store, theirs, digest=_D2), Claimed(1), "their claim under the same key")
        expect([row.tenant for row in store.effects(tenant="other")], ["other"], "their rows")
        expect(_reconcile(store, EffectState.DONE), False, "our key is not in doubt because of theirs")

    def test_listing_filters_and_begins_with_the_latest(self, store: Store) -> None:
        run, other = samples.opened(store).run, samples.opened(store, "u").run
        _claim(store, run, "a")
        time.sleep(0.01)
        _claim(store, other, "b")
        _record(store, other, EffectState.DONE, key="b")
        expect([row.key for row in store.effects()], ["b", "a"], "the order")
        expect([row.key for row in store.effects(limit=1)], ["b"], "one row")
        expect([row.key for row in store.effects(thread_id="t")], ["a"], "a thread's rows")
        expect([row.key for row in store.effects(state=EffectState.DONE)], ["b"], "done effects")
        expect(store.effect(TENANT, "none"), None, "a key that is not there")
