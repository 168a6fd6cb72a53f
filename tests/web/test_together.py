"""Deciding on several approvals at once: in the inbox, over HTTP, and at the desk."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.batches import Seen
from guardkit.core.people import Assurance
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.values import JsonObject
from guardkit.errors import InputError, StorageError
from guardkit.runtime.desk import Desk
from guardkit.runtime.events import NoTelemetry
from guardkit.testing.memory import MemoryStore
from tests.web.callers import TOKEN_STAGE, TWO_FINANCE, Office, kind_of
from tests.web.claims import ARGS, BYSTANDER, FIRST, OUTSIDER, REQUESTER, SECOND, THIRD, Claims
from tests.web.visits import Inbox, Visit, text_of

pytestmark = pytest.mark.promise("P2", "P5")


def seen(approval: Approval, /, **changes: Any) -> Seen:
    """An approval as somebody saw it."""
    shown = {
        "approval": approval.request.id,
        "version": approval.version,
        "digest": approval.digest,
        "presentation_hash": presentation_hash(present(approval)),
    }
    return Seen(**{**shown, **changes})


def several(claims: Claims, count: int = 3, **more: Any) -> list[Approval]:
    return [claims.ask({**ARGS, "claim_id": f"C-{number}"}, **more) for number in range(1, count + 1)]


def page_of(visit: Visit, approvals: list[Approval]) -> Any:
    ids = "&".join(f"id={one.request.id}" for one in approvals)
    return visit.get(f"/together?{ids}")


def form_of(page: str) -> dict[str, str]:
    """The fields of the page's first form."""
    form = re.search(r'<form method="post" action="/together/approve">(.*?)</form>', page, re.DOTALL)
    assert form is not None, text_of(page)
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[1])
    return {name: html.unescape(value) for name, value in found}


def send(visit: Visit, fields: dict[str, str], kind: str = "approve", **more: str) -> Any:
    return visit.client.post(f"/together/{kind}", data={**fields, **more}, follow_redirects=False)


def states(claims: Claims, approvals: list[Approval]) -> list[str]:
    return [claims.now(one).state.value for one in approvals]


# --- the inbox ---


def test_the_list_offers_to_choose_and_the_page_shows_all_in_full(claims: Claims, ana: Visit) -> None:
    approvals = several(claims)
    listed = ana.get("/").text
    assert listed.count('type="checkbox"') == 3
    assert 'action="/together"' in listed
    page = page_of(ana, approvals)
    assert page.status_code == 200
    said = text_of(page.text)
    for approval in approvals:
        assert str(approval.args["claim_id"]) in said
        assert approval.digest[:12] in said
    assert said.count("DE89 3704 0044 0532 0130 00") >= 3
    assert "Approve 3" in said


def test_one_post_approves_each_with_its_own_record(claims: Claims, ana: Visit) -> None:
    approvals = several(claims)
    answer = send(ana, form_of(page_of(ana, approvals).text), reason="all three are due")
    assert answer.status_code == 200
    assert "3 approved" in text_of(answer.text)
    assert states(claims, approvals) == ["approved"] * 3
    said = [claims.now(one).decisions[0] for one in approvals]
    assert all(claims.verifier.decision(one) for one in said)
    assert len({one.signature for one in said}) == 3
    assert [one.digest for one in said] == [one.digest for one in approvals]
    assert {one.reason for one in said} == {"all three are due"}
    (delivery,) = {one.delivery for one in said}
    audited = claims.audited("approval.decided")
    assert sorted(str(one["approval"]) for one in audited) == sorted(one.request.id for one in approvals)
    assert {str(one["delivery"]) for one in audited} == {delivery}


def test_a_second_click_decides_nothing_and_is_told_the_same(claims: Claims, ana: Visit) -> None:
    approvals = several(
        claims,
        stages=(
            TWO_FINANCE.model_copy(
                update={"groups": ("claims-desk",), "assurance": Assurance.LOCAL_OPERATOR}
            ),
        ),
    )
    fields = form_of(page_of(ana, approvals).text)
    first, second = send(ana, fields), send(ana, fields)
    assert "3 approved" in text_of(second.text)
    assert text_of(first.text) == text_of(second.text)
    assert [len(claims.now(one).decisions) for one in approvals] == [1, 1, 1]
    assert claims.audited("approval.refused") == []


