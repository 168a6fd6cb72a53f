"""The contract of the port `Queue`."""

import time

from guardkit.core.approvals import ApprovalState, close
from guardkit.core.ports import Store
from guardkit.core.runs import DueThread
from guardkit.core.stages import Escalation
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, holds, there
from guardkit.testing.contracts.samples import ADA, TENANT


def _due(store: Store) -> list[tuple[str, str, int]]:
    return [(thread.thread_id, thread.why, thread.attempts) for thread in store.due()]


def _decided(store: Store, thread_id: str = "t") -> DueThread:
    samples.approved(store, samples.paused(store, thread_id)[0])
    return next(thread for thread in store.due() if thread.thread_id == thread_id)


class QueueContract:
    """What the worker asks for."""

    def test_a_thread_is_due_when_the_last_question_is_answered(self, store: Store) -> None:
        one, two, three = samples.paused(store, approvals=3)
        expect(_due(store), [], "due while people are asked")
        samples.approved(store, one)
        store.settle(samples.said(store, two, ADA, "reject"), 0, [])
        expect(_due(store), [], "due while one is left")
        samples.approved(store, three)
        expect(_due(store), [("t", "decided", 0)], "due once all are answered")
        thread = store.due()[0]
        expect((thread.tenant, thread.agent, thread.turn), (TENANT, "agent", 1), "the due thread")

    def test_a_thread_is_due_when_its_question_expires(self, store: Store) -> None:
        approval = samples.paused(store)[0]
        store.settle(close(approval, ApprovalState.EXPIRED, store.now()), 0, [])
        expect(_due(store), [("t", "expired", 0)], "due")

    def test_a_held_thread_is_not_handed_out(self, store: Store) -> None:
        _decided(store)
        run = store.open_run(samples.opening(new_turn=False), []).run
        expect(_due(store), [], "due while a run holds it")
        store.close_run(run, samples.closing("paused"), [])
        expect([name for name, _, _ in _due(store)], ["t"], "due once it is free and nobody said settled")

    def test_a_settled_thread_is_no_longer_due(self, store: Store) -> None:
        thread = _decided(store)
        store.settled(thread)
        expect(_due(store), [], "due after settled")

    def test_what_was_decided_since_it_was_handed_out_stays_due(self, store: Store) -> None:
        thread = _decided(store)
        run = store.open_run(samples.opening(new_turn=False), []).run
        later = store.register(run, [samples.request(run, 9)], [])[0]
        store.close_run(run, samples.closing("paused"), [])
        samples.approved(store, later)
        store.settled(thread)
        expect([name for name, _, _ in _due(store)], ["t"], "due: the later answer is not lost")

    def test_a_thread_whose_turn_is_over_is_not_due(self, store: Store) -> None:
        _decided(store)
        run = store.open_run(samples.opening(new_turn=False), []).run
        store.close_run(run, samples.closing("done"), [])
        expect(_due(store), [], "due after the turn is done")

    def test_a_postponed_thread_waits_and_counts(self, store: Store) -> None:
        thread = _decided(store)
        store.postpone(thread, 3600.0)
        expect(_due(store), [], "due while postponed")
        other = _decided(store, "u")
        store.postpone(other, 0.0)
        expect(_due(store), [("u", "decided", 1)], "due again, with its attempt counted")

    def test_a_thread_whose_run_died_is_due(self, store: Store) -> None:
        run = samples.opened(store).run
        expect(_due(store), [], "due while the lease is live")
        store.renew(run, 0.6)
        time.sleep(0.8)
        expect([(name, why) for name, why, _ in _due(store)], [("t", "abandoned")], "due when it has run out")
        run = store.open_run(samples.opening(new_turn=False), []).run
        expect(_due(store), [], "due while another run holds it")
        store.close_run(run, samples.closing("paused"), [])
        expect(_due(store), [], "due after it was brought to an end")

    def test_a_dead_letter_waits_for_redrive(self, store: Store) -> None:
        thread = _decided(store)
        store.dead_letter(thread, "fingerprint: the graph has changed")
        expect(_due(store), [], "due after it was given up")
        row = next(row for row in store.threads(TENANT) if row.thread_id == "t")
        holds("fingerprint" in (row.dead_letter or ""), f"operators see why: {row.dead_letter!r}")
        expect(store.redrive(TENANT, "none", by="ops"), False, "redriving a thread that is not there")
        expect(store.redrive("other", "t", by="ops"), False, "redriving another tenant's thread")
        expect(store.redrive(TENANT, "t", by="ops"), True, "redriving")
        expect(store.redrive(TENANT, "t", by="ops"), False, "redriving twice")
        said = [one.event for one in store.entries(TENANT) if one.event.kind == "turn.redriven"]
        expect(
            [(one.thread_id, one.turn, one.data) for one in said], [("t", 1, {"by": "ops"})], "the audit log"
        )
        expect([(name, attempts) for name, _, attempts in _due(store)], [("t", 0)], "due again")

    def test_the_oldest_is_handed_out_first(self, store: Store) -> None:
        for name in ("c", "a", "b"):
            _decided(store, name)
            time.sleep(0.01)
        expect([thread.thread_id for thread in store.due()], ["c", "a", "b"], "the order")
        expect([thread.thread_id for thread in store.due(limit=2)], ["c", "a"], "the two oldest")

    def test_a_worker_is_handed_only_threads_of_its_agents(self, store: Store) -> None:
        _decided(store)
        expect(list(store.due(agents=["another"])), [], "due for a worker of another agent")
        expect(list(store.due(agents=[])), [], "due for a worker of no agent")
        agent = store.due()[0].agent
        expect([due.agent for due in store.due(agents=["another", agent])], [agent], "due for its own worker")

    def test_a_message_is_handed_out_once_at_a_time(self, store: Store) -> None:
        approval = samples.paused(store)[0]
        first = store.deliveries()
        expect([(d.approval_id, d.channel, d.kind, d.stage) for d in first],
               [(approval.request.id, "desk", "ask", 0)], "the message")  # fmt: skip
        expect(first[0].tenant, TENANT, "its tenant")
        expect(list(store.deliveries()), [], "messages that another worker gets meanwhile")
        store.delivered(first[0], error=None, rendered="0" * 64)
        store.delivered(first[0], error=None, rendered="0" * 64)
        expect(list(store.deliveries()), [], "messages after it went out")

    def test_a_message_that_failed_is_not_handed_out_at_once(self, store: Store) -> None:
        samples.paused(store)
        store.delivered(store.deliveries()[0], error="channel")
        expect(list(store.deliveries()), [], "messages right after one failed")

    def test_what_was_sent_about_a_thread_is_told(self, store: Store) -> None:
        approval = samples.paused(store)[0]
        samples.paused(store, "u")
        expect(list(store.messages(TENANT, "t")), [], "messages before one is taken")
        before = store.now()
        taken = {delivery.approval_id: delivery for delivery in store.deliveries()}
        delivery = taken[approval.request.id]
        store.delivered(delivery, error="ChannelError")
        (failed,) = store.messages(TENANT, "t")
        expect((failed.kind, failed.channel, failed.stage), ("ask", "desk", 0), "the message")
        expect((failed.delivered_at, failed.error), (None, "ChannelError"), "a message that failed")
        store.delivered(delivery, error=None)
        (sent,) = store.messages(TENANT, "t")
        expect((sent.approval_id, sent.error), (approval.request.id, None), "the message when it went out")
        expect((sent.attempts, sent.escalation), (1, 0), "how often, and for whom")
        holds(
            sent.delivered_at is not None and before <= sent.delivered_at <= store.now(), "when it went out"
        )
        expect(list(store.messages("other", "t")), [], "another tenant's messages")

    def test_what_was_sent_about_a_question_is_told_with_what_it_showed(self, store: Store) -> None:
        approval, other = samples.paused(store)[0], samples.paused(store, "u")[0]
        expect(list(store.messages_about(approval)), [], "messages before one is taken")
        taken = {delivery.approval_id: delivery for delivery in store.deliveries()}
        (waiting,) = store.messages_about(approval)
        expect((waiting.id, waiting.rendered), (taken[approval.request.id].id, None), "one on its way")
        store.delivered(taken[approval.request.id], error=None, rendered="a" * 64)
        store.delivered(taken[other.request.id], error=None, rendered="b" * 64)
        (sent,) = store.messages_about(approval)
        expect((sent.approval_id, sent.rendered), (approval.request.id, "a" * 64), "what it showed")
        expect(sent, store.messages(TENANT, "t")[0], "as it is told of the thread")
        foreign = approval.request.model_copy(update={"tenant": "other"})
        expect(
            list(store.messages_about(approval.model_copy(update={"request": foreign}))),
            [],
            "another tenant's messages",
        )

    def test_a_message_of_an_escalation_is_told_as_one(self, store: Store) -> None:
        run = samples.opened(store).run
        late = Escalation(after=1.2, approvers=("head@example.com",), channels=("desk", "heads"))
        stage = samples.STAGE.model_copy(update={"escalations": (late,)})
        store.register(run, [samples.request(run, stages=(stage,))], [])
        for delivery in store.deliveries():
            store.delivered(delivery, error=None)
        time.sleep(1.4)
        for delivery in store.deliveries():
            store.delivered(delivery, error=None)
        told = [(one.channel, one.escalation) for one in store.messages(TENANT, "t")]
        expect(told[0], ("desk", 0), "the first message")
        expect(sorted(told[1:]), [("desk", 1), ("heads", 1)], "the messages of the escalation")

    def test_messages_are_taken_in_portions(self, store: Store) -> None:
        samples.paused(store, approvals=3)
        expect(len(store.deliveries(limit=2)), 2, "the first portion")
        expect(len(store.deliveries(limit=2)), 1, "the second portion")

    def test_the_clock_goes_forward(self, store: Store) -> None:
        times = [store.now() for _ in range(20)]
        expect(times, sorted(times), "readings of the clock")
        holds(abs(there(times[-1], "a time") - time.time()) < 3600, f"seconds since the epoch: {times[-1]}")
