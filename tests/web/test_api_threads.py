"""Threads over HTTP: pages, filters, and what cannot be asked."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.tokens import TokenScope
from guardkit.testing.contracts import samples
from tests.web.callers import Office, kind_of
from tests.web.claims import Claims


@pytest.fixture
def office() -> Office:
    claims = Claims()
    for number in range(3):
        samples.paused(claims.store, f"t-{number}", tenant="acme", approvals=number)
        claims.clock.now += 1
    samples.paused(claims.store, "theirs", tenant="north")
    return Office(claims)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def test_threads_are_read_page_by_page_while_some_are_added(office: Office) -> None:
    caller = office.caller(None)
    first = caller.get("/threads", limit=2)
    assert ids(first) == ["t-2", "t-1"]
    samples.paused(office.claims.store, "new", tenant="acme")
    rest = caller.get("/threads", limit=2, cursor=first.json()["next"])
    assert ids(rest) == ["t-0"]
    assert rest.json()["next"] is None
    shown = first.json()["items"][0]
    assert (shown["status"], shown["agent"], shown["principal"]) == ("paused", "agent", "uma")
    assert (shown["pending_approvals"], shown["turn"], shown["dead_letter"]) == (2, 1, None)
    assert shown["active_at"].endswith("Z")


def test_threads_are_filtered(office: Office) -> None:
    caller = office.caller(None)
    assert ids(caller.get("/threads", pending="true", status="paused")) == ["t-2", "t-1"]
    assert ids(caller.get("/threads", pending="false", agent="agent", principal="uma")) == ["t-0"]
    assert ids(caller.get("/threads", prefix="t-1")) == ["t-1"]
    at = caller.get("/threads", prefix="t-1").json()["items"][0]["active_at"]
    assert ids(caller.get("/threads", since=at)) == ["t-2", "t-1"]
    assert ids(caller.get("/threads", until=at)) == ["t-0"]


def test_another_tenants_threads_are_not_there(office: Office) -> None:
    north = office.caller(None, tenant="north")
    assert ids(north.get("/threads")) == ["theirs"]
    cursor = office.caller(None).get("/threads", limit=1).json()["next"]
    assert kind_of(north.get("/threads", cursor=cursor)) == "invalid"
    assert kind_of(north.get("/threads", tenant="acme")) == "invalid"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "not/one"}, "cursor"),
        ({"status": "asleep"}, "status"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-02T00:00:00"}, "since"),
        ({"until": "0001-01-01T00:00:00+23:59"}, "until"),
        ({"pending": "perhaps"}, "pending"),
        ({"limit": "0"}, "limit"),
        ({"agent": ""}, "agent"),
    ],
)
def test_what_cannot_be_asked_is_told(office: Office, query: dict[str, str], field: str) -> None:
    answer = office.caller(None).get("/threads", **query)
    assert kind_of(answer) == "invalid"
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_threads_need_their_scope(office: Office) -> None:
    caller = office.caller(None, scopes=[TokenScope.APPROVALS_READ])
    assert kind_of(caller.get("/threads")) == "scope_missing"