def test_what_has_changed_is_refused_and_the_others_go_through(claims: Claims, ana: Visit) -> None:
    edited, settled, fine = several(claims)
    fields = form_of(page_of(ana, [edited, settled, fine]).text)
    stage = (TOKEN_STAGE.model_copy(update={"assurance": Assurance.LOCAL_OPERATOR}), TWO_FINANCE)
    other = claims.ask({**ARGS, "claim_id": "C-9"}, stages=stage)
    claims.people.change(THIRD, roles=("claims-manager",), groups=("claims-desk",))
    claims.decide(settled, THIRD, kind="reject", reason="paid before")
    claims.decide(edited, THIRD, kind="edit", args={**edited.args, "amount": "1.00"})
    answer = send(ana, fields)
    said = text_of(answer.text)
    assert "1 approved, 2 not" in said
    assert states(claims, [edited, settled, fine, other]) == ["approved", "rejected", "approved", "pending"]
    assert [one.person for one in claims.now(edited).decisions] == ["p-cleo"]
    assert sorted(str(one["why"]) for one in claims.audited("approval.refused")) == ["already_settled"] * 2


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 7}, "version_mismatch"),
        ({"digest": "0" * 64}, "digest_mismatch"),
        ({"presentation_hash": "0" * 64}, "shown_mismatch"),
    ],
)
def test_nobody_decides_on_what_they_were_not_shown(
    claims: Claims, ana: Visit, changes: dict[str, Any], why: str
) -> None:
    wrong, fine = several(claims, 2)
    fields = form_of(page_of(ana, [wrong, fine]).text)
    forged = seen(wrong, **changes)
    place = next(name for name, value in fields.items() if value.startswith(wrong.request.id))
    fields[place] = f"{forged.approval} {forged.version} {forged.digest} {forged.presentation_hash}"
    answer = send(ana, fields)
    assert "1 approved, 1 not" in text_of(answer.text)
    assert states(claims, [wrong, fine]) == ["pending", "approved"]
    assert [one["why"] for one in claims.audited("approval.refused")] == [why]


@pytest.mark.promise("P1")
def test_what_is_cut_cannot_be_decided_beside_others(claims: Claims, ana: Visit) -> None:
    long = claims.ask({**ARGS, "note": "n" * 5000})
    fine = claims.ask()
    page = page_of(ana, [long, fine])
    assert "This is too large to be decided beside others" in text_of(page.text)
    fields = form_of(page.text)
    assert [name for name in fields if name.startswith("item.")] == ["item.0"]
    one = seen(long)
    fields["item.1"] = f"{one.approval} {one.version} {one.digest} {one.presentation_hash}"
    answer = send(ana, fields)
    assert "1 approved, 1 not" in text_of(answer.text)
    assert states(claims, [long, fine]) == ["pending", "approved"]
    assert [one["why"] for one in claims.audited("approval.refused")] == ["not_whole"]


def test_kinds_are_decided_by_themselves(claims: Claims, ana: Visit) -> None:
    payments = several(claims, 2)
    letter = claims.ask({"to": "x"}, tool="send_letter", schema={"type": "object"})
    page = page_of(ana, [*payments, letter])
    assert page.text.count('action="/together/approve"') == 2
    assert "2 kinds of questions" in text_of(page.text)
    fields = form_of(page.text)
    one = seen(letter)
    fields["item.9"] = f"{one.approval} {one.version} {one.digest} {one.presentation_hash}"
    refused = send(ana, fields)
    assert refused.status_code == 400
    assert states(claims, [*payments, letter]) == ["pending"] * 3


