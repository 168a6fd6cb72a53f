"""The inbox's lists: filters, search, pages, counts, keys."""

from __future__ import annotations

import html
import random
import re
from typing import Any

import pytest

from guardkit.core.listings import ListName, ListQuery
from guardkit.core.people import Assurance
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.errors import InputError
from tests.web.claims import BYSTANDER, DESK_STAGE, FINANCE_STAGE, FIRST, SECOND, THIRD, Claims
from tests.web.visits import Inbox, Visit, text_of

HOUR = 3600.0


def ids_of(page: str) -> list[str]:
    """The approvals on a page, in its order."""
    return re.findall(r'class="card" href="/approvals/([0-9a-f]+)"', page)


def link(page: str, rel: str) -> str | None:
    """Where a page's link to the next or the previous one leads."""
    found = re.search(rf'<a href="([^"]*)" rel="{rel}"', page)
    return None if found is None else html.unescape(found[1])


def got(visit: Visit, path: str, **asked: str) -> str:
    answer = visit.client.get(path, params=asked, follow_redirects=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_what_is_due_first_stands_first(inbox: Inbox, ana: Visit) -> None:
    late = inbox.claims.ask(expires_in=9 * HOUR)
    never = inbox.claims.ask(expires_in=None)
    kept = inbox.claims.ask(expires_in=None)
    soon = inbox.claims.ask(expires_in=HOUR)
    expected = [one.request.id for one in (soon, late, never, kept)]
    assert ids_of(got(ana, "/")) == expected
    assert ids_of(got(ana, "/open")) == expected


def test_the_history_begins_with_what_was_settled_last(inbox: Inbox, ana: Visit) -> None:
    claims = inbox.claims
    first, second = claims.ask(), claims.ask()
    for approval in (second, first):
        claims.clock.now += 1
        claims.decide(approval)
    assert ids_of(got(ana, "/history")) == [first.request.id, second.request.id]
    assert ids_of(got(ana, "/")) == []


def test_what_is_over_or_answered_or_not_yet_ones_own_does_not_wait(inbox: Inbox, ana: Visit) -> None:
    claims = inbox.claims
    over = claims.ask(expires_in=10.0)
    kept = claims.ask(expires_in=10.0, on_expiry="keep")
    claims.ask(stages=(FINANCE_STAGE, DESK_STAGE))
    answered = claims.ask(stages=(DESK_STAGE.model_copy(update={"required": 2}),))
    claims.decide(answered)
    claims.clock.now += 60
    assert ids_of(got(ana, "/")) == [kept.request.id]
    assert over.request.id in got(ana, "/open")
    assert answered.request.id in got(ana, "/open")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"tool": "send_letter"}, [1]),
        ({"tool": "send"}, []),
        ({"agent": "claims-assistant"}, [0, 1, 2]),
        ({"agent": "other"}, []),
        ({"requester": "req@corp.example"}, [0, 1, 2]),
        ({"requester": "somebody"}, []),
        ({"thread": "water-damage-7"}, [2]),
        ({"thread": "water"}, []),
        ({"q": "water-"}, [2]),
        ({"q": "send_letter"}, [1]),
        ({"q": "req@corp.example"}, [0, 1, 2]),
        ({"q": "nothing like it"}, []),
        ({"q": "%"}, []),
        ({"q": "", "tool": " send_letter ", "age": ""}, [1]),
        ({"q": "water-", "tool": "send_letter"}, []),
        ({"due": "1h"}, [0]),
        ({"due": "never"}, [2]),
        ({"due": "1d"}, [0, 1]),
        ({"age": "1h"}, [0]),
        ({"age": "1d"}, []),
    ],
)
@pytest.mark.parametrize("path", ["/", "/open"])
def test_a_list_is_filtered_and_searched(
    inbox: Inbox, ana: Visit, path: str, asked: dict[str, str], found: list[int]
) -> None:
    claims = inbox.claims
    there = [claims.ask(expires_in=2.5 * HOUR)]
    claims.clock.now += 2 * HOUR
    there.append(claims.ask(expires_in=8 * HOUR, tool="send_letter"))
    there.append(claims.ask(expires_in=None, thread_id="water-damage-7"))
    page = got(ana, path, **asked)
    assert ids_of(page) == [there[number].request.id for number in found]
    said = text_of(page)
    assert f"{len(found)} found" in said
    assert ("Nothing is found." in said) == (not found)
    for name, value in asked.items():
        if value.strip() and name in ("q", "tool", "agent", "requester", "thread"):
            assert f'name="{name}" value="{value.strip()}"' in page, "the form keeps what was asked"


