"""The contract of the ports `Approvals`, `Queue` and `Listings` about several stages that wait at once."""

import time

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.listings import ListName, ListQuery, keys_of
from guardkit.core.people import Person
from guardkit.core.ports import Store
from guardkit.core.stages import ApprovalStage, Escalation, Exemption
from guardkit.errors import DecisionRefusedError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, refused, there
from guardkit.testing.contracts.samples import ADA, BEN, CLEO, EVENT, TENANT

_TOGETHER = (
    ApprovalStage(approvers=("ada", "ben"), channels=("desk",)),
    ApprovalStage(approvers=("ada", "cleo"), channels=("finance", "mail")),
)
_TWO_MUST_REJECT = ApprovalStage(groups=("desk",), required=2, reject_quorum=2, channels=("desk",))


def _asked(store: Store, stages: tuple[ApprovalStage, ...] = _TOGETHER, thread_id: str = "t") -> Approval:
    run = samples.opened(store, thread_id).run
    (approval,) = store.register(run, [samples.request(run, stages=stages, order="together")], [])
    store.close_run(run, samples.closing("paused"), [])
    return approval


def _sent(store: Store) -> list[tuple[str, str, int]]:
    return sorted((one.channel, one.kind, one.stage) for one in store.deliveries())


def _lists(store: Store, person: Person) -> bool:
    query = ListQuery(list=ListName.WAITING)
    return bool(store.find_listed(TENANT, keys_of(person), query))


class StagesContract:
    """Stages that are asked together, rejections that need company, and what is kept of them."""

    def test_all_stages_are_asked_at_once(self, store: Store) -> None:
        _asked(store)
        asked = [("desk", "ask", 0), ("finance", "ask", 1), ("mail", "ask", 1)]
        expect(_sent(store), asked, "the questions")
        for person in (ADA, BEN, CLEO):
            expect(_lists(store, person), True, f"whether it waits for {person.id}")

    def test_one_answer_closes_its_own_stage_and_updates_the_others(self, store: Store) -> None:
        approval = _asked(store)
        store.deliveries()
        once = samples.said(store, approval, CLEO)
        expect(store.settle(once, 0, [EVENT]), True, "storing the first answer")
        kept = there(store.find(approval.request.id), "the approval")
        expect(kept, once, "what is kept")
        expect(kept.waiting(), (0,), "the stages that still wait")
        updated = [("desk", "update", 0), ("finance", "update", 1), ("mail", "update", 1)]
        expect(_sent(store), updated, "what follows; nobody is asked again")
        expect([_lists(store, one) for one in (ADA, BEN, CLEO)], [True, True, False], "for whom it waits")

    def test_who_may_answer_in_two_stages_makes_room(self, store: Store) -> None:
        for other, thread_id in ((BEN, "a"), (CLEO, "b")):
            approval = _asked(store, thread_id=thread_id)
            first = samples.said(store, approval, ADA)
            store.settle(first, 0, [])
            kept = there(store.find(approval.request.id), "the approval")
            expect(kept.decisions[0].seats, (0, 1), "the stages in which the first answer may count")
            expect(kept.waiting(), (0, 1), "either stage takes somebody who has only that one")
            store.settle(samples.said(store, kept, other), 1, [])
            settled = there(store.find(approval.request.id), "the approval")
            expect(settled.state, ApprovalState.APPROVED, f"the end, after {other.id}")

    def test_each_stage_reminds_and_escalates_by_its_own_times(self, store: Store) -> None:
        late = Escalation(after=3.0, groups=("heads",), channels=("heads",))
        stages = (
            _TOGETHER[0].model_copy(update={"reminders": (3.0,)}),
            _TOGETHER[1].model_copy(update={"escalations": (late,)}),
        )
        approval = _asked(store, stages)
        store.deliveries()
        store.settle(samples.said(store, approval, BEN), 0, [])
        time.sleep(3.3)
        sent = [one for one in store.deliveries() if one.approval_id == approval.request.id]
        found = sorted((one.channel, one.kind, one.stage) for one in sent)
        expected = [
            ("desk", "update", 0),
            ("finance", "update", 1),
            ("heads", "ask", 1),
            ("mail", "update", 1),
        ]
        expect(found, expected, "what goes out: no reminder of the stage that is done")
        head = Person(id="hal", groups=("heads",), tenant=TENANT)
        expect(_lists(store, head), True, "whether it waits for who may answer by now")

    def test_an_edit_asks_all_of_them_again(self, store: Store) -> None:
        approval = _asked(store)
        first = {one.id for one in store.deliveries()}
        store.settle(samples.said(store, approval, CLEO), 0, [])
        store.deliveries()
        kept = there(store.find(approval.request.id), "the approval")
        edited = samples.said(store, kept, BEN, "edit", args={"claim_id": "C-0", "amount": "1"})
        store.settle(edited, 1, [])
        again = [one for one in store.deliveries() if one.kind == "ask"]
        expect(
            sorted({one.stage for one in again}),
            [1],
            "the stages that are asked: the editor counts in theirs",
        )
        expect(first & {one.id for one in again}, set[str](), "deliveries of before")
        expect([_lists(store, one) for one in (ADA, CLEO)], [True, True], "for whom it waits")

    def test_a_rejection_below_the_quorum_is_kept_and_ends_nothing(self, store: Store) -> None:
        approval = _asked(store, (_TWO_MUST_REJECT,))
        store.deliveries()
        once = samples.said(store, approval, ADA, "reject")
        expect(store.settle(once, 0, [EVENT]), True, "storing a rejection")
        kept = there(store.find(approval.request.id), "the approval")
        expect((kept.state, kept.version), (ApprovalState.PENDING, 1), "where it stands")
        expect(_sent(store), [("desk", "update", 0)], "what follows")
        with refused(DecisionRefusedError, "somebody who has rejected it"):
            samples.said(store, kept, ADA)
        store.settle(samples.said(store, kept, BEN, "reject"), 1, [])
        ended = there(store.find(approval.request.id), "the approval")
        expect(ended.state, ApprovalState.REJECTED, "the end")
        expect(_sent(store), [("desk", "outcome", 0)], "how it ended")

    def test_what_a_request_says_of_its_answers_is_kept(self, store: Store) -> None:
        run = samples.opened(store).run
        asked = samples.request(run, stages=_TOGETHER, order="together").model_copy(
            update={
                "exemptions": (Exemption(reason="a desk of one", groups=("desk",)),),
                "comment_required": ("approve",),
            }
        )
        store.register(run, [asked], [])
        kept = there(store.find(asked.id), "the approval").request
        expect(
            kept.model_copy(update={"requested_at": 0.0, "expires_at": asked.expires_at}),
            asked,
            "the request",
        )
