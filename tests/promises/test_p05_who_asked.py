"""P5: whoever started or steered a turn does not approve its actions, whatever name they go by."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from guardkit import Approval, Guard, GuardedGraph, NoResult, Person, Principal
from guardkit.core.approvals import ApprovalState
from guardkit.core.no_result import NoResultReason
from guardkit.core.people import Delegation
from guardkit.core.principals import UNKNOWN
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError, InputError
from guardkit.sql.codec import dump
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    PEOPLE,
    Mode,
    People,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    ended,
    entries,
    go_on,
    payer,
    run,
    told,
    waiting,
)

pytestmark = pytest.mark.promise("P5")

ALLOWED = {"allowed_decisions": ["approve", "edit", "reject", "respond"]}
SUBJECT = Principal(id="auth0|kim")
EXEMPT: dict[str, Any] = {
    "exclude_requester": False,
    "exemption": {"reason": "a desk that nobody signs in at", "people": ["dana@corp.example"]},
}
NOT_USED = "The approval no longer holds, so the action did not run."


def pay(claim: str) -> Any:
    return calls(("pay", {"claim": claim, "amount": 5}))


class Host(People):
    """A directory that finds people by the host's subjects, which their records do not list, and can list people."""

    def find(self, identity: str) -> Person | None:
        if identity.startswith("auth0|"):
            return self.people.get(identity.removeprefix("auth0|"))
        found = [person for person in self.people.values() if person.answers_to(identity)]
        return found[0] if len(found) == 1 else None

    def people_of(self, tenant: str) -> Iterable[Person]:
        return [person for person in self.people.values() if person.tenant == tenant]


def _paused(
    scene: Scene, mode: Mode = "sync", principal: Principal = KIM, lines: Any = (), **changes: Any
) -> tuple[Guard, GuardedGraph, Any, list[JsonObject], Approval]:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK}, **changes)
    graph = compiled(guard, [pay("C-1"), *lines, "Done."], [payer(guard, paid)])
    config = guard.config("t", principal)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    return guard, graph, config, paid, approval


def _why(guard: Guard, approval: Approval, by: str = "dana", kind: Any = "approve", **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, approval, kind, by=by, **said)
    return refused.value.reason


def _away(to: str) -> dict[str, Any]:
    now = time.time()
    return {"delegations": (Delegation(to=to, since=now - 86_400.0, until=now + 86_400.0),)}


# --- who started it ---


@pytest.mark.parametrize("identity", ["kim", "kim@corp.example", "auth0|kim"])
def test_a_requester_is_who_the_directory_says_under_every_name(
    scene: Scene, mode: Mode, identity: str
) -> None:
    scene.people = Host(*PEOPLE)
    guard, graph, config, paid, approval = _paused(scene, mode, SUBJECT)
    assert _why(guard, approval, identity) == "requester"
    assert guard.desk.waiting(scene.people.people["kim"]) == []
    decide(guard, approval, by="dana")
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_a_requester_whom_the_directory_learns_of_later_is_excluded_then(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, SUBJECT)
    decide(guard, approval, by="kim")
    scene.people.change("kim", identities=("auth0|kim",))
    assert told(go_on(graph, config, mode)) == [NOT_USED]
    assert paid == []


def test_a_verified_requester_outside_the_directory_is_a_customer(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, Principal(id="customer-7"))
    decide(guard, approval, by="dana")
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_where_nobody_has_verified_who_asks_the_turn_ends_and_says_what_helps(
    scene: Scene, mode: Mode
) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [pay("C-1"), "Done."], [payer(guard, paid)])
    config = guard.config("t", UNKNOWN)
    run(graph, ask(), config, mode)
    outcome: NoResult = ended(guard, config)
    assert outcome.reason is NoResultReason.POLICY_DENIED
    assert "approvals.managers" in outcome.why[-1]
    assert "auth" in outcome.why[-1]
    assert outcome.message == "This is not permitted.", "the user learns no more"
    assert approvals(guard) == []
    assert paid == []
    [entry] = entries(guard, "turn.ended")
    assert entry.event.data["why"] == list(outcome.why)


def test_where_nobody_has_verified_who_asks_only_whom_the_policy_exempts_decides(
    scene: Scene, mode: Mode
) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, UNKNOWN, route=EXEMPT)
    assert {_why(guard, approval, by) for by in ("ben", "kim")} == {"requester"}
    [said] = decide(guard, approval, by="dana").decisions
    assert said.exemption == "a desk that nobody signs in at"
    go_on(graph, config, mode)
    assert len(paid) == 1


def _as_an_older_release_asked(scene: Scene, approval: Approval) -> Approval:
    """The question, as if nobody had verified who asked it: older releases put it to people all the same."""
    request = approval.request.model_copy(update={"principal": UNKNOWN, "excluded": ("unknown",)})
    with scene.sqlite() as connection:
        connection.execute("UPDATE gk_approvals SET request = ? WHERE id = ?", (dump(request), request.id))
    return approval.model_copy(update={"request": request})