def test_an_approval_is_found_by_its_id(inbox: Inbox, ana: Visit) -> None:
    there = [inbox.claims.ask() for _ in range(5)]
    wanted = there[2].request.id
    assert ids_of(got(ana, "/open", q=wanted)) == [wanted]
    assert wanted in ids_of(got(ana, "/", q=wanted[:6]))


def test_the_history_is_filtered_by_outcome_and_time(inbox: Inbox) -> None:
    claims = inbox.claims
    old, new = claims.ask(), claims.ask()
    claims.decide(old, kind="reject", reason="no")
    claims.clock.now += 3 * 24 * HOUR
    claims.decide(claims.ask(), kind="reject", reason="no")
    claims.desk.expire()
    ana = inbox.visit()
    assert ids_of(got(ana, "/history", state="expired")) == [new.request.id]
    assert len(ids_of(got(ana, "/history", state="rejected"))) == 2
    assert len(ids_of(got(ana, "/history", state="rejected", within="1d"))) == 1
    assert old.request.id in ids_of(got(ana, "/history", within="7d"))


def test_nothing_of_others_is_found(inbox: Inbox) -> None:
    claims = inbox.claims
    money = claims.ask(stages=(FINANCE_STAGE,), thread_id="money-1")
    claims.ask(tenant="other", thread_id="money-2")
    for person, expected in ((SECOND, [money.request.id]), (FIRST, []), (BYSTANDER, [])):
        visit = inbox.visit(person)
        for path in ("/", "/open"):
            for asked in ({"q": "money-"}, {"thread": "money-1"}, {"q": money.request.id}, {}):
                assert ids_of(got(visit, path, **asked)) == expected


@pytest.mark.parametrize("path", ["/", "/open", "/history"])
def test_pages_lead_forward_and_back(claims: Claims, path: str) -> None:
    inbox = Inbox(claims, page_size=3)
    ana = inbox.visit()
    for number in range(11):
        approval = claims.ask(expires_in=HOUR * (1 + number % 4), stages=(DESK_STAGE, FINANCE_STAGE))
        claims.ask(stages=(FINANCE_STAGE,))
        if path == "/history":
            claims.decide(approval, kind="reject", reason="no")
    forward, page = [ids_of(got(ana, path, q="req@corp.example"))], got(ana, path, q="req@corp.example")
    assert link(page, "prev") is None
    assert "11 in this list" in text_of(page)
    while (to := link(page, "next")) is not None:
        page = ana.get(to).text
        forward.append(ids_of(page))
    assert [len(ids) for ids in forward] == [3, 3, 3, 2]
    assert len({one for ids in forward for one in ids}) == 11
    back = [ids_of(page)]
    while (to := link(page, "prev")) is not None:
        page = ana.get(to).text
        back.append(ids_of(page))
    assert back == forward[::-1]
    assert link(page, "next") is not None


def test_a_page_that_was_decided_away_leads_back(claims: Claims) -> None:
    inbox = Inbox(claims, page_size=2)
    ana = inbox.visit()
    there = [claims.ask() for _ in range(3)]
    to = link(got(ana, "/"), "next")
    assert to is not None
    claims.decide(there[2])
    page = ana.get(to).text
    assert "Nothing is left on this page." in text_of(page)
    assert '<a href="?">' in page


def test_what_is_decided_meanwhile_shifts_nothing(claims: Claims) -> None:
    inbox = Inbox(claims, page_size=2)
    ana = inbox.visit()
    there = [claims.ask() for _ in range(5)]
    to = link(got(ana, "/"), "next")
    assert to is not None
    claims.decide(there[0])
    claims.decide(there[1])
    assert ids_of(ana.get(to).text) == [there[2].request.id, there[3].request.id]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "cursor=W10",
        "cursor=" + "A" * 4000,
        "due=soon",
        "age=%3Cscript%3E",
        "q=a%00b",
        "q=a%E2%80%AEb",
        "tool=" + "x" * 257,
        "thread=%EF%BF%BF%F0%90",
        "as_of=x",
        "as_of=99999999999",
        "as_of=%D9%A3",
    ],
)
@pytest.mark.parametrize("path", ["/", "/open"])
def test_what_no_page_asks_for_is_told(ana: Visit, path: str, query: str) -> None:
    answer = ana.get(f"{path}?{query}")
    assert answer.status_code == (200 if query.startswith("thread=") else 400)
    if answer.status_code == 400:
        assert "This request cannot be understood" in text_of(answer.text)


