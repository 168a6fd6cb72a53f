"""Standing approvals under any order of events: never more than was given, never looser than without."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given as anything, strategies as st

from guardkit import Keys, Person, Policy, Principal
from guardkit.core.amounts import StandingAmount, amount_of, is_amount, written
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.deciding import decide
from guardkit.core.decisions import Allow, Escalate
from guardkit.core.effects import Claimed
from guardkit.core.granting import given_with, grant_of, terms_of
from guardkit.core.signing import Verifier
from guardkit.core.standing import StandingOffer, StandingWish
from guardkit.core.steps import Action, ToolKind, Trust
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.errors import DecisionRefusedError
from guardkit.policy.tools import ToolSchema
from guardkit.runtime.asking import request_for
from guardkit.runtime.covering import covering, offer
from guardkit.runtime.events import NoTelemetry
from guardkit.runtime.gate import Gated, gate
from guardkit.runtime.needs import Ask, InStore
from guardkit.runtime.session import Services, Session
from guardkit.runtime.tools import ToolSpec
from guardkit.testing import FakeClock, MemoryStore
from guardkit.testing.contracts import samples, standing
from guardkit.testing.contracts.samples import ADA, BEN, CLEO

pytestmark = pytest.mark.promise("P2", "P5")

CENTS = st.integers(0, 30_000).map(lambda cents: written(Decimal(cents) / 100))
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(0, 2), CENTS),
        st.tuples(st.just("again"), st.integers(0, 2), CENTS),
        st.tuples(st.just("wait"), st.integers(0, 400), CENTS),
        st.tuples(st.just("revoke"), st.just(0), CENTS),
    ),
    max_size=25,
)


@anything(events=EVENTS, uses=st.integers(1, 5), most=st.sampled_from([None, "300", "99.99", "0.01"]))
def test_whatever_happens_nothing_goes_past_what_was_given(
    events: list[tuple[str, int, str]], uses: int, most: str | None
) -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    one = standing.given(store, wish=StandingWish(scope="requester", seconds=600.0, uses=uses, at_most=most))
    limit = Decimal(most or "300")
    runs = [samples.opened(store, f"u{number}", lease_seconds=1e6).run for number in range(3)]
    counted, total, over, number = 0, Decimal(0), False, 0
    for what, which, amount in events:
        match what:
            case "wait":
                clock.advance(which)
            case "revoke":
                ended = store.revoke_standing(standing.revocation(store, one), [])
                assert (ended is None) == over
                over = True
            case _:
                number += what == "use"
                free = store.effect(samples.TENANT, f"k{number}") is None
                got = standing.claim(store, runs[which], one, f"k{number}", amount)
                alive = not over and store.now() < one.grant.until
                fits = counted < uses and total + Decimal(amount) <= limit
                assert (got == Claimed(1)) == (free and alive and fits), got
                if got == Claimed(1):
                    counted, total = counted + 1, total + Decimal(amount)
        left = store.standing_approval(samples.TENANT, one.id)
        assert left is not None
        assert (left.used, Decimal(left.spent)) == (counted, total)
        assert left.used <= uses
        assert Decimal(left.spent) <= limit


WISH = st.builds(
    StandingWish,
    scope=st.sampled_from(["thread", "requester"]),
    seconds=st.floats(1, 3600),
    uses=st.integers(1, 5),
    at_most=st.sampled_from([None, "300", "120.5", "7"]),
)


@anything(wishes=st.lists(st.one_of(st.none(), WISH), min_size=1, max_size=3))
def test_the_tightest_of_all_that_say_it_counts(wishes: list[StandingWish | None]) -> None:
    store = MemoryStore(FakeClock())
    run = samples.opened(store).run
    stage = samples.STAGE.model_copy(update={"required": len(wishes)})
    [approval] = store.register(run, [samples.request(run, stages=(stage,), standing=standing.OFFER)], [])
    before: Approval = approval
    for person, wish in zip((ADA, BEN, CLEO), wishes, strict=False):
        terms = None if wish is None else terms_of(approval.request, wish)
        said = samples.decision(store, approval, person).model_copy(update={"standing": terms})
        before, approval = approval, decide(approval, said, person)
    assert approval.state is ApprovalState.APPROVED
    grant = given_with(before, approval)
    assert grant == grant_of(approval)
    said_all = [wish for wish in wishes if wish is not None]
    if len(said_all) < len(wishes):
        assert grant is None
        return
    assert grant is not None
    assert grant.uses == min(wish.uses for wish in said_all)
    assert grant.until == min(
        one.decided_at + wish.seconds for one, wish in zip(approval.decisions, said_all, strict=True)
    )
    assert (grant.scope == "thread") == any(wish.scope == "thread" for wish in said_all)
    assert grant.amount is not None
    assert Decimal(grant.amount.at_most) == min(Decimal(wish.at_most or "300") for wish in said_all)


@anything(wish=WISH, change=st.sampled_from(["uses", "seconds", "scope", "amount", "subject"]))
@pytest.mark.promise("P6")
def test_what_was_signed_and_then_changed_gives_nothing(wish: StandingWish, change: str) -> None:
    store = MemoryStore(FakeClock())
    run = samples.opened(store).run
    [approval] = store.register(run, [samples.request(run, standing=standing.OFFER)], [])
    terms = terms_of(approval.request, wish)
    signer = KEYS.decision_signer()
    said = signer.decision(samples.decision(store, approval).model_copy(update={"standing": terms}))
    verifier = Verifier((signer.public_key,))
    assert verifier.decision(said)
    other: dict[str, Any] = {
        "uses": terms.uses + 1,
        "seconds": terms.seconds + 1,
        "scope": "thread" if terms.scope == "requester" else "requester",
        "amount": None,
        "subject": terms.subject.model_copy(update={"rules": ("another",)}),
    }
    forged = said.model_copy(update={"standing": terms.model_copy(update={change: other[change]})})
    assert not verifier.decision(forged)
    assert not verifier.decision(said.model_copy(update={"standing": None}))


@anything(text=st.text(max_size=70))
def test_an_amount_is_a_plain_decimal_or_none(text: str) -> None:
    read = is_amount(text)
    if read is None:
        return
    assert Decimal(read) == Decimal(text)
    assert is_amount(read) == read


@anything(
    value=st.one_of(
        st.integers(-(10**6), 10**6),
        st.floats(),
        st.booleans(),
        st.none(),
        st.text(max_size=5),
        st.lists(st.integers()),
    )
)
def test_what_cannot_be_summed_is_no_amount(value: Any) -> None:
    read = amount_of({"amount": value}, StandingAmount(argument="amount", at_most="1"))
    if read is not None:
        assert not isinstance(value, bool)
        assert Decimal(read) == Decimal(repr(value) if isinstance(value, float) else str(value)) >= 0
    assert amount_of({}, StandingAmount(argument="amount", at_most="1")) is None


# --- strictness ---

KEYS = Keys.generate()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"claim": {"type": "string"}, "amount": {"type": "integer"}},
    "required": ["claim", "amount"],
}
DOCUMENT: dict[str, Any] = {
    "policy": "desk",
    "version": "1",
    "owner": "risk",
    "default": "reject",
    "review": "managers",
    "tools": {
        "pay": {
            "otherwise": "escalate",
            "approval": "managers",
            "rules": [
                {"id": "small", "when": "args.amount < 5", "decide": "allow"},
                {"id": "large", "when": "args.amount > 20", "decide": "escalate", "why": "large"},
                {"id": "huge", "when": "args.amount > 40", "decide": "reject", "why": "huge"},
                {"id": "odd", "when": "args.claim == 'odd'", "decide": "stop", "why": "odd"},
            ],
        }
    },
    "approvals": {
        "managers": {
            "stages": [{"approvers": ["ada"], "channel": "desk", "assurance": "local_operator"}],
            "expires_in": "8h",
            "on_expiry": "reject",
            "standing": {
                "scopes": ["thread", "requester"],
                "for_at_most": "8h",
                "uses": 2,
                "amount": {"argument": "amount", "at_most": 30},
            },
        }
    },
}


class OnePerson:
    """A directory of one."""

    def find(self, identity: str) -> Person | None:
        ada = Person(id="ada")
        return ada if ada.answers_to(identity) else None


POLICY = Policy.from_dict(DOCUMENT, directory=OnePerson()).bind(
    {"pay": ToolSchema(name="pay", kind=ToolKind.EFFECT, json_schema=SCHEMA, schema_version="s1")}
)
SPEC = ToolSpec(
    name="pay",
    kind=ToolKind.EFFECT,
    trust=Trust.TRUSTED,
    json_schema=SCHEMA,
    schema_version="s1",
    validate=dict,
)


def driven(flow: Any) -> Any:
    """What a flow comes to that asks for a store and for checks."""
    answer: Any = None
    while True:
        try:
            need = flow.send(answer)
        except StopIteration as end:
            return end.value
        match need:
            case InStore(do):
                answer = do()
            case Ask(asked, _):
                answer = [one() for one in asked]
            case _:
                raise AssertionError(need)


class Run:
    """A run of a turn over a store, with a check that says what it is told to."""

    def __init__(self, store: MemoryStore, thread: str, principal: Principal) -> None:
        self.says: Verdict | None = None
        opened = store.open_run(
            samples.opening(thread, principal=principal, agent="agent", lease_seconds=1e6), []
        )
        services = Services(
            agent="agent",
            store=store,
            policy=POLICY,
            tools={"pay": SPEC},
            action_checks=[("look", lambda action, context: self.says)],
            observation_checks=(),
            assessors=(),
            directory=OnePerson(),
            verifier=Verifier((KEYS.decision_signer().public_key,)),
            telemetry=NoTelemetry(),
            check_timeout=1.0,
        )
        self.session = Session.opened(services, opened, continued=False)
        self.thread = thread

    def look(
        self, claim: str, amount: int, *, flags: frozenset[str] = frozenset()
    ) -> tuple[Gated, CheckContext]:
        """What holds for a call without standing approvals."""
        action = Action(
            id=f"a-{self.thread}-{claim}-{amount}", tool="pay", kind=ToolKind.EFFECT, schema_version="s1",
            args={"claim": claim, "amount": amount}, call_id="c",
        )  # fmt: skip
        context = CheckContext(
            principal=self.session.turn.principal, thread_id=self.thread, turn=1, thought=None, prompt=(), history=(),
            calls=1, elapsed=0.0, flags=flags,
        )  # fmt: skip
        return driven(gate(self.session, SPEC, action, context)), context


VERDICTS = st.sampled_from(
    [
        None,
        None,
        None,
        Verdict(check="look", outcome="review", why="odd"),
        Verdict(check="look", why="a remark"),
        Verdict(check="look", outcome="block"),
        Verdict(check="look", outcome="stop"),
        Verdict(check="look", outcome="edit", edited_args={"claim": "C-9", "amount": 6}),
    ]
)
CALLS = st.tuples(
    st.sampled_from(["C-1", "C-2", "odd"]),
    st.integers(-5, 50),
    VERDICTS,
    st.sampled_from([frozenset[str](), frozenset({"instruction"})]),
    st.booleans(),
    st.booleans(),
)


@pytest.mark.promise("P7")
@anything(
    listed=st.lists(CALLS, min_size=1, max_size=6),
    scope=st.sampled_from(["thread", "requester"]),
    first=st.integers(5, 25),
)
def test_it_turns_an_escalation_by_the_very_rules_into_leave_and_nothing_else(
    listed: list[Any], scope: Any, first: int
) -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    kim = Principal(id="kim")
    run = Run(store, "t", kim)
    asked, context = run.look("C-1", first)
    assert isinstance(asked.decision, Escalate)
    request = request_for(
        run.session,
        asked,
        asked.decision,
        thought="",
        namespace="",
        standing=offer(run.session, asked, context),
    )
    [approval] = store.register(run.session.run, [request], [])
    wish = StandingWish(scope=scope, seconds=600.0, uses=2)
    said = samples.decision(store, approval, Person(id="ada")).model_copy(
        update={"standing": terms_of(approval.request, wish)}
    )
    said = KEYS.decision_signer().decision(said)
    assert store.settle(decide(approval, said, Person(id="ada")), approval.version, [])
    other = Run(store, "u", kim)
    stranger = Run(store, "v", Principal(id="lea"))
    for claim, amount, verdict, flags, elsewhere, foreign in listed:
        at = stranger if foreign else other if elsewhere else run
        at.says = verdict
        without, context = at.look(claim, amount, flags=flags)
        covered = driven(covering(at.session, without, context))
        if covered is None:
            continue
        assert isinstance(without.decision, Escalate)
        assert isinstance(covered.decision, Allow)
        assert covered.without == without.decision
        assert (without.decision.rules, without.decision.routes) == (request.rules, request.routes)
        assert (covered.action, covered.digest) == (without.action, without.original)
        assert verdict is None
        assert not flags
        assert not foreign
        assert scope == "requester" or not elsewhere
        assert 0 <= amount <= 30
        use = covered.standing
        assert use is not None
        claimed = partial(
            store.claim, at.session.run, key=covered.action.id, tool="pay", digest=covered.digest,
            action_id=covered.action.id, approval=None, events=[], standing=use,
        )  # fmt: skip
        claimed()
    [left] = store.standing_approvals()
    assert left.used <= 2
    assert Decimal(left.spent) <= 30


def test_what_is_not_permitted_is_not_wished() -> None:
    run = samples.opened(MemoryStore(FakeClock())).run
    with pytest.raises(DecisionRefusedError):
        terms_of(samples.request(run), StandingWish(scope="thread", seconds=1.0, uses=1))
    none = StandingOffer(scopes=("thread",), seconds=10.0, uses=1)
    with pytest.raises(DecisionRefusedError, match="limits no amount"):
        terms_of(
            samples.request(run, standing=none),
            StandingWish(scope="thread", seconds=1.0, uses=1, at_most="5"),
        )