def test_a_rejection_needs_a_reason_and_gives_it_to_each(claims: Claims, ana: Visit) -> None:
    approvals = several(claims, 2)
    fields = form_of(page_of(ana, approvals).text)
    silent = send(ana, fields, "reject", reason="  ")
    assert silent.status_code == 422
    assert "Say why" in text_of(silent.text)
    assert states(claims, approvals) == ["pending", "pending"]
    assert send(ana, fields, "reject", reason="r" * 4001).status_code == 422
    done = send(ana, fields, "reject", reason="not covered")
    assert "2 rejected" in text_of(done.text)
    assert [claims.now(one).decisions[0].reason for one in approvals] == ["not covered"] * 2


def test_a_comment_that_the_policy_demands_is_asked_for(claims: Claims, ana: Visit) -> None:
    approvals = several(claims, 2, comment_required=("approve",))
    page = page_of(ana, approvals)
    assert "required; kept with each" in text_of(page.text)
    silent = send(ana, form_of(page.text))
    assert (silent.status_code, "asks for a comment" in text_of(silent.text)) == (422, True)
    assert states(claims, approvals) == ["pending", "pending"]
    assert "2 approved" in text_of(send(ana, form_of(page.text), reason="seen").text)


def test_others_of_the_kind_are_offered(claims: Claims, ana: Visit) -> None:
    approvals = several(claims, 4)
    page = page_of(ana, approvals[:2]).text
    found = re.search(r'href="(/together\?[^"]+)">Add the 2 others', page)
    assert found is not None
    whole = ana.get(html.unescape(found[1]))
    assert "Approve 4" in text_of(whole.text)
    without = re.search(r'href="(/together\?[^"]+)">Leave it out', whole.text)
    assert without is not None
    assert "Approve 3" in text_of(ana.get(html.unescape(without[1])).text)


@pytest.mark.promise("P14")
def test_another_tenants_are_not_there(claims: Claims, ana: Visit, inbox: Inbox) -> None:
    own = claims.ask()
    foreign = claims.ask(tenant="other")
    page = page_of(ana, [own, foreign])
    assert "1 of what you chose is not there" in text_of(page.text)
    assert foreign.request.thread_id not in page.text
    assert page_of(ana, [foreign]).status_code == 404
    fields = form_of(page.text)
    one = seen(foreign)
    fields["item.1"] = f"{one.approval} {one.version} {one.digest} {one.presentation_hash}"
    answer = send(ana, fields)
    assert "1 approved, 1 not" in text_of(answer.text)
    assert foreign.request.thread_id not in answer.text
    assert claims.now(foreign) == foreign
    assert page_of(inbox.visit(BYSTANDER), [own]).status_code == 404


@pytest.mark.promise("P6")
def test_the_requester_decides_none_of_them(claims: Claims, inbox: Inbox) -> None:
    approvals = several(claims, 2)
    own = inbox.visit(REQUESTER)
    page = page_of(own, approvals)
    assert "Nothing for you to do" in text_of(page.text)
    fields = {"token": own.form_token()}
    for number, one in enumerate(map(seen, approvals)):
        fields[f"item.{number}"] = f"{one.approval} {one.version} {one.digest} {one.presentation_hash}"
    assert "0 approved, 2 not" in text_of(send(own, fields).text)
    assert states(claims, approvals) == ["pending", "pending"]
    assert [one["why"] for one in claims.audited("approval.refused")] == ["requester"] * 2


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    "item",
    [
        "",
        "x",
        "1 2 3",
        "zz 0 d s",
        f"{'a' * 32} -1 {'0' * 64} {'0' * 64}",
        f"{'a' * 32} 9999999999 {'0' * 64} {'0' * 64}",
    ],
)
def test_forms_that_no_page_made_are_refused(ana: Visit, item: str) -> None:
    answer = send(ana, {"token": ana.form_token(), "item.0": item})
    assert answer.status_code == 400
    assert "Nothing was decided" in text_of(answer.text)


