"""What callers send wrong, twice, or without a right to: it changes nothing, and the audit log has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardkit.core.replies import HELD, KEPT
from guardkit.core.tokens import TokenScope
from guardkit.errors import StorageError
from guardkit.testing import MemoryStore
from guardkit.web.api.bearer import WRONG_LIMIT, WRONG_SECONDS
from tests.web.callers import DAY, TOKEN_STAGE, TWO_FINANCE, Caller, Office, kind_of, seen
from tests.web.claims import FIRST, SECOND, THIRD, Claims


@pytest.fixture
def office(claims: Claims) -> Office:
    return Office(claims)


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P6")
@pytest.mark.parametrize("way", ["absent", "basic", "short", "unknown", "wrong", "twice", "query", "cookie"])
def test_only_a_right_token_in_the_right_place_counts(office: Office, claims: Claims, way: str) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    text, token = office.token()
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    headers: list[tuple[str, str]] = {
        "basic": [("Authorization", f"Basic {text}")],
        "short": [("Authorization", "Bearer gk_1")],
        "unknown": [("Authorization", f"Bearer gk_{'0' * 16}_{'0' * 64}")],
        "wrong": [("Authorization", f"Bearer {wrong}")],
        "twice": [("Authorization", f"Bearer {text}"), ("Authorization", f"Bearer {text}")],
    }.get(way, [])
    client = office.stranger()
    if way == "cookie":
        client.cookies.set("Authorization", f"Bearer {text}")
    query = {"access_token": text} if way == "query" else {}
    answer = client.post(
        f"/api/v1/approvals/{approval.request.id}/decisions",
        params=query,
        headers=[*headers, ("Idempotency-Key", '"a-key-of-this-test"')],
        json={"decision": "approve", **seen(approval)},
    )
    assert (answer.status_code, kind_of(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="guardkit"')
    assert claims.now(approval) == approval
    told = [event for event in claims.audited("api.refused") if event["why"] == "wrong_token"]
    assert [event["token"] for event in told] == ([token.id] if way == "wrong" else [])


@pytest.mark.promise("P6")
def test_a_token_ends_with_its_time_or_before(office: Office, claims: Claims) -> None:
    short, revoked = office.caller(seconds=60), office.caller()
    assert short.get("/approvals").status_code == revoked.get("/approvals").status_code == 200
    claims.clock.now += 60
    assert kind_of(short.get("/approvals")) == "unauthorized"
    claims.store.revoke_token(revoked.token.id, by="ops")
    assert kind_of(revoked.get("/approvals")) == "unauthorized"
    assert [event["why"] for event in claims.audited("api.refused")] == ["expired", "revoked"]


@pytest.mark.promise("P6")
@pytest.mark.parametrize("scope", list(TokenScope))
def test_a_token_opens_what_its_scope_says(office: Office, claims: Claims, scope: TokenScope) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE, TWO_FINANCE))
    caller = office.caller(scopes=[scope])
    answers = {
        TokenScope.APPROVALS_READ: caller.get("/approvals"),
        TokenScope.THREADS_READ: caller.get("/history", thread=approval.request.thread_id),
        TokenScope.STOPS_READ: caller.get("/stops"),
        TokenScope.STOPS_WRITE: caller.post("/stops", {"scope": "tenant", "why": "drill"}),
        TokenScope.APPROVALS_DECIDE: caller.decide(approval),
    }
    for needed, answer in answers.items():
        if needed is scope:
            assert answer.is_success, answer.text
        else:
            assert (answer.status_code, kind_of(answer)) == (403, "scope_missing")
            assert f'scope="{needed.value}"' in answer.headers["www-authenticate"]
    assert len(claims.audited("api.refused")) == len(answers) - 1


def test_wrong_tokens_are_limited_and_right_ones_are_not(office: Office, claims: Claims) -> None:
    ana, stranger = office.caller(), office.stranger()
    stranger.headers["Authorization"] = f"Bearer {ana.text[:-4]}0000"
    for _ in range(WRONG_LIMIT):
        assert stranger.get("/api/v1/approvals").status_code == 401
    answer = stranger.get("/api/v1/approvals")
    assert (answer.status_code, kind_of(answer)) == (429, "too_many_wrong_tokens")
    assert 0 < int(answer.headers["retry-after"]) <= WRONG_SECONDS + 1
    assert ana.get("/approvals").status_code == 200, "nobody behind the same address is locked out"
    assert len(claims.audited("api.refused")) == WRONG_LIMIT, "a flood does not flood the audit log"
    claims.clock.now += WRONG_SECONDS
    assert stranger.get("/api/v1/approvals").status_code == 401


def test_the_api_and_the_inbox_know_nothing_of_one_another(office: Office, claims: Claims) -> None:
    visit = office.inbox.visit(FIRST)
    assert kind_of(visit.client.get("/api/v1/approvals")) == "unauthorized"
    ana = office.caller()
    assert ana.client.get("/", follow_redirects=False).status_code == 403
    answer = ana.client.get("/api/v1/approvals", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert ana.client.options("/api/v1/approvals").status_code == 405


# --- what is sent ----------------------------------------------------------------------------------------------------


def send(caller: Caller, path: str, body: bytes, **headers: str) -> Any:
    """A POST as bytes, with a new key, unless the headers say otherwise."""
    sent = {"Idempotency-Key": caller.key(), "Content-Type": "application/json", **headers}
    kept = {name: value for name, value in sent.items() if value}
    return caller.client.post(f"/api/v1{path}", content=body, headers=kept)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        (b"", {}, 400, "bad_request"),
        (b"{", {}, 400, "bad_request"),
        (b"\xff", {}, 400, "bad_request"),
        (b'{"decision":"approve","decision":"reject"}', {}, 400, "bad_request"),
        (b'{"version":NaN}', {}, 400, "bad_request"),
        (b'{"version":9007199254740993}', {}, 400, "bad_request"),
        (b'{"comment":"\\ud800"}', {}, 400, "bad_request"),
        (b"[" * 20_000, {}, 400, "bad_request"),
        (b"null", {}, 422, "invalid"),
        (b"[]", {}, 422, "invalid"),
        (b"{}", {}, 422, "invalid"),
        (b"right+more", {}, 422, "invalid"),
        (b"right+text-version", {}, 422, "invalid"),
        (b"right+long-comment", {}, 422, "invalid"),
        (b" " * 300_000, {}, 413, "too_large"),
        (b"right", {"Content-Type": ""}, 415, "unsupported_media_type"),
        (b"right", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"right", {"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type"),
        (b"right", {"Content-Length": "9" * 30}, 413, "too_large"),
        (b"right", {"Idempotency-Key": ""}, 400, "key_required"),
        (b"right", {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}, 400, "key_required"),
        (b"right", {"Idempotency-Key": '"short"'}, 400, "key_required"),
        (b"right", {"Idempotency-Key": f'"{"k" * 129}"'}, 400, "key_required"),
    ],
    ids=lambda value: str(value)[:36],
)
def test_what_cannot_be_read_is_told_and_changes_nothing(
    office: Office, claims: Claims, body: bytes, headers: dict[str, str], status: int, kind: str
) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    right: dict[str, Any] = {"decision": "approve", **seen(approval)}
    named = {
        b"right": right,
        b"right+more": {**right, "secret-field": 1},
        b"right+text-version": {**right, "version": "0"},
        b"right+long-comment": {**right, "comment": "x" * 4001},
    }
    sent = json.dumps(named[body]).encode() if body in named else body
    caller = office.caller()
    answer = send(caller, f"/approvals/{approval.request.id}/decisions", sent, **headers)
    assert (answer.status_code, kind_of(answer)) == (status, kind)
    assert "secret-field" not in answer.text, "nothing that was sent is repeated"
    assert claims.now(approval) == approval
    (event,) = claims.audited("api.refused")
    assert (event["why"], event["operation"], event["approval"], event["by"]) == (
        kind, "decide", approval.request.id, "p-ana",
    )  # fmt: skip


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=1e1", "limit=+1", "limit=%D9%A1", "limit=1&limit=2", "for_me=yes", "state=open",
        "agent=", "agent=%00", "agent=%ff", "more=1", "cursor=!", "cursor=AAAA", "cursor=WzFlMzAwLCJhIl0",
        "cursor=WzEsIlwwIl0", "cursor=W3RydWUsImEiXQ", "%", "a&b", "due_before=soon", "asked_before=2026-11-28",
        "search=", "requester=%00",
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_used_are_told(office: Office, query: str) -> None:
    answer = office.caller().client.get(f"/api/v1/approvals?{query}")
    assert (answer.status_code, kind_of(answer)) in ((422, "invalid"), (400, "bad_request"))


def test_a_wrong_field_is_named(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    answer = office.caller().decide(approval, version=-1)
    (error,) = answer.json()["errors"]
    assert error["field"] == "version"
    assert "greater than or equal to 0" in error["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/", 404), ("GET", "/api/v2/approvals", 404), ("DELETE", "/api/v1/approvals", 405),
     ("GET", "/api/v1/approvals/nothing", 404), ("PUT", "/api/v1/stops", 405)],
)  # fmt: skip
def test_addresses_that_are_none(office: Office, method: str, path: str, status: int) -> None:
    answer = office.caller().client.request(method, path)
    assert answer.status_code == status
    assert kind_of(answer) == ("method_not_allowed" if status == 405 else "not_found")
    assert ("allow" in answer.headers) == (status == 405)


def test_a_foreign_name_of_the_host_is_refused(office: Office) -> None:
    answer = office.caller().client.get("/api/v1/approvals", headers={"Host": "evil.example"})
    assert (answer.status_code, kind_of(answer)) == (400, "bad_request")


# --- once ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P2")
def test_the_same_request_is_answered_alike_and_acts_once(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TWO_FINANCE,))
    ben, key = office.caller(SECOND), '"the-key-of-ben-0001"'
    first = ben.decide(approval, key)
    office.caller(THIRD).decide(claims.now(approval))
    again = ben.decide(approval, key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert first.json()["state"] == "pending", "as it was then, although it is approved now"
    assert [said.person for said in claims.now(approval).decisions] == ["p-ben", "p-cleo"]
    assert [event["operation"] for event in claims.audited("api.replayed")] == ["decide"]


@pytest.mark.promise("P2")
def test_a_refusal_is_an_answer_too(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    ana, key = office.caller(), '"the-key-of-ana-0001"'
    first = ana.decide(approval, key, digest="0" * 64)
    again = ana.decide(approval, key, digest="0" * 64)
    assert (again.status_code, again.content) == (409, first.content)
    assert len(claims.audited("approval.refused")) == 1


@pytest.mark.promise("P2")
def test_a_key_stands_for_one_request(office: Office, claims: Claims) -> None:
    one, two = claims.ask(stages=(TOKEN_STAGE,)), claims.ask(stages=(TOKEN_STAGE,))
    ana, key = office.caller(), '"the-key-of-ana-0001"'
    assert ana.decide(one, key).status_code == 200
    for answer in (
        ana.decide(one, key, comment="and more"),
        ana.decide(two, key),
        ana.post("/stops", {"scope": "tenant", "why": "x"}, key),
    ):
        assert (answer.status_code, kind_of(answer)) == (422, "key_reused")
    assert claims.now(two) == two
    assert list(claims.store.stops()) == []
    assert office.caller().decide(two, key).status_code == 200, "another token's key is another key"


@pytest.mark.promise("P2")
def test_the_order_of_fields_does_not_matter(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    ana, key = office.caller(), '"the-key-of-ana-0001"'
    said = {"decision": "approve", **seen(approval)}
    path = f"/approvals/{approval.request.id}/decisions"
    first = ana.post(path, said, key)
    assert ana.post(path, dict(reversed(said.items())), key).content == first.content


class Dying(MemoryStore):
    """A store whose process dies, or whose database goes, at the worst moment."""

    dies_before_answering = False
    gone = False

    def answered(self, request: Any, owner: str, reply: Any) -> bool:
        if self.dies_before_answering:
            raise RuntimeError("the process dies here")
        return super().answered(request, owner, reply)

    def settle(self, approval: Any, expected_version: int, events: Any) -> bool:
        if self.gone:
            raise StorageError("the database cannot be reached")
        return super().settle(approval, expected_version, events)


class DyingClaims(Claims):
    """A claims desk over it."""

    store: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store = Dying(self.clock)
        self.desk = type(self.desk)(self.store, self.people, self.signer)


@pytest.mark.promise("P2", "P12")
def test_a_process_that_died_between_act_and_answer_is_not_repeated() -> None:
    claims = DyingClaims()
    office = Office(claims)
    approval = claims.ask(stages=(TWO_FINANCE,))
    ben, key = office.caller(SECOND, seconds=9 * DAY), '"the-key-of-ben-0001"'
    claims.store.dies_before_answering = True
    assert kind_of(ben.decide(approval, key)) == "fault"
    claims.store.dies_before_answering = False
    held = ben.decide(approval, key)
    assert (held.status_code, kind_of(held)) == (409, "in_progress")
    assert held.headers["retry-after"] == "1"
    claims.clock.now += HELD
    answer = ben.decide(approval, key)
    assert answer.status_code == 200
    assert (answer.json()["person"], answer.json()["version"]) == ("p-ben", 1)
    claims.clock.now += KEPT
    assert ben.decide(approval, key).content == answer.content, "the decision itself remembers its request"
    assert [said.person for said in claims.now(approval).decisions] == ["p-ben"]
    assert claims.audited("approval.refused") == []


@pytest.mark.promise("P2")
def test_a_database_that_is_gone_is_told_and_the_same_key_works_later() -> None:
    claims = DyingClaims()
    office = Office(claims)
    approval = claims.ask(stages=(TOKEN_STAGE,))
    ana, key = office.caller(), '"the-key-of-ana-0001"'
    claims.store.gone = True
    answer = ana.decide(approval, key)
    assert (answer.status_code, kind_of(answer)) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert claims.now(approval) == approval
    claims.store.gone = False
    assert ana.decide(approval, key).json()["state"] == "approved"


def test_a_stop_is_set_once_for_a_key(office: Office, claims: Claims) -> None:
    ana, key, body = (
        office.caller(seconds=9 * DAY),
        '"the-key-of-ana-0001"',
        {"scope": "tenant", "why": "drill"},
    )
    made = ana.post("/stops", body, key).json()
    assert ana.post("/stops", body, key).json() == made
    claims.clock.now += KEPT
    assert ana.post("/stops", body, key).json()["id"] == made["id"]
    assert [order.id for order in claims.store.stops()] == [made["id"]]


def test_what_is_unforeseen_says_nothing_of_the_insides() -> None:
    class Broken(MemoryStore):
        def stops(self) -> Any:
            raise RuntimeError("a secret of the insides")

    claims = Claims()
    claims.store = Broken(claims.clock)
    claims.desk = type(claims.desk)(claims.store, claims.people, claims.signer)
    answer = Office(claims).caller().get("/stops")
    assert (answer.status_code, kind_of(answer)) == (500, "fault")
    assert "secret" not in answer.text
