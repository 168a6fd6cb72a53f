"""The contract of the port `StandingApprovals`, and of what giving and using one does to a store."""

from guardkit.core.amounts import StandingAmount
from guardkit.core.approvals import Approval
from guardkit.core.deciding import decide
from guardkit.core.effects import AlreadyDone, Claimed, ClaimResult, EffectState, Lapsed
from guardkit.core.granting import grant_of, terms_of
from guardkit.core.people import Assurance, Person
from guardkit.core.ports import Store
from guardkit.core.runs import RunRef
from guardkit.core.standing import (
    StandingApproval,
    StandingOffer,
    StandingRevocation,
    StandingScope,
    StandingUse,
    StandingWish,
    standing_key,
)
from guardkit.errors import UnknownApprovalError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once, expect, holds, refused, there
from guardkit.testing.contracts.samples import ADA, BEN, TENANT

OFFER = StandingOffer(
    scopes=("thread", "requester"),
    seconds=3600.0,
    uses=5,
    amount=StandingAmount(argument="amount", at_most="300"),
)
KEY = standing_key("agent", "pay_claim", "uma")


def _wish(
    scope: StandingScope = "requester", *, uses: int = 3, at_most: str | None = None, seconds: float = 600.0
) -> StandingWish:
    return StandingWish(scope=scope, seconds=seconds, uses=uses, at_most=at_most)


def _asked(store: Store, thread_id: str = "t", *, tenant: str = TENANT, required: int = 1) -> Approval:
    run = samples.opened(store, thread_id, tenant=tenant).run
    stage = samples.STAGE.model_copy(update={"required": required})
    [approval] = store.register(run, [samples.request(run, stages=(stage,), standing=OFFER)], [])
    store.close_run(run, samples.closing("paused"), [])
    return approval


def _said(
    store: Store, approval: Approval, wish: StandingWish | None, person: Person = ADA, *, ago: float = 0.0
) -> Approval:
    decision = samples.decision(store, approval, person).model_copy(
        update={
            "standing": None if wish is None else terms_of(approval.request, wish),
            "decided_at": store.now() - ago,
        }
    )
    person = person.model_copy(update={"tenant": approval.request.tenant})
    after = decide(approval, decision, person)
    holds(store.settle(after, approval.version, []), "the decision is stored")
    return after


def given(
    store: Store,
    thread_id: str = "t",
    *,
    tenant: str = TENANT,
    wish: StandingWish | None = None,
    ago: float = 0.0,
) -> StandingApproval:
    """A standing approval that was given in a paused thread."""
    after = _said(store, _asked(store, thread_id, tenant=tenant), wish or _wish(), ago=ago)
    found = store.standing_approval(tenant, there(grant_of(after), "the grant").id)
    return there(found, "the standing approval")


def claim(
    store: Store,
    run: RunRef,
    standing: StandingApproval,
    key: str,
    amount: str = "100",
    *,
    replay: bool = False,
) -> ClaimResult:
    """Claim a key under a standing approval."""
    return store.claim(
        run,
        key=key,
        tool="pay_claim",
        digest="d" * 64,
        action_id=f"a-{key}",
        approval=None,
        events=[samples.EVENT],
        standing=StandingUse(standing=standing, amount=amount, replay=replay),
    )


def revocation(store: Store, standing: StandingApproval) -> StandingRevocation:
    """What ends a standing approval."""
    return StandingRevocation(
        standing_id=standing.id,
        tenant=standing.grant.subject.tenant,
        by="ada",
        operator=False,
        via="web",
        assurance=Assurance.OIDC,
        why="enough",
        at=store.now(),
    )


def _now(store: Store, standing: StandingApproval) -> StandingApproval:
    found = store.standing_approval(standing.grant.subject.tenant, standing.id)
    return there(found, "the standing approval")


def _kinds(store: Store, tenant: str = TENANT) -> list[str]:
    return [one.event.kind for one in store.entries(tenant) if one.event.kind.startswith("standing.")]