@pytest.mark.promise("P15")
def test_bad_addresses_and_foreign_forms_are_refused(claims: Claims, ana: Visit) -> None:
    approval = claims.ask()
    assert ana.get("/together").status_code == 303
    assert ana.get("/together?id=../x").status_code == 400
    assert ana.get("/together?" + "&".join(f"id={number:032x}" for number in range(101))).status_code == 400
    assert send(ana, {"token": ana.form_token()}).status_code == 400
    fields = form_of(page_of(ana, [approval]).text)
    assert send(ana, {**fields, "token": "another"}).status_code == 403
    twice = send(ana, {**fields, "item.1": fields["item.0"]})
    assert twice.status_code == 400
    assert claims.now(approval) == approval


class Failing(MemoryStore):
    """A store whose database goes away after some answers."""

    left = 10**9

    def settle(self, approval: Approval, expected_version: int, events: Any) -> bool:
        if self.left <= 0:
            raise StorageError("the database is away")
        self.left -= 1
        return super().settle(approval, expected_version, events)


def test_what_the_database_did_not_take_is_said(claims: Claims) -> None:
    store = Failing(claims.clock)
    claims.moved_to(store)
    ana = Inbox(claims).visit()
    approvals = several(claims)
    fields = form_of(page_of(ana, approvals).text)
    store.left = 1
    answer = send(ana, fields)
    said = text_of(answer.text)
    assert "1 approved, 2 not" in said
    assert "It may count, or not" in said
    store.left = 10**9
    assert "3 approved" in text_of(send(ana, fields).text), "the same form again does the rest"
    assert [len(claims.now(one).decisions) for one in approvals] == [1, 1, 1]


# --- the desk ---


def test_the_desk_takes_one_kind_or_one_run_and_100_at_most(claims: Claims) -> None:
    approvals = several(claims, 2)
    letter = claims.ask({"to": "x"}, tool="send_letter", schema={"type": "object"})

    def decide(items: list[Seen]) -> Any:
        return claims.desk.batches.decide(
            items, identity=FIRST.id, kind="approve", assurance=Assurance.LOCAL_OPERATOR, via="test"
        )

    with pytest.raises(InputError, match="neither of one run nor of one kind"):
        decide([seen(approvals[0]), seen(letter)])
    with pytest.raises(InputError, match="too few"):
        decide([])
    with pytest.raises(InputError, match="too many"):
        decide([seen(approvals[0], approval=f"{number:032x}") for number in range(101)])
    with pytest.raises(InputError, match="twice"):
        decide([seen(approvals[0])] * 2)
    assert states(claims, [*approvals, letter]) == ["pending"] * 3
    outcomes = decide([seen(one) for one in reversed(approvals)])
    assert [one.seen.approval for one in outcomes] == [one.request.id for one in reversed(approvals)]
    assert [one.number for one in outcomes] == [1, 1]


def test_strangers_are_refused_one_by_one(claims: Claims) -> None:
    approvals = several(claims, 2)
    outcomes = claims.desk.batches.decide(
        [seen(one) for one in approvals],
        identity="nobody@corp.example",
        kind="approve",
        assurance=Assurance.LOCAL_OPERATOR,
        via="test",
    )
    assert [getattr(one.error, "reason", None) for one in outcomes] == ["not_an_approver"] * 2
    assert [one["why"] for one in claims.audited("approval.refused")] == ["unknown_identity"] * 2


def test_what_is_answered_together_was_read_together(claims: Claims) -> None:
    measured: list[tuple[str, float]] = []

    class Meter(NoTelemetry):
        """A telemetry that listens to measurements alone."""

        def measure(self, name: str, value: float, attributes: Any) -> None:
            measured.append((name, value))

    desk = Desk(claims.store, claims.people, claims.signer, Meter())
    slow, quick = several(claims, 3), several(claims, 3)
    claims.clock.now += 600

    def decide(approvals: list[Approval]) -> int:
        before = len([one for one in measured if one[0] == "guardkit.approval.hasty"])
        desk.batches.decide(
            [seen(one) for one in approvals],
            identity=FIRST.id, kind="approve", assurance=Assurance.LOCAL_OPERATOR, via="test",
        )  # fmt: skip
        return len([one for one in measured if one[0] == "guardkit.approval.hasty"]) - before

    assert decide(slow) == 0, "ten minutes are enough for three"
    claims.clock.now += 1
    assert decide(quick) == 3, "a second is not"


