"""The contract of the port `Runs`."""

import time
from dataclasses import replace

from guardkit.core.approvals import ApprovalState
from guardkit.core.effects import EffectState
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.ports import Store
from guardkit.core.principals import Principal
from guardkit.core.runs import Opened, RunRef, TurnStatus
from guardkit.errors import BusyError, InputError, StaleRunError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused, there
from guardkit.testing.contracts.samples import EVENT, NO_RESULT, TENANT

_SHORT = 0.6
"""Seconds of a lease that is meant to run out."""


def _outlive(lease: float) -> None:
    time.sleep(lease + 0.15)


class RunsContract:
    """Leases and turns."""

    def test_a_new_turn_holds_what_it_was_opened_with(self, store: Store) -> None:
        before = store.now()
        opened = store.open_run(samples.opening(), [EVENT])
        turn = opened.turn
        expect((turn.tenant, turn.thread_id, turn.number), (TENANT, "t", 1), "the turn")
        expect(turn.principal, Principal(id="uma"), "the principal")
        expect((turn.fingerprint, turn.policy_version, turn.agent), ("f" * 64, "3.2", "agent"), "the turn")
        expect(turn.status, TurnStatus.RUNNING, "the status")
        holds(len(turn.salt) >= 32, "a turn has a salt of at least 16 random bytes")
        holds(before <= turn.opened_at <= store.now(), "opened_at is by the store's clock")
        expect(store.turn(TENANT, "t"), turn, "the stored turn")
        expect(store.turn_input(TENANT, "t", 1), b"\x00input\xff", "the input")
        expect([entry.event for entry in store.entries(TENANT)], [EVENT], "the audit chain")
        expect(opened.stop, None, "the stop in force")

    def test_turns_are_counted_and_each_has_its_own_salt(self, store: Store) -> None:
        first = samples.opened(store)
        store.close_run(first.run, samples.closing("done"), [])
        second = samples.opened(store)
        expect(second.turn.number, 2, "the second turn")
        holds(first.turn.salt != second.turn.salt, "two turns have different salts")
        expect(there(store.turn(TENANT, "t", 1), "turn 1").salt, first.turn.salt, "the first turn's salt")
        expect(store.turn(TENANT, "t", 3), None, "a turn that is not there")
        expect(store.turn_input(TENANT, "t", 3), None, "the input of a turn that is not there")

    def test_a_held_thread_is_busy_and_stays_as_it_is(self, store: Store) -> None:
        held = samples.opened(store)
        for new_turn in (True, False):
            with refused(BusyError, "opening a held thread"):
                store.open_run(samples.opening(new_turn=new_turn), [EVENT])
        expect(there(store.turn(TENANT, "t"), "the turn").number, 1, "the turn after the refused ones")
        expect(list(store.entries(TENANT)), [], "the audit chain after the refused ones")
        expect(store.renew(held.run, 30.0), None, "renewing")

    def test_of_many_that_open_at_once_one_gets_the_lease(self, store: Store) -> None:
        store.close_run(samples.opened(store).run, samples.closing(), [])
        calls = [lambda: store.open_run(samples.opening(new_turn=False), [EVENT])] * 6
        outcomes = at_once(calls)
        winners = [outcome for outcome in outcomes if isinstance(outcome, Opened)]
        expect(len(winners), 1, f"runs that hold the lease, of {outcomes!r}")
        holds(
            all(isinstance(outcome, Opened | BusyError) for outcome in outcomes),
            f"the others are busy: {outcomes!r}",
        )
        expect(len(store.entries(TENANT)), 1, "audit entries")
        store.renew(winners[0].run, 30.0)

    def test_of_many_that_open_a_new_thread_at_once_one_gets_it(self, store: Store) -> None:
        outcomes = at_once([lambda: samples.opened(store)] * 6)
        expect(sum(isinstance(outcome, Opened) for outcome in outcomes), 1, f"winners of {outcomes!r}")
        expect(sum(isinstance(outcome, BusyError) for outcome in outcomes), 5, f"losers of {outcomes!r}")
        expect(there(store.turn(TENANT, "t"), "the turn").number, 1, "the only turn")

    def test_a_continued_turn_keeps_principal_and_salt(self, store: Store) -> None:
        first = samples.opened(store)
        store.close_run(first.run, samples.closing(), [])
        again = store.open_run(samples.opening(new_turn=False), [])
        expect(again.turn.number, 1, "the turn")
        expect(
            (again.turn.salt, again.turn.principal),
            (first.turn.salt, first.turn.principal),
            "salt, principal",
        )
        holds(again.run.token > first.run.token, "the token grows with every lease")
        holds(again.run.run_id != first.run.run_id, "every run has its own id")
        named = samples.opening(new_turn=False).model_copy(update={"run_id": "mine"})
        store.close_run(again.run, samples.closing(), [])
        expect(store.open_run(named, []).run.run_id, "mine", "the id that the run asked for")
        expect(there(store.turn(TENANT, "t"), "the turn").status, TurnStatus.RUNNING, "the status")

    def test_there_must_be_something_to_continue(self, store: Store) -> None:
        with refused(InputError, "continuing a thread without a turn"):
            store.open_run(samples.opening(new_turn=False), [EVENT])
        with refused(InputError, "a new turn without a principal"):
            store.open_run(samples.opening().model_copy(update={"principal": None}), [EVENT])
        expect(store.turn(TENANT, "t"), None, "the turn after the refused ones")
        expect(list(store.entries(TENANT)), [], "the audit chain after the refused ones")

    def test_closing_adds_up_and_lets_others_in(self, store: Store) -> None:
        run = samples.opened(store).run
        store.close_run(run, samples.closing(), [EVENT])
        turn = there(store.turn(TENANT, "t"), "the turn")
        expect((turn.status, turn.active_seconds), (TurnStatus.PAUSED, 1.5), "the turn after one run")
        expect((turn.tool_calls, turn.steps), (2, 3), "the counters after one run")
        again = store.open_run(samples.opening(new_turn=False), []).run
        store.close_run(again, samples.closing("failed"), [])
        turn = there(store.turn(TENANT, "t"), "the turn")
        expect((turn.status, turn.active_seconds), (TurnStatus.FAILED, 3.0), "the turn after two runs")
        expect(turn.tool_calls, 2, "tool calls of the turn so far, as the run says")
        with refused(StaleRunError, "closing twice"):
            store.close_run(again, samples.closing(), [EVENT])
        expect(len(store.entries(TENANT)), 1, "audit entries")

    def test_new_input_cancels_what_is_open(self, store: Store) -> None:
        pending, approved = samples.paused(store, approvals=2)
        samples.approved(store, approved)
        run = samples.opened(store).run
        found = store.approvals(TENANT, [pending.request.id, approved.request.id])
        expect([a.state for a in found], [ApprovalState.CANCELLED] * 2, "approvals of the turn before")
        kinds = [entry.event.kind for entry in store.entries(TENANT)]
        expect(kinds.count("approval.cancelled"), 2, "audited cancellations")
        expect(run.turn, 2, "the new turn")
        expect(list(store.due()), [], "nobody waits for the old answers")

    def test_questions_that_a_run_no_longer_waits_for_are_withdrawn(self, store: Store) -> None:
        stale, wanted = samples.paused(store, approvals=2)
        samples.approved(store, wanted)
        expect(list(store.due()), [], "what is due while a question is pending")
        run = store.open_run(samples.opening(new_turn=False), []).run
        closing = samples.closing("paused").model_copy(update={"waits_for": (wanted.request.id,)})
        store.close_run(run, closing, [])
        expect(
            there(store.find(stale.request.id), "approval").state, ApprovalState.CANCELLED, "the stale one"
        )
        expect(
            there(store.find(wanted.request.id), "approval").state, ApprovalState.APPROVED, "the other one"
        )
        kinds = [entry.event.kind for entry in store.entries(TENANT)]
        expect(kinds.count("approval.cancelled"), 1, "audited cancellations")
        expect([thread.thread_id for thread in store.due()], ["t"], "what is due once nothing is pending")

    def test_an_approval_that_a_finished_turn_did_not_use_is_withdrawn(self, store: Store) -> None:
        pending, approved = samples.paused(store, approvals=2)
        samples.approved(store, approved)
        run = store.open_run(samples.opening(new_turn=False), []).run
        store.close_run(run, samples.closing("done").model_copy(update={"waits_for": ()}), [])
        found = store.approvals(TENANT, [pending.request.id, approved.request.id])
        expect([a.state for a in found], [ApprovalState.CANCELLED] * 2, "approvals of the finished turn")
        kinds = [entry.event.kind for entry in store.entries(TENANT)]
        expect(kinds.count("approval.cancelled"), 2, "audited cancellations")
        expect(list(store.due()), [], "what is due afterwards")

    def test_the_first_outcome_of_a_turn_holds(self, store: Store) -> None:
        run = samples.opened(store).run
        waiting = store.register(run, [samples.request(run)], [])[0]
        expect(store.end_turn(run, NO_RESULT, [EVENT]), NO_RESULT, "the outcome")
        other = NoResult.because(NoResultReason.BUDGET_EXHAUSTED)
        expect(store.end_turn(run, other, [EVENT]), NO_RESULT, "the outcome after a second one")
        expect(
            there(store.find(waiting.request.id), "approval").state, ApprovalState.CANCELLED, "its approval"
        )
        store.close_run(run, samples.closing("paused"), [])
        turn = there(store.turn(TENANT, "t"), "the turn")
        expect((turn.status, turn.no_result), (TurnStatus.ENDED, NO_RESULT), "the ended turn")
        again = store.open_run(samples.opening(new_turn=False), [])
        expect(again.turn.no_result, NO_RESULT, "what a later run of the turn is told")
        store.close_run(again.run, samples.closing("done"), [])
        expect(
            there(store.turn(TENANT, "t"), "the turn").status, TurnStatus.ENDED, "an ended turn stays ended"
        )

    def test_a_run_whose_lease_was_taken_changes_nothing(self, store: Store) -> None:
        stale = samples.opened(store).run
        claimed = store.claim(
            stale, key="k", tool="pay", digest="d" * 64, action_id="a", approval=None, events=[]
        )
        store.renew(stale, _SHORT)
        _outlive(_SHORT)
        taker = store.open_run(samples.opening(new_turn=False), []).run
        holds(taker.token > stale.token, f"the token grows, after {claimed!r}")
        self._is_stale(store, stale)
        store.renew(taker, 30.0)

    def test_a_run_whose_lease_ran_out_changes_nothing(self, store: Store) -> None:
        stale = samples.opened(store).run
        store.claim(stale, key="k", tool="pay", digest="d" * 64, action_id="a", approval=None, events=[])
        store.renew(stale, _SHORT)
        _outlive(_SHORT)
        self._is_stale(store, stale)

    def _is_stale(self, store: Store, run: RunRef) -> None:
        turn, entries = store.turn(TENANT, "t"), list(store.entries(TENANT))
        with refused(StaleRunError, "renew"):
            store.renew(run, 30.0)
        with refused(StaleRunError, "flush"):
            store.flush(run, [EVENT])
        with refused(StaleRunError, "register"):
            store.register(run, [samples.request(run)], [EVENT])
        with refused(StaleRunError, "claim"):
            store.claim(
                run, key="k2", tool="pay", digest="d" * 64, action_id="a", approval=None, events=[EVENT]
            )
        with refused(StaleRunError, "end_turn"):
            store.end_turn(run, NO_RESULT, [EVENT])
        with refused(StaleRunError, "close_run"):
            store.close_run(run, samples.closing(), [EVENT])
        recorded = store.record(run, key="k", state=EffectState.DONE, result=1, events=[EVENT])
        expect(recorded, False, "record by a stale run")
        expect(store.turn(TENANT, "t"), turn, "the turn after a stale run's writes")
        expect(list(store.entries(TENANT)), entries, "the audit chain after a stale run's writes")
        expect(list(store.listed()), [], "approvals after a stale run's writes")
        expect(store.effect(TENANT, "k2"), None, "the ledger after a stale run's writes")

    def test_a_made_up_run_changes_nothing(self, store: Store) -> None:
        run = samples.opened(store).run
        for what, forged in {
            "another id": replace(run, run_id="x"),
            "a later token": replace(run, token=run.token + 1),
            "an earlier token": replace(run, token=run.token - 1),
            "another turn": replace(run, turn=run.turn + 1),
            "another thread": replace(run, thread_id="u"),
            "another tenant": replace(run, tenant="other"),
        }.items():
            with refused(StaleRunError, f"a run with {what}"):
                store.flush(forged, [EVENT])
        expect(list(store.entries(TENANT)), [], "the audit chain")

    def test_renewing_keeps_a_lease_alive(self, store: Store) -> None:
        run = samples.opened(store, lease_seconds=2.0).run
        store.renew(run, 30.0)
        _outlive(2.0)
        with refused(BusyError, "opening while the renewed lease is live"):
            store.open_run(samples.opening(), [])
        store.flush(run, [EVENT])

    def test_a_stop_in_force_is_told(self, store: Store) -> None:
        run = samples.opened(store).run
        order = store.set_stop(samples.stop("thread", "t"))
        expect(store.renew(run, 30.0), order, "the stop that renew tells")
        store.close_run(run, samples.closing("done"), [])
        opened = store.open_run(samples.opening(), [])
        expect(opened.stop, order, "the stop that open_run tells")
        other = store.open_run(samples.opening("u"), [])
        expect(other.stop, None, "a stop that covers another thread")

    def test_tenants_with_a_thread_of_the_same_name_stay_apart(self, store: Store) -> None:
        ours = samples.opened(store).run
        theirs = samples.opened(store, tenant="other").run
        store.flush(theirs, [EVENT])
        expect(list(store.entries(TENANT)), [], "our chain")
        expect(len(store.entries("other")), 1, "their chain")
        store.close_run(theirs, samples.closing("done"), [])
        expect(there(store.turn(TENANT, "t"), "our turn").status, TurnStatus.RUNNING, "our turn")
        expect([row.tenant for row in store.threads("other")], ["other"], "their threads")
        expect(len(store.threads(None)), 2, "everybody's threads")
        store.renew(ours, 30.0)

    def test_threads_are_listed_newest_first(self, store: Store) -> None:
        samples.paused(store, "a", approvals=2)
        time.sleep(0.01)
        run = samples.opened(store, "b").run
        rows = list(store.threads(TENANT))
        expect([row.thread_id for row in rows], ["b", "a"], "the order")
        expect([row.pending_approvals for row in rows], [0, 2], "pending approvals")
        expect([row.status for row in rows], [TurnStatus.RUNNING, TurnStatus.PAUSED], "the statuses")
        expect([row.thread_id for row in store.threads(None, status="paused")], ["a"], "paused threads")
        expect([row.thread_id for row in store.threads(None, limit=1)], ["b"], "one thread")
        expect([row.agent for row in rows], ["agent"] * 2, "the agents")
        store.close_run(run, samples.closing("done"), [])
