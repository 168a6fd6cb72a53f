"""The contract of the port `Stats`."""

from guardkit.core.approvals import Approval, ApprovalDecision, SaidKind
from guardkit.core.breaking import break_glass
from guardkit.core.deciding import decide
from guardkit.core.listings import keys_of
from guardkit.core.people import Assurance, Delegation, Person
from guardkit.core.ports import Store
from guardkit.core.stages import ApprovalStage
from guardkit.core.stats import Agreement, AnswerCounts, Measured, given_answers, measured, person_hash
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, holds
from guardkit.testing.contracts.samples import ADA, BEN, CLEO, GLASS, TENANT

_PAIR = ApprovalStage(approvers=("ada", "ben", "cleo"), required=2, channels=("desk",), delegation=True)
_ONE = ApprovalStage(approvers=("ada", "ben", "cleo"), channels=("desk",))
_AFTER = 4e9
"""Seconds since the epoch: after everything that is said here."""


def _asked(
    store: Store, thread: str, *stages: ApprovalStage, tenant: str = TENANT, rules: tuple[str, ...] = ("big",)
) -> Approval:
    run = samples.opened(store, thread, tenant=tenant).run
    request = samples.request(run, stages=stages, expires_in=None, break_glass=GLASS)
    [approval] = store.register(run, [request.model_copy(update={"rules": rules})], [])
    return approval


def _say(
    store: Store,
    approval: Approval,
    person: Person,
    kind: SaidKind,
    seconds: float,
    absent: Person | None = None,
) -> Approval:
    """Somebody answers so many seconds after the question."""
    said = ApprovalDecision(
        approval_id=approval.request.id,
        digest=approval.digest,
        kind=kind,
        person=person.id,
        on_behalf_of=None if absent is None else absent.id,
        assurance=Assurance.OIDC,
        via="web",
        reason="the house is on fire",
        args={"claim_id": "C-0", "amount": "7"} if kind == "edit" else None,
        stage=approval.stage() or 0,
        decided_at=approval.request.requested_at + seconds,
    )
    if kind == "break_glass":
        after = break_glass(approval, said, person, [])
    else:
        after = decide(approval, said, person, absent=absent)
    holds(store.settle(after, approval.version, []), "it is stored")
    return after


def _all(store: Store, tenant: str = TENANT) -> Measured:
    return store.measure(tenant, 0.0, _AFTER)


class StatsContract:
    """Counting what people answered."""

    def test_nothing_was_answered(self, store: Store) -> None:
        samples.paused(store)
        expect(_all(store), Measured(), "what is counted of nothing")

    def test_answers_are_counted_by_person_and_rule(self, store: Store) -> None:
        first = _asked(store, "a", _ONE, _PAIR, rules=("new", "big"))
        first = _say(store, first, ADA, "approve", 10.0)
        first = _say(store, first, BEN, "edit", 40.0)
        first = _say(store, first, ADA, "approve", 47.0)
        second = _say(store, _asked(store, "b", _ONE), ADA, "reject", 100.0)
        third = _say(store, _asked(store, "c", _ONE), BEN, "break_glass", 5.0)
        _say(store, _asked(store, "d", _ONE, tenant="other"), _of(ADA, "other"), "approve", 1.0)
        found = _all(store)
        by_person = {one.who: one for one in found.approvers}
        ada, ben = by_person[person_hash("ada")], by_person[person_hash("ben")]
        expect(len(by_person), 2, "people of the tenant")
        expect(ada.counts, AnswerCounts(approve=2, reject=1), "what Ada answered")
        expect(ben.counts, AnswerCounts(edit=1, break_glass=1), "what Ben answered")
        expect([round(at, 3) for at in (ada.median, ada.slow)], [10.0, 100.0], "how long Ada took")
        holds(ada.example in {first.request.id, second.request.id}, "an approval that she answered")
        rules = {(one.who, one.rule): one.counts for one in found.rules}
        expect(rules[ada.who, "big"], AnswerCounts(reject=1), "by one rule")
        expect(rules[ada.who, "big,new"], AnswerCounts(approve=2), "by two rules together")
        counted = [answer for one in (first, second, third) for answer in given_answers(one)]
        expect(len(counted), 5, "answers")
        _is_near(found, measured(counted))

    def test_those_who_answered_the_same_are_compared(self, store: Store) -> None:
        agreed = _say(store, _asked(store, "a", _PAIR), ADA, "approve", 1.0)
        _say(store, agreed, BEN, "approve", 2.0)
        split = _say(store, _asked(store, "b", _PAIR), ADA, "approve", 1.0)
        _say(store, split, BEN, "reject", 2.0)
        staged = _say(store, _asked(store, "c", _ONE, _ONE), ADA, "approve", 1.0)
        _say(store, staged, CLEO, "reject", 2.0)
        _say(store, _asked(store, "d", _PAIR), ADA, "approve", 1.0)
        found = _all(store)
        expect(found.requests, Agreement(compared=3, agreed=1), "whole questions")
        expect(found.stages, Agreement(compared=2, agreed=1), "single stages")
        expect(found.delegates, Agreement(), "delegates")

    def test_a_delegate_is_compared_with_those_who_speak_for_themselves(self, store: Store) -> None:
        away = CLEO.model_copy(update={"delegations": (Delegation(to="ben", since=0.0, until=_AFTER),)})
        approval = _say(store, _asked(store, "a", _PAIR), ADA, "approve", 1.0)
        _say(store, approval, BEN, "reject", 2.0, absent=away)
        found = _all(store)
        expect(found.delegates, Agreement(compared=1, agreed=0), "delegates")
        expect([one.delegated for one in found.approvers if one.who == person_hash("ben")], [1], "for others")

    def test_a_window_takes_what_is_in_it(self, store: Store) -> None:
        approval = _say(store, _asked(store, "a", _PAIR), ADA, "approve", 10.0)
        approval = _say(store, approval, BEN, "approve", 20.0)
        asked = approval.request.requested_at

        def people(since: float, until: float) -> set[str]:
            return {one.who for one in store.measure(TENANT, asked + since, asked + until).approvers}

        expect(people(5.0, 15.0), {person_hash("ada")}, "the first")
        expect(people(15.0, 25.0), {person_hash("ben")}, "the second")
        expect(people(25.0, 30.0), set[str](), "neither")

    def test_what_waits_is_counted_by_keys(self, store: Store) -> None:
        for thread in ("a", "b"):
            _asked(store, thread, _ONE)
        _say(store, _asked(store, "c", _ONE), ADA, "reject", 1.0)
        expect(store.count_waiting(TENANT, keys_of(ADA)), 2, "what waits for Ada")
        expect(store.count_waiting(TENANT, keys_of(Person(id="zoe", tenant=TENANT))), 0, "for nobody")
        expect(store.count_waiting("other", keys_of(ADA)), 0, "in another tenant")
        expect(store.count_waiting(TENANT, []), 0, "under no key")


def _of(person: Person, tenant: str) -> Person:
    return person.model_copy(update={"tenant": tenant})


def _is_near(found: Measured, meant: Measured) -> None:
    """Two counts are the same; times may differ by what a database rounds."""

    def rounded(one: Measured) -> object:
        times = [(round(each.median, 3), round(each.slow, 3)) for each in one.approvers]
        plain = [
            each.model_copy(update={"median": 0.0, "slow": 0.0, "example": ""}) for each in one.approvers
        ]
        return times, plain, one.rules, one.requests, one.stages, one.delegates

    expect(rounded(found), rounded(meant), "what is counted one by one")