def test_filters_of_another_list_do_not_matter(inbox: Inbox, ana: Visit) -> None:
    inbox.claims.ask()
    assert len(ids_of(got(ana, "/", state="rejected", within="1d", utm="x"))) == 1
    assert ana.get("/history?state=pending").status_code == 400


def test_a_cursor_is_of_one_person_and_one_list(claims: Claims) -> None:
    inbox = Inbox(claims, page_size=1)
    for _ in range(3):
        claims.ask(stages=(FINANCE_STAGE,))
    ben, cleo = inbox.visit(SECOND), inbox.visit(THIRD)
    to = link(got(ben, "/"), "next")
    assert to is not None
    assert ben.get(to).status_code == 200
    assert cleo.get(to).status_code == 400
    assert ben.get("/open" + to[1:]).status_code == 400
    assert ben.get(f"{to}&tool=pay_claim").status_code == 400


def test_lists_are_counted_up_to_a_hundred(claims: Claims) -> None:
    ana = Inbox(claims).visit()
    for _ in range(99):
        claims.ask()
    assert '<span class="count">99</span>' in got(ana, "/history")
    claims.ask()
    page = got(ana, "/")
    assert '<span class="count">99+</span>' in page
    assert "99+ in this list" in text_of(page)


def test_every_field_has_a_label_and_keys_are_told(ana: Visit) -> None:
    for path in ("/", "/open", "/history"):
        page = got(ana, path)
        fields = re.findall(r'<(?:input type="text"|select) id="([^"]+)"', page)
        assert len(fields) == 7
        for name in fields:
            assert f'<label for="{name}">' in page
        for key in "wohsf":
            assert f'accesskey="{key}"' in page
            assert f"<kbd>{key.upper()}</kbd>" in page


def test_who_may_decide_follows_the_directory_at_once(claims: Claims) -> None:
    ana = Inbox(claims).visit()
    approval = claims.ask()
    for changes, seen in (
        ({"groups": ()}, False),
        ({"groups": ("claims-desk",)}, True),
        ({"roles": ()}, False),
        ({"roles": ("claims-manager", "more")}, True),
    ):
        claims.people.change(claims.people.people[FIRST.id], **changes)
        assert ids_of(got(ana, "/")) == ([approval.request.id] if seen else [])


def test_the_lists_hold_exactly_what_the_desk_would_take() -> None:
    """Whatever stages ask for and the directory says: a list is what judging each approval gives."""
    claims, dice = Claims(), random.Random(7)
    names = ("p-ana", "ANA.silva@corp.example", "slack:T1:U1", "ben@corp.example", "nobody")
    asked: list[Any] = []
    for _ in range(120):
        stages = tuple(
            ApprovalStage(
                role=dice.choice([None, "claims-manager", "finance"]),
                approvers=tuple(dice.sample(names, dice.randint(0, 2))),
                groups=tuple(dice.sample(("claims-desk", "finance-desk", "ops"), dice.randint(0, 2))),
                channels=("desk",),
                assurance=Assurance.LOCAL_OPERATOR,
                escalations=(Escalation(after=50.0, groups=("finance-desk",), channels=("desk",)),)
                if dice.random() < 0.4
                else (),
            )
            for _ in range(dice.randint(1, 3))
        )
        approval = claims.ask(stages=stages, expires_in=dice.choice([None, 60.0, 9e4]))
        for person in dice.sample([FIRST, SECOND, THIRD], 2):
            if claims.desk.refusal(approval, person, Assurance.OIDC) is None:
                approval = claims.decide(approval, person)
        asked.append(approval)
    for person in claims.people.people.values():
        for of in ListName:
            listed = {
                one.request.id for one in claims.desk.page(person, ListQuery(list=of), limit=1000).approvals
            }
            for approval in asked:
                now = claims.clock.now
                expected = {
                    ListName.WAITING: claims.desk.refusal(approval, person, Assurance.OIDC, now) is None,
                    ListName.OPEN: not approval.state.settled and claims.desk.may_look(approval, person, now),
                    ListName.HISTORY: approval.state.settled and claims.desk.may_look(approval, person, now),
                    ListName.ASKED: person.id == "p-req",
                }[of]
                assert (approval.request.id in listed) == expected, (person.id, of, approval)


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_limit_that_is_none_is_refused(claims: Claims, limit: int) -> None:
    with pytest.raises(InputError, match="limit"):
        claims.desk.page(FIRST, ListQuery(list=ListName.OPEN), limit=limit)
