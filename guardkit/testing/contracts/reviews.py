"""The contract of the port `Reviews`, and of what breaking the glass does to a store."""

import time

from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalState
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import break_glass
from guardkit.core.effects import Claimed, Lapsed
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance
from guardkit.core.ports import Store
from guardkit.core.reviews import Closed, Review, ReviewVerdict
from guardkit.core.runs import Delivery, RunRef
from guardkit.errors import InputError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused, there
from guardkit.testing.contracts.samples import BEN, GLASS, TENANT


def _asked(
    store: Store, thread_id: str = "t", *, tenant: str = TENANT, glass: BreakGlass = GLASS
) -> tuple[RunRef, Approval]:
    run = samples.opened(store, thread_id, tenant=tenant).run
    [approval] = store.register(run, [samples.request(run, break_glass=glass)], [])
    return run, approval


def _broken(store: Store, approval: Approval, *, ago: float = 0.0) -> Approval:
    said = ApprovalDecision(
        approval_id=approval.request.id,
        digest=approval.digest,
        kind="break_glass",
        person=BEN.id,
        assurance=Assurance.OIDC,
        via="web",
        reason="the house is on fire",
        stage=0,
        decided_at=store.now() - ago,
    )
    ben = BEN.model_copy(update={"tenant": approval.request.tenant})
    return break_glass(approval, said, ben, [])


def _kinds(store: Store, tenant: str = TENANT) -> list[str]:
    return [entry.event.kind for entry in store.entries(tenant) if entry.event.kind.startswith("review.")]


def _closed(store: Store, review: Review) -> tuple[Review, AuditEvent]:
    end = Closed(verdict=ReviewVerdict.JUSTIFIED, by="cleo", via="web", comment="it was", at=store.now())
    after = review.model_copy(update={"closed": end})
    return after, after.event("review.closed", person="cleo")