# --- over HTTP ---


@pytest.fixture
def office(claims: Claims) -> Office:
    return Office(claims)


def _body(approvals: list[Approval], **more: Any) -> JsonObject:
    items: list[Any] = [seen(one).model_dump(mode="json") for one in approvals]
    return {"decision": "approve", "items": items, **more}


def test_a_batch_over_http_reports_each(office: Office, claims: Claims) -> None:
    approvals = several(claims, 3, stages=(TOKEN_STAGE,))
    ana = office.caller()
    shown = ana.get(f"/approvals/{approvals[0].request.id}").json()
    assert shown["presentation_hash"] == seen(approvals[0]).presentation_hash
    body: Any = _body(approvals, comment="seen")
    body["items"][1]["digest"] = "0" * 64
    body["items"].append(seen(approvals[0], approval="f" * 32).model_dump(mode="json"))
    key = ana.key()
    answer = ana.post("/approvals/decisions", body, key)
    assert answer.status_code == 200
    first, changed, third, unknown = answer.json()["items"]
    assert [one["taken"]["state"] for one in (first, third)] == ["approved", "approved"]
    assert changed["taken"] is None
    assert changed["problem"]["type"] == "urn:guardkit:problem:digest_mismatch"
    assert changed["problem"]["current"]["id"] == approvals[1].request.id
    assert unknown["problem"]["type"] == "urn:guardkit:problem:not_found"
    assert ana.post("/approvals/decisions", body, key).json() == answer.json()
    assert states(claims, approvals) == ["approved", "pending", "approved"]
    assert [one.via for one in claims.now(approvals[0]).decisions] == ["api"]


@pytest.mark.promise("P14", "P15")
def test_what_cannot_be_a_batch_changes_nothing(office: Office, claims: Claims) -> None:
    approvals = several(claims, 2, stages=(TOKEN_STAGE,))
    ana = office.caller()
    for body in (
        {**_body(approvals), "items": []},
        {**_body(approvals), "decision": "edit"},
        _body([*approvals, *approvals]),
        {**_body(approvals), "items": [{"approval": approvals[0].request.id}]},
    ):
        assert kind_of(ana.post("/approvals/decisions", body)) == "invalid"
    assert kind_of(office.caller(None).post("/approvals/decisions", _body(approvals))) == "scope_missing"
    silent = ana.post("/approvals/decisions", _body(approvals, decision="reject")).json()
    assert [one["problem"]["type"] for one in silent["items"]] == ["urn:guardkit:problem:reason_required"] * 2
    foreign = office.caller(OUTSIDER).post("/approvals/decisions", _body(approvals)).json()
    assert [one["problem"]["type"] for one in foreign["items"]] == ["urn:guardkit:problem:not_found"] * 2
    other = office.caller(SECOND).post("/approvals/decisions", _body(approvals)).json()
    assert [one["taken"] for one in other["items"]] == [None, None]
    assert all(claims.now(one).state is ApprovalState.PENDING for one in approvals)


def test_a_request_that_lost_its_answer_finds_out_how_far_it_came(claims: Claims) -> None:
    store = Failing(claims.clock)
    claims.moved_to(store)
    office = Office(claims)
    ana = office.caller()
    approvals = several(claims, 3, stages=(TOKEN_STAGE,))
    body, key = _body(approvals), ana.key()
    store.left = 1
    assert kind_of(ana.post("/approvals/decisions", body, key)) == "unavailable"
    assert sorted(states(claims, approvals)) == ["approved", "pending", "pending"]
    store.left = 10**9
    answer = ana.post("/approvals/decisions", body, key)
    assert [one["taken"]["state"] for one in answer.json()["items"]] == ["approved"] * 3
    assert [len(claims.now(one).decisions) for one in approvals] == [1, 1, 1]