class StandingContract:
    """Standing approvals."""

    def test_one_is_given_with_the_last_yes(self, store: Store) -> None:
        approval = _asked(store, required=2)
        once = _said(store, approval, _wish("requester", uses=4))
        expect(list(store.standing_approvals(TENANT)), [], "after the first of two")
        after = _said(store, once, _wish("thread", uses=5, at_most="200"), BEN)
        [found] = store.standing_approvals(TENANT)
        expect(found.grant, grant_of(after), "what is kept")
        expect((found.used, found.spent, found.revocation), (0, "0", None), "what is left")
        grant = found.grant
        expect((grant.scope, grant.uses, grant.givers), ("thread", 4, ("ada", "ben")), "the tightest of both")
        expect(there(grant.amount, "the limit").at_most, "200", "the smaller sum")
        expect(store.standing_approval(TENANT, grant.id), found, "found by its id")
        expect(list(store.standing_for(TENANT, KEY)), [found], "found by its key")
        expect(_kinds(store), ["standing.given"], "the audit")

    def test_a_plain_yes_gives_none(self, store: Store) -> None:
        approval = _asked(store, required=2)
        once = _said(store, approval, _wish())
        _said(store, once, None, BEN)
        expect(list(store.standing_approvals(TENANT)), [], "standing approvals")
        expect(_kinds(store), [], "the audit")

    def test_each_claim_counts_it_down_until_nothing_is_left(self, store: Store) -> None:
        standing = given(store, wish=_wish(uses=3, at_most="250.5"))
        run = samples.opened(store, "u").run
        expect(claim(store, run, standing, "k1"), Claimed(1), "the first use")
        row = there(store.effect(TENANT, "k1"), "the ledger row")
        expect((row.standing_id, row.approval_id), (standing.id, None), "what the row names")
        expect(claim(store, run, standing, "k2", "150.5"), Claimed(1), "as much as is left")
        left = _now(store, standing)
        expect((left.used, left.spent, left.amount_left), (2, "250.5", "0"), "what is left")
        entries = len(store.entries(TENANT))
        holds(isinstance(claim(store, run, standing, "k3", "0.1"), Lapsed), "nothing is left of the sum")
        expect(store.effect(TENANT, "k3"), None, "no row for what was refused")
        expect(len(store.entries(TENANT)), entries, "no audit for what was refused")
        expect(claim(store, run, standing, "k4", "0"), Claimed(1), "the third use")
        holds(isinstance(claim(store, run, standing, "k5", "0"), Lapsed), "no use is left")
        expect(list(store.standing_for(TENANT, KEY)), [], "it is not found any more")
        expect(_kinds(store), ["standing.given", *["standing.used"] * 3], "the audit")
        last = [one.event for one in store.entries(TENANT) if one.event.kind == "standing.used"][-1]
        expect((last.data["uses_left"], last.data["givers"]), (0, ["ada"]), "what the audit says of it")
        expect((last.thread_id, last.turn), ("u", 1), "where it was used")

    def test_racing_claims_never_go_past_it(self, store: Store) -> None:
        standing = given(store, wish=_wish(uses=3))
        runs = [samples.opened(store, f"u{number}").run for number in range(8)]
        said = at_once(
            [
                lambda number=number, run=run: claim(store, run, standing, f"k{number}", "60.1")
                for number, run in enumerate(runs)
            ]
        )
        expect(said.count(Claimed(1)), 3, f"claims that won, of {said!r}")
        holds(all(isinstance(one, Claimed | Lapsed) for one in said), f"what was said: {said!r}")
        left = _now(store, standing)
        expect((left.used, left.spent), (3, "180.3"), "what was used")
        expect(_kinds(store).count("standing.used"), 3, "the audit")

    def test_the_ledger_speaks_first(self, store: Store) -> None:
        standing = given(store, wish=_wish(uses=1))
        run = samples.opened(store, "u").run
        claim(store, run, standing, "k")
        holds(
            store.record(run, key="k", state=EffectState.DONE, result="R", events=[samples.EVENT]),
            "it is done",
        )
        expect(claim(store, run, standing, "k"), AlreadyDone("R"), "the same action again")
        expect(claim(store, run, standing, "k", replay=True), AlreadyDone("R"), "the same, as a replay")
        holds(isinstance(claim(store, run, standing, "new", replay=True), Lapsed), "a replay starts nothing")
        expect(_now(store, standing).used, 1, "uses")

    def test_it_is_good_for_nothing_but_what_it_was_given_for(self, store: Store) -> None:
        standing = given(store, wish=_wish("thread"))
        elsewhere = samples.opened(store, "u").run
        holds(isinstance(claim(store, elsewhere, standing, "k"), Lapsed), "not in another thread")
        other = samples.opened(store, "u", tenant="other").run
        holds(isinstance(claim(store, other, standing, "k"), Lapsed), "not for another tenant")
        here = store.open_run(samples.opening("t", new_turn=False), []).run
        wider = standing.model_copy(update={"grant": standing.grant.model_copy(update={"uses": 99})})
        holds(isinstance(claim(store, here, wider, "k"), Lapsed), "not when it says something else")
        tool = store.claim(
            here, key="k", tool="other", digest="d" * 64, action_id="a", approval=None, events=[],
            standing=StandingUse(standing=standing, amount="1"),
        )  # fmt: skip
        holds(isinstance(tool, Lapsed), "not for another tool")
        expect(_now(store, standing).used, 0, "uses")
        expect(claim(store, here, standing, "k"), Claimed(1), "in its own thread")

    def test_it_ends_by_the_stores_clock(self, store: Store) -> None:
        standing = given(store, wish=_wish(seconds=60.0), ago=61.0)
        run = samples.opened(store, "u").run
        holds(isinstance(claim(store, run, standing, "k"), Lapsed), "after its time")
        expect(list(store.standing_for(TENANT, KEY)), [], "it is not found any more")
        expect(list(store.standing_approvals(TENANT, active=True)), [], "what is good for something")
        expect(list(store.standing_approvals(TENANT, active=False)), [standing], "what is not")

    def test_it_is_revoked_once_and_at_once(self, store: Store) -> None:
        standing = given(store)
        ended = revocation(store, standing)
        event = standing.grant.event("standing.revoked", person="ada")
        said = at_once([lambda: store.revoke_standing(ended, [event])] * 4)
        expect(sum(one is not None for one in said), 1, "who revoked it")
        expect(_now(store, standing).revocation, ended, "what is kept")
        run = samples.opened(store, "u").run
        holds(isinstance(claim(store, run, standing, "k"), Lapsed), "it is good for nothing")
        expect(list(store.standing_for(TENANT, KEY)), [], "it is not found any more")
        expect(_kinds(store), ["standing.given", "standing.revoked"], "the audit")
        with refused(UnknownApprovalError, "revoking another tenant's"):
            store.revoke_standing(ended.model_copy(update={"tenant": "other"}), [])

    def test_they_are_a_tenants_own_newest_first(self, store: Store) -> None:
        first = given(store, "a", ago=2.0)
        second = given(store, "b", ago=1.0)
        other = given(store, "c", tenant="other")
        expect(list(store.standing_approvals(TENANT)), [second, first], "a tenant's")
        expect(list(store.standing_approvals("other")), [other], "another tenant's")
        expect(list(store.standing_approvals(limit=2)), [other, second], "everybody's first two")
        expect(list(store.standing_approvals(TENANT, thread_id="a")), [first], "a thread's")
        expect(store.standing_approval(TENANT, other.id), None, "another tenant's by its id")
        expect(list(store.standing_for("other", KEY)), [other], "another tenant's by its key")
