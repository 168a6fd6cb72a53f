"""The contract of the port `Approvals`."""

import time

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.deciding import stage_for
from guardkit.core.people import Person
from guardkit.core.places import Place
from guardkit.core.ports import Store
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused, there
from guardkit.testing.contracts.samples import ADA, BEN, EVENT, NO_RESULT, TENANT

_TWO_STAGES = (
    ApprovalStage(groups=("desk",), channels=("desk",)),
    ApprovalStage(groups=("desk",), channels=("finance",)),
)
_PATIENT = ApprovalStage(
    groups=("desk",),
    channels=("desk",),
    reminders=(3.0,),
    escalations=(Escalation(after=3.1, groups=("heads",), channels=("heads",)),),
)
_HEAD = Person(id="hal", groups=("heads",), tenant=TENANT)


class ApprovalsContract:
    """Questions to people."""

    def test_a_request_is_registered_once_by_the_stores_clock(self, store: Store) -> None:
        run = samples.opened(store).run
        asked = samples.request(run, expires_in=60.0)
        before = store.now()
        first = store.register(run, [asked], [EVENT])[0]
        holds(before <= first.request.requested_at <= store.now(), "requested_at is the store's time")
        lasts = (first.request.expires_at or 0.0) - first.request.requested_at
        holds(abs(lasts - 60.0) < 0.001, f"it expires after 60 s, not {lasts}")
        expect((first.state, first.version, first.decisions), (ApprovalState.PENDING, 0, ()), "the approval")
        expect((first.args, first.digest), (asked.action.args, asked.digest), "what is asked")
        again = store.register(run, [asked], [EVENT])[0]
        expect(again, first, "the same request again")
        expect(len(store.entries(TENANT)), 1, "audit entries")
        expect(store.find(asked.id), first, "the approval by id")

    def test_several_requests_come_back_with_those_that_were_there(self, store: Store) -> None:
        run = samples.opened(store).run
        one, two = samples.request(run, 1), samples.request(run, 2)
        samples.approved(store, store.register(run, [one], [])[0])
        found = {a.request.id: a.state for a in store.register(run, [one, two], [EVENT])}
        expect(found, {one.id: ApprovalState.APPROVED, two.id: ApprovalState.PENDING}, "all as they stand")
        expect(store.register(run, [], []), [], "nothing registered")

    def test_what_is_stored_comes_back_exactly(self, store: Store) -> None:
        run = samples.opened(store).run
        args: JsonObject = {
            "amount": 1.10,
            "n": 2**53 - 1,
            "text": "Zürich 🎈 \u0000",
            "list": [None, True, 1e-7],
            "d": {},
        }
        asked = samples.request(run, args=args)
        stored = there(store.find(store.register(run, [asked], [])[0].request.id), "the approval")
        expect(stored.args, args, "the arguments")
        expect(
            stored.request.model_copy(update={"requested_at": 0.0, "expires_at": 3600.0}),
            asked,
            "the request",
        )
        edit: JsonObject = {**args, "amount": 2.20}
        changed = samples.said(store, stored, kind="edit", args=edit)
        store.settle(changed, 0, [])
        expect(store.find(asked.id), changed, "the approval after an edit")

    def test_tenants_do_not_see_one_another(self, store: Store) -> None:
        mine = samples.paused(store)[0]
        theirs = samples.paused(store, tenant="other")[0]
        ids = [mine.request.id, theirs.request.id, "none"]
        expect([a.request.tenant for a in store.approvals(TENANT, ids)], [TENANT], "our approvals")
        expect([a.request.tenant for a in store.listed(tenant="other")], ["other"], "their approvals")
        expect(len(store.listed()), 2, "everybody's approvals")
        expect(list(store.approvals(TENANT, [])), [], "no approvals asked for")
        expect(store.find("none"), None, "an approval that is not there")

    def test_listing_filters_and_begins_with_the_newest(self, store: Store) -> None:
        old = samples.paused(store, "a")[0]
        time.sleep(0.01)
        new = samples.paused(store, "b")[0]
        expect([a.request.thread_id for a in store.listed(tenant=TENANT)], ["b", "a"], "the order")
        expect([a.request.thread_id for a in store.listed(limit=1)], ["b"], "one approval")
        expect([a.request.thread_id for a in store.listed(thread_id="a")], ["a"], "a thread's approvals")
        samples.approved(store, old)
        pending = store.listed(states=[ApprovalState.PENDING])
        expect([a.request.id for a in pending], [new.request.id], "pending approvals")
        expect(list(store.listed(states=[])), [], "approvals in none of no states")

    def test_a_list_is_read_in_parts_without_loss_or_repetition(self, store: Store) -> None:
        asked = samples.paused(store, "a", approvals=3)
        asked += samples.paused(store, "b", approvals=2)
        whole = list(store.listed(tenant=TENANT))
        expect({one.request.id for one in whole}, {one.request.id for one in asked}, "the whole list")
        places = [(-one.request.requested_at, one.request.id) for one in whole]
        expect(places, sorted(places), "the order: newest first, those of one instant by id")
        read: list[Approval] = []
        for _ in whole:
            part = store.listed(tenant=TENANT, limit=2, after=Place.of(read[-1]) if read else None)
            read.extend(part)
        expect(read, whole, "the parts")
        expect(list(store.listed(after=Place.of(whole[-1]))), [], "what follows the last one")

    def test_only_the_version_that_was_read_is_changed(self, store: Store) -> None:
        read = samples.paused(store)[0]
        yes, no = samples.said(store, read), samples.said(store, read, BEN, "reject")
        expect(store.settle(yes, 0, [EVENT]), True, "the first answer")
        expect(store.settle(no, 0, [EVENT]), False, "an answer to a version that has passed")
        expect(store.find(read.request.id), yes, "the approval")
        expect(len(store.entries(TENANT)), 1, "audit entries")

    def test_of_many_answers_at_once_one_counts(self, store: Store) -> None:
        read = samples.paused(store)[0]
        yes, no = samples.said(store, read), samples.said(store, read, BEN, "reject")
        outcomes = at_once([lambda a=a: store.settle(a, 0, [EVENT]) for a in (yes, no) * 3])
        expect(sorted(map(repr, outcomes)), ["False"] * 5 + ["True"], "the outcomes")
        winner = (yes, no)[outcomes.index(True) % 2]
        expect(store.find(read.request.id), winner, "the approval")
        expect(len(store.entries(TENANT)), 1, "audit entries")

    def test_an_unknown_approval_is_not_settled(self, store: Store) -> None:
        run = samples.opened(store).run
        stored = store.register(run, [samples.request(run)], [])[0]
        other = stored.model_copy(update={"request": samples.request(run, 7, expires_in=None)})
        with refused(UnknownApprovalError, "settling an approval that is not there"):
            store.settle(samples.said(store, other), 0, [EVENT])
        foreign = stored.model_copy(update={"request": stored.request.model_copy(update={"tenant": "other"})})
        with refused(UnknownApprovalError, "settling another tenant's approval"):
            store.settle(close(foreign, ApprovalState.CANCELLED, store.now()), 0, [EVENT])
        expect(list(store.entries(TENANT)), [], "the audit chain")

    def test_the_next_stage_is_asked_when_one_is_satisfied(self, store: Store) -> None:
        run = samples.opened(store).run
        approval = store.register(run, [samples.request(run, stages=_TWO_STAGES)], [])[0]
        expect([(d.channel, d.kind) for d in store.deliveries()], [("desk", "ask")], "the first question")
        once = samples.said(store, approval)
        store.settle(once, 0, [])
        expect(
            sorted((d.channel, d.kind, d.stage) for d in store.deliveries()),
            [("desk", "update", 0), ("finance", "ask", 1)],
            "the second question, and the first brought up to date",
        )
        store.settle(samples.said(store, once, BEN), 1, [])
        outcome = sorted((d.channel, d.kind) for d in store.deliveries())
        expect(
            outcome, [("desk", "outcome"), ("finance", "outcome")], "how it ended, told to all who were asked"
        )

    def test_every_channel_of_a_stage_is_asked_and_told(self, store: Store) -> None:
        run = samples.opened(store).run
        stage = ApprovalStage(groups=("desk",), required=2, channels=("desk", "mail"))
        approval = store.register(run, [samples.request(run, stages=(stage,))], [])[0]
        asked = store.deliveries()
        expect(sorted((d.channel, d.kind) for d in asked), [("desk", "ask"), ("mail", "ask")], "the question")
        holds(asked[0].id != asked[1].id, "each channel has its own delivery")
        once = samples.said(store, approval)
        store.settle(once, 0, [])
        expect(
            sorted((d.channel, d.kind) for d in store.deliveries()),
            [("desk", "update"), ("mail", "update")],
            "what all messages show after the first of two approvals",
        )
        store.settle(samples.said(store, once, BEN), 1, [])
        outcome = sorted((d.channel, d.kind) for d in store.deliveries())
        expect(outcome, [("desk", "outcome"), ("mail", "outcome")], "how it ended")

    def test_only_the_latest_state_is_shown(self, store: Store) -> None:
        run = samples.opened(store).run
        stage = ApprovalStage(groups=("desk",), required=2, channels=("desk",))
        approval = store.register(run, [samples.request(run, stages=(stage,))], [])[0]
        store.deliveries()
        once = samples.said(store, approval)
        store.settle(once, 0, [])
        store.settle(samples.said(store, once, BEN), 1, [])
        kinds = [delivery.kind for delivery in store.deliveries()]
        expect(kinds, ["outcome"], "an update that was not yet sent is dropped")

    def test_those_who_do_not_answer_are_reminded_and_others_asked(self, store: Store) -> None:
        run = samples.opened(store).run
        approval = store.register(run, [samples.request(run, stages=(_PATIENT,))], [])[0]
        expect([(d.channel, d.kind) for d in store.deliveries()], [("desk", "ask")], "at once")
        time.sleep(3.4)
        expect(
            [(d.channel, d.kind, d.stage) for d in store.deliveries()],
            [("desk", "remind", 0), ("heads", "ask", 0)],
            "after the times that the stage names",
        )
        with refused(DecisionRefusedError, "somebody who may answer only later"):
            stage_for(approval, _HEAD, approval.request.requested_at + 1.0)
        store.settle(samples.said(store, approval, _HEAD), 0, [])
        outcome = sorted((d.channel, d.kind) for d in store.deliveries())
        expect(outcome, [("desk", "outcome"), ("heads", "outcome")], "how it ended, told to both")

    def test_whoever_answered_is_not_reminded(self, store: Store) -> None:
        run = samples.opened(store).run
        stages = (_PATIENT, ApprovalStage(groups=("desk",), channels=("finance",)))
        approval = store.register(run, [samples.request(run, stages=stages)], [])[0]
        store.deliveries()
        store.settle(samples.said(store, approval), 0, [])
        store.deliveries()
        time.sleep(3.4)
        expect(list(store.deliveries()), [], "reminders of a stage that is done")

    def test_an_edit_asks_again(self, store: Store) -> None:
        run = samples.opened(store).run
        stage = ApprovalStage(groups=("desk",), required=2, channels=("desk",))
        approval = store.register(run, [samples.request(run, stages=(stage,))], [])[0]
        first = store.deliveries()
        edited = samples.said(store, approval, kind="edit", args={"claim_id": "C-0", "amount": "1"})
        store.settle(edited, 0, [])
        again = store.deliveries()
        expect(
            [(d.channel, d.kind, d.stage) for d in again], [("desk", "ask", 0)], "the question after an edit"
        )
        holds(first[0].id != again[0].id, "another question is another delivery")

    def test_what_was_never_sent_is_not_sent_after_the_end(self, store: Store) -> None:
        approval = samples.paused(store)[0]
        samples.approved(store, approval)
        asks = [delivery for delivery in store.deliveries() if delivery.kind == "ask"]
        expect(asks, [], "questions about a settled approval")

    def test_time_that_is_over_is_found(self, store: Store) -> None:
        run = samples.opened(store).run
        late = samples.request(run, 1, expires_in=0.05)
        kept = samples.request(run, 2, expires_in=0.05, on_expiry="keep")
        never = samples.request(run, 3, expires_in=None)
        later = samples.request(run, 4, expires_in=3600.0)
        store.register(run, [late, kept, never, later], [])
        time.sleep(0.2)
        found = list(store.expirable())
        expect([approval.request.id for approval in found], [late.id], "approvals whose time is over")
        expired = close(found[0], ApprovalState.EXPIRED, store.now())
        expect(store.settle(expired, 0, [EVENT]), True, "expiring")
        expect(list(store.expirable()), [], "approvals whose time is over, afterwards")

    def test_nobody_is_asked_for_a_turn_that_has_ended(self, store: Store) -> None:
        run = samples.opened(store).run
        store.end_turn(run, NO_RESULT, [])
        late = store.register(run, [samples.request(run)], [EVENT])[0]
        holds(late.state.settled, f"what is asked in an ended turn is void, not {late.state.value}")
        expect(list(store.deliveries()), [], "messages to people")
        expect(there(store.find(late.request.id), "the approval").state, late.state, "the stored approval")

    def test_many_registrations_of_one_request_make_one(self, store: Store) -> None:
        run = samples.opened(store).run
        asked = samples.request(run)
        outcomes = at_once([lambda: list(store.register(run, [asked], [EVENT]))] * 6)
        expect(len({repr(outcome) for outcome in outcomes}), 1, f"what all are told: {outcomes!r}")
        expect(len(store.listed()), 1, "approvals")
        expect(len(store.deliveries()), 1, "deliveries")
        expect(len(store.entries(TENANT)), 1, "audit entries")

    def test_a_rejected_or_cancelled_approval_stays_so(self, store: Store) -> None:
        read = samples.paused(store)[0]
        no = samples.said(store, read, ADA, "reject")
        store.settle(no, 0, [])
        cancelled = read.model_copy(update={"state": ApprovalState.CANCELLED, "version": 2})
        expect(store.settle(cancelled, 0, []), False, "a change of a version that has passed")
        expect(there(store.find(read.request.id), "approval").state, ApprovalState.REJECTED, "the state")
