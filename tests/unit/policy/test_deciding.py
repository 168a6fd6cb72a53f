"""What a policy decides, and that it always decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardkit.core.decisions import Allow, Escalate, Reject, Stop
from guardkit.core.no_result import NoResultReason
from guardkit.core.principals import Principal
from guardkit.core.sources import Authority, Source, SourceStatus
from guardkit.policy import Facts, Policy
from tests.unit.policy.desk import PEOPLE, POLICY, TOOLS, action, facts, people, policy_of, rule, write


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy.from_file(write(tmp_path)).bind(TOOLS)


def test_a_listed_read_is_allowed(policy: Policy) -> None:
    assert policy.decide(action("lookup_claim", claim_id="c"), facts()) == Allow(
        rules=("lookup_claim.otherwise",)
    )


@pytest.mark.promise("P7")
def test_an_unlisted_tool_gets_the_default(policy: Policy) -> None:
    decision = policy.decide(action("delete_everything"), facts())
    assert isinstance(decision, Reject)
    assert decision.rules == ("policy.default",)


def test_an_unlisted_tool_may_go_to_people() -> None:
    policy = policy_of(default="escalate")
    assert policy.decide(action("delete_everything"), facts()) == Escalate(
        routes=("desk",), rules=("policy.default",), why=("the policy has no entry for this tool",)
    )


def test_otherwise_holds_when_no_rule_matches(policy: Policy) -> None:
    decision = policy.decide(action(amount="250.00"), facts())
    assert isinstance(decision, Escalate)
    assert decision.routes == ("desk-then-finance",)
    assert decision.rules == ("pay_claim.otherwise",)


def test_a_matching_rule_holds_instead_of_otherwise(policy: Policy) -> None:
    assert policy.decide(action(amount="99.99"), facts()) == Allow(rules=("pay-small",))


def test_the_strictest_matching_rule_wins(policy: Policy) -> None:
    decision = policy.decide(action(amount="-1"), facts())
    assert decision == Reject(
        rules=("pay-negative",), why=("not a payment",), tell_model="amount must be positive"
    )


def test_flags_reach_the_rules(policy: Policy) -> None:
    decision = policy.decide(action(amount="5"), facts(flags=frozenset({"instruction"})))
    assert isinstance(decision, Escalate)


def test_rules_of_equal_strictness_speak_together() -> None:
    policy = policy_of(
        rule("args.amount > 1.0", "escalate", "a", approval="other"),
        rule("args.amount > 2.0", "escalate", "b"),
        rule("args.amount > 3.0", "allow", "c"),
    )
    assert policy.decide(action(), facts()) == Escalate(
        routes=("desk", "other"), rules=("a", "b"), why=("because",)
    )


def test_a_stop_ends_the_turn_with_its_reason() -> None:
    policy = policy_of(
        rule("calls > 2", "stop", "many", reason="no_progress"),
        rule("calls > 1", "stop", "some"),
        otherwise="allow",
    )
    assert policy.decide(action(), facts(calls=1)).kind == "allow"
    assert policy.decide(action(), facts(calls=2)) == Stop(rules=("some",), why=("because",))
    decision = policy.decide(action(), facts(calls=3))
    assert isinstance(decision, Stop)
    assert decision.reason is NoResultReason.NO_PROGRESS


def test_the_principal_reaches_the_rules() -> None:
    policy = policy_of(rule("principal.verified_by == 'nobody'", name="anonymous"), otherwise="allow")
    assert policy.decide(action(), facts()).kind == "allow"
    assert policy.decide(action(), facts(principal=Principal(id="x", verified_by="nobody"))).kind == "reject"


def test_declared_reads_reach_the_rules() -> None:
    policy = policy_of(rule("reads.balance < args.amount", name="covered"), otherwise="allow")
    rich = action().model_copy(update={"reads": {"balance": 1000.0}})
    poor = action().model_copy(update={"reads": {"balance": 10.0}})
    assert [policy.decide(one, facts()).kind for one in (rich, poor, action())] == [
        "allow",
        "reject",
        "reject",
    ]


UNEVALUABLE: list[tuple[str, dict[str, Any]]] = [
    ("args.amount > 1.0", {"args": {"amount": "ten"}}),
    ("args.note > 'a'", {}),
    ("tainted(args.claim_id)", {"facts": {"tainted": lambda value: 1 / 0}}),
    ("elapsed > 1.0", {"facts": {"elapsed": float("nan")}}),
]


@pytest.mark.promise("P7")
@pytest.mark.parametrize("decide", ["allow", "escalate", "reject", "stop"])
@pytest.mark.parametrize(("when", "told"), UNEVALUABLE, ids=["decimal", "null", "tainted", "elapsed"])
def test_a_rule_that_cannot_be_evaluated_rejects(when: str, told: dict[str, Any], decide: str) -> None:
    policy = policy_of(rule(when, decide, "broken"), rule("true", "allow", "fine"), otherwise="allow")
    decision = policy.decide(action(**told.get("args", {})), facts(**told.get("facts", {})))
    assert isinstance(decision, Reject)
    assert decision.rules == ("broken",)
    assert "cannot be evaluated" in decision.why[0]
    assert decision.tell_model == Reject().tell_model


@pytest.mark.promise("P7")
def test_rules_that_met_no_schema_reject(tmp_path: Path) -> None:
    unbound = Policy.from_file(write(tmp_path))
    decision = unbound.decide(action(amount="5"), facts())
    assert isinstance(decision, Reject)
    assert decision.rules == ("policy.unchecked",)
    assert unbound.decide(action("lookup_claim", claim_id="c"), facts()).kind == "allow"


@pytest.mark.promise("P7")
def test_rules_that_met_another_schema_reject(policy: Policy) -> None:
    decision = policy.decide(action(amount="5").model_copy(update={"schema_version": "v2"}), facts())
    assert decision.rules == ("policy.unchecked",)
    assert decision.kind == "reject"


@pytest.mark.promise("P7")
def test_broken_facts_reject() -> None:
    policy = policy_of(rule("calls > 100"), otherwise="allow")
    broken = Facts(principal=None, thread_id="t", turn=1, calls=1, elapsed=0.0, flags=frozenset(), tainted=bool)  # pyright: ignore[reportArgumentType]  # fmt: skip
    assert policy.decide(action(), broken).kind == "reject"


def test_a_condition_is_checked_against_the_tools_arguments(tmp_path: Path) -> None:
    from guardkit.errors import PolicyError

    text = POLICY.replace("args.amount <= 0.0", "args.amount <= '0'")
    unbound = Policy.from_file(write(tmp_path, text))
    with pytest.raises(PolicyError, match="computes a number <= text") as caught:
        unbound.bind(TOOLS)
    assert caught.value.line == 14
    assert caught.value.field == "tools.pay_claim.rules[0].when"
    assert caught.value.file == str(tmp_path / "claims.yaml")


def test_binding_leaves_the_policy_as_it_was(tmp_path: Path) -> None:
    unbound = Policy.from_file(write(tmp_path))
    bound = unbound.bind(TOOLS)
    assert unbound.tools is None
    assert bound.tools == TOOLS
    assert bound.hash == unbound.hash


def test_a_check_that_asks_for_review_takes_the_tools_route(policy: Policy) -> None:
    assert policy.review_routes(action()) == ("desk-then-finance",)
    assert policy.review_routes(action("lookup_claim", claim_id="c")) == ("desk",)
    assert policy.review_routes(action("unlisted")) == ("desk",)


def test_without_a_review_route_there_is_none(tmp_path: Path) -> None:
    text = POLICY.replace("review: desk\n", "")
    policy = Policy.from_file(write(tmp_path, text))
    assert policy.review_routes(action("lookup_claim", claim_id="c")) == ()
    assert policy.review_routes(action()) == ("desk-then-finance",)


def test_budgets_have_limits_only_where_they_are_given(policy: Policy) -> None:
    assert (policy.budgets.steps, policy.budgets.tool_calls, policy.budgets.seconds) == (12, 20, 120)
    assert policy.budgets.same_call == 3
    assert policy_of().budgets.steps is None


def source(**changes: Any) -> Source:
    given: dict[str, Any] = {
        "id": "s1",
        "title": "Terms",
        "owner": "legal@corp.example",
        "tenant": "acme",
        "authority": Authority.AUTHORITATIVE,
        **changes,
    }
    return Source.of("Some text.", **given)


def test_the_policy_narrows_the_sources(policy: Policy) -> None:
    assert policy.admits(source())
    assert not policy.admits(source(status=SourceStatus.DRAFT))
    assert not policy.admits(source(owner="somebody@else.example"))


def test_a_policy_without_a_word_on_sources_admits_all() -> None:
    assert policy_of().admits(source(status=SourceStatus.DRAFT))


@pytest.mark.promise("P7")
def test_a_source_condition_without_an_answer_admits_nothing(tmp_path: Path) -> None:
    text = POLICY.replace('source.status == "approved" &&', 'source.section.startsWith("A") &&')
    policy = Policy.from_file(write(tmp_path, text))
    assert policy.admits(source(section="A1"))
    assert not policy.admits(source())


def test_channels_are_listed_for_whoever_provides_them(policy: Policy) -> None:
    assert policy.channels == ("claims-desk", "finance")


def test_people_are_those_of_the_file(tmp_path: Path) -> None:
    policy = Policy.from_file(write(tmp_path, people_text=PEOPLE.replace("u1", "u9")))
    assert policy.directory is not None
    found = policy.directory.find("FIRST@corp.example")
    assert found is not None
    assert found.id == "u9"
    assert people().find("FIRST@corp.example") is not None