class ReviewsContract:
    """Reviews of broken glasses."""

    def test_a_review_is_opened_with_the_decision_that_breaks_the_glass(self, store: Store) -> None:
        _, approval = _asked(store)
        expect(list(store.reviews(TENANT)), [], "reviews before")
        after = _broken(store, approval)
        holds(store.settle(after, approval.version, [samples.EVENT]), "it is settled")
        review = there(store.review(TENANT, approval.request.id), "the review")
        expect((review.broken_by, review.asked_by), ("ben", ("uma",)), "who broke it, who asked")
        expect(review.reason, "the house is on fire", "why")
        expect(review.opened_at, after.decisions[-1].decided_at, "when it began")
        expect(round(review.due_at - review.opened_at, 3), 0.05, "how long there is")
        expect(list(store.reviews(TENANT)), [review], "a tenant's reviews")
        expect(_kinds(store), ["review.opened"], "the audit")
        found = there(store.find(approval.request.id), "the approval")
        expect(found, after, "the approval as it is kept")

    def test_a_broken_glass_that_is_not_stored_opens_no_review(self, store: Store) -> None:
        _, approval = _asked(store)
        other = samples.said(store, approval)
        holds(store.settle(other, approval.version, []), "somebody else was first")
        expect(store.settle(_broken(store, approval), approval.version, []), False, "the later one")
        expect(list(store.reviews(TENANT)), [], "reviews")
        expect(_kinds(store), [], "the audit")

    def test_two_who_break_it_at_once_open_one_review(self, store: Store) -> None:
        _, approval = _asked(store)
        after = _broken(store, approval)
        said = at_once([lambda: store.settle(after, approval.version, [])] * 4)
        expect(sorted(said), [False] * 3 + [True], "who broke it")
        expect(len(store.reviews(TENANT)), 1, "reviews")

    def test_it_is_consumed_once_and_in_its_time(self, store: Store) -> None:
        run, approval = _asked(store)
        after = _broken(store, approval)
        store.settle(after, approval.version, [])
        request = approval.request

        def claim() -> object:
            return store.claim(
                run,
                key="k",
                tool="pay_claim",
                digest=after.digest,
                action_id=request.action.id,
                approval=after,
                events=[],
            )

        holds(isinstance(claim(), Claimed), "it is consumed")
        expect(there(store.find(request.id), "the approval").state, ApprovalState.CONSUMED, "its state")
        holds(not isinstance(claim(), Claimed), "not twice")

        run, approval = _asked(store, "late")
        after = _broken(store, approval, ago=61.0)
        store.settle(after, approval.version, [])
        late = store.claim(
            run,
            key="late",
            tool="pay_claim",
            digest=after.digest,
            action_id=approval.request.action.id,
            approval=after,
            events=[],
        )
        holds(isinstance(late, Lapsed), "not after its time")

    def test_a_review_is_closed_once(self, store: Store) -> None:
        _, approval = _asked(store)
        store.settle(_broken(store, approval), approval.version, [])
        review = there(store.review(TENANT, approval.request.id), "the review")
        after, event = _closed(store, review)
        said = at_once([lambda: store.change_review(review, after, [event])] * 4)
        expect(sorted(said), [False] * 3 + [True], "who closed it")
        expect(store.review(TENANT, approval.request.id), after, "the closed review")
        expect(list(store.reviews(TENANT, closed=False)), [], "what is left to do")
        expect(list(store.reviews(TENANT, closed=True)), [after], "what is done")
        expect(_kinds(store), ["review.opened", "review.closed"], "the audit")
        with refused(InputError, "opening it again"):
            store.change_review(after, review, [])
        with refused(InputError, "changing what it is about"):
            store.change_review(review, review.model_copy(update={"broken_by": "ada"}), [])

    def test_an_overdue_review_is_noted_once_and_can_still_be_closed(self, store: Store) -> None:
        _, approval = _asked(store)
        store.settle(_broken(store, approval), approval.version, [])
        time.sleep(0.1)
        [review] = store.unnoted_reviews()
        expect(review.state(store.now()), "overdue", "how it stands")
        noted = review.model_copy(update={"noted_at": store.now()})
        event = noted.event("review.overdue")
        said = at_once([lambda: store.change_review(review, noted, [event])] * 4)
        expect(sorted(said), [False] * 3 + [True], "who noted it")
        expect(list(store.unnoted_reviews()), [], "what is left to note")
        after, event = _closed(store, noted)
        holds(store.change_review(noted, after, [event]), "it is closed late")
        expect(_kinds(store), ["review.opened", "review.overdue", "review.closed"], "the audit")

    def test_reviews_are_a_tenants_own_longest_due_first(self, store: Store) -> None:
        later = GLASS.model_copy(update={"review_within": 3600.0})
        made: list[str] = []
        for thread, tenant, glass in (("a", TENANT, later), ("b", TENANT, GLASS), ("c", "other", GLASS)):
            _, approval = _asked(store, thread, tenant=tenant, glass=glass)
            store.settle(_broken(store, approval), approval.version, [])
            made.append(approval.request.id)
        expect([one.approval_id for one in store.reviews(TENANT)], [made[1], made[0]], "a tenant's")
        expect([one.approval_id for one in store.reviews("other")], [made[2]], "another tenant's")
        expect(
            [one.approval_id for one in store.reviews(limit=2)], [made[1], made[2]], "everybody's first two"
        )
        expect(store.review(TENANT, made[2]), None, "another tenant's review")

    def test_reviewers_are_asked_and_reminded_until_it_is_closed(self, store: Store) -> None:
        glass = GLASS.model_copy(update={"review_channels": ("risk",), "remind_every": 0.05})
        _, approval = _asked(store, glass=glass)
        store.settle(_broken(store, approval), approval.version, [])

        def due() -> list[Delivery]:
            return [one for one in store.deliveries() if one.kind == "review"]

        [first] = due()
        stages = len(approval.request.stages)
        expect((first.channel, first.stage, first.attempts), ("risk", stages, 1), "the first message")
        expect(due(), [], "while it is under way")
        store.delivered(first, error=None, rendered="0" * 64)
        store.delivered(first, error=None, rendered="0" * 64)
        time.sleep(0.1)
        [second] = due()
        holds(second.id != first.id, "a reminder is a message of its own")
        store.delivered(second, error=None)
        review = there(store.review(TENANT, approval.request.id), "the review")
        after, event = _closed(store, review)
        store.change_review(review, after, [event])
        time.sleep(0.1)
        expect(due(), [], "once it is closed")
        sent = [one.kind for one in store.messages(TENANT, "t") if one.kind == "review"]
        expect(sent, ["review", "review"], "what was sent")

    def test_a_policy_that_names_no_channel_writes_to_nobody(self, store: Store) -> None:
        _, approval = _asked(store)
        store.settle(_broken(store, approval), approval.version, [])
        expect([one.kind for one in store.deliveries() if one.kind == "review"], [], "messages")