def test_a_question_of_an_older_release_that_anybody_may_have_asked_is_nobodys_to_decide(
    scene: Scene,
) -> None:
    guard, graph, config, paid, approval = _paused(scene)
    older = _as_an_older_release_asked(scene, approval)
    assert _why(guard, older) == "requester"
    go_on(graph, config)
    assert ended(guard, config).reason is NoResultReason.POLICY_DENIED
    assert [one.state for one in approvals(guard)] == [ApprovalState.CANCELLED]
    assert paid == []


# --- who steered it ---


def test_who_gave_the_model_words_does_not_approve_what_it_makes_of_them(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, first = _paused(scene, mode, lines=[pay("C-2")], route=ALLOWED)
    decide(guard, first, "respond", by="dana@corp.example", reason="Pay C-2 instead.")
    go_on(graph, config, mode)
    [second] = waiting(guard, config)
    assert second.request.action.args["claim"] == "C-2"
    for name in ("dana", "DANA@corp.example", "slack:T1:DANA"):
        assert _why(guard, second, name) == "requester"
    assert _why(guard, second, "kim") == "requester"
    decide(guard, second, by="ben")
    go_on(graph, config, mode)
    assert [one["claim"] for one in paid] == ["C-2"]


def test_words_count_for_the_rest_of_the_turn_and_not_for_the_next(scene: Scene, mode: Mode) -> None:
    lines = [pay("C-2"), pay("C-3"), "Done.", pay("C-4")]
    guard, graph, config, paid, first = _paused(scene, mode, lines=lines, route=ALLOWED)
    decide(guard, first, "respond", by="dana", reason="Pay C-2 instead.")
    go_on(graph, config, mode)
    [second] = waiting(guard, config)
    decide(guard, second, by="ben")
    go_on(graph, config, mode)
    [third] = waiting(guard, config)
    assert _why(guard, third, "dana") == "requester"
    decide(guard, third, by="ben")
    go_on(graph, config, mode)
    run(graph, ask("And C-4."), config, mode)
    [fourth] = waiting(guard, config)
    decide(guard, fourth, by="dana")
    go_on(graph, config, mode)
    assert [one["claim"] for one in paid] == ["C-2", "C-3", "C-4"]


def test_whoever_edits_approves_the_edited_action_as_before(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, route=ALLOWED)
    edited = decide(guard, approval, "edit", by="dana", args={"claim": "C-1", "amount": 3})
    assert edited.state is ApprovalState.APPROVED
    go_on(graph, config, mode)
    assert paid == [{"claim": "C-1", "amount": 3}]


def test_words_of_a_delegate_are_of_both(scene: Scene) -> None:
    scene.people = Host(*PEOPLE)
    scene.people.change("dana", **_away("otto@corp.example"))
    guard, graph, config, _, first = _paused(scene, lines=[pay("C-2")], route=ALLOWED, delegation=True)
    decide(guard, first, "respond", by="otto", reason="Pay C-2 instead.")
    scene.people.change("dana", delegations=())
    scene.people.change("otto", roles=("manager",))
    go_on(graph, config)
    [second] = waiting(guard, config)
    assert (_why(guard, second, "dana"), _why(guard, second, "otto")) == ("requester", "requester")
    decide(guard, second, by="ben")


def test_nobody_else_goes_on_with_a_turn(scene: Scene, mode: Mode) -> None:
    guard, graph, _, paid, _ = _paused(scene, mode)
    with pytest.raises(InputError, match="belongs to another principal"):
        go_on(graph, guard.config("t", Principal(id="dana")), mode)
    assert paid == []


# --- who is one person with them ---


@pytest.mark.parametrize(("away", "to"), [("kim", "ben"), ("ben", "kim")])
@pytest.mark.parametrize("delegation", [True, False], ids=["delegates answer", "no delegates"])
def test_who_is_one_person_with_the_requester_does_not_decide(
    scene: Scene, away: str, to: str, delegation: bool
) -> None:
    scene.people = Host(*PEOPLE)
    scene.people.change(away, **_away(f"{to}@corp.example"))
    guard, graph, config, paid, approval = _paused(scene, delegation=delegation)
    if delegation:
        assert _why(guard, approval, "ben") == "requester"
        decide(guard, approval, by="dana")
    else:
        decide(guard, approval, by="ben")
    go_on(graph, config)
    assert len(paid) == 1


def test_who_turns_out_to_have_been_one_person_with_the_requester_does_not_count(scene: Scene) -> None:
    scene.people = Host(*PEOPLE)
    guard, graph, config, paid, approval = _paused(scene, delegation=True)
    decide(guard, approval, by="ben")
    scene.people.change("kim", **_away("ben"))
    assert told(go_on(graph, config)) == [NOT_USED]
    assert paid == []
