from __future__ import annotations

import logging
from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.presentation import shown_hash
from guardkit.errors import StorageError
from guardkit.testing import MemoryStore
from tests.web.claims import ARGS, FIRST, SECOND, Claims, Clock
from tests.web.visits import URL, Inbox, Visit, text_of

PAGES = (
    "/",
    "/open",
    "/history",
    "/sign-in",
    "/static/inbox.css",
    "/static/icon.svg",
    "/nothing",
    "/healthz",
    "/readyz",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_response_carries_the_headers(ana: Visit, path: str) -> None:
    headers = ana.get(path).headers
    policy = {part.strip() for part in headers["content-security-policy"].split(";")}
    assert policy == {
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == ("public, max-age=86400" if "static" in path else "no-store")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:1", "127.0.0.1.evil.example:8321", "", "127.0.0.1:8321@evil.example"]
)
def test_an_unknown_host_reaches_nothing(inbox: Inbox, ana: Visit, host: str) -> None:
    approval = inbox.claims.ask()
    answer = ana.client.get(f"/approvals/{approval.request.id}", headers={"Host": host})
    assert answer.status_code == 400
    assert "Okafor" not in answer.text
    assert host not in answer.text or host == ""
    post = ana.client.post(
        f"/approvals/{approval.request.id}/approve",
        data={
            "token": ana.form_token(),
            "digest": approval.digest,
            "shown": shown_hash(approval, approval.version),
        },
        headers={"Host": host},
    )
    assert post.status_code == 400
    assert inbox.claims.now(approval) == approval


def test_the_names_that_are_answered_to(claims: Claims) -> None:
    inbox = Inbox(claims, hosts=("inbox.internal:9000",))
    for host in ("127.0.0.1:8321", "localhost:8321", "LOCALHOST:8321", "[::1]:8321", "inbox.internal:9000"):
        assert inbox.stranger().get("/sign-in", headers={"Host": host}).status_code == 403, host


def test_probes_call_by_any_name(inbox: Inbox) -> None:
    for path in ("/healthz", "/readyz"):
        answer = inbox.stranger().get(path, headers={"Host": "10.1.2.3"})
        assert (answer.status_code, answer.text) == (200, "ok")


HERE = {"Sec-Fetch-Site": "same-origin", "Origin": URL}


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (HERE, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": URL}, 303),
        ({"Origin": "http://localhost:8321"}, 303),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9999"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": URL}, 403),
        ({"Sec-Fetch-Site": "none", "Origin": URL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:8321"}, 403),
        ({"Origin": "http://127.0.0.1:8321.evil.example"}, 403),
        ({}, 403),
    ],
    ids=[
        "here",
        "null-here",
        "fetch-only",
        "origin-only",
        "alias",
        "foreign",
        "other-port",
        "mixed",
        "liar",
        "typed",
        "null",
        "scheme",
        "suffix",
        "nothing",
    ],
)
def test_a_form_must_come_from_here(inbox: Inbox, ana: Visit, headers: dict[str, str], status: int) -> None:
    approval = inbox.claims.ask()
    token = ana.form_token()
    del ana.client.headers["Sec-Fetch-Site"]
    answer = ana.client.post(
        f"/approvals/{approval.request.id}/approve",
        data={"token": token, "digest": approval.digest, "shown": shown_hash(approval, approval.version)},
        headers=headers,
        follow_redirects=False,
    )
    assert answer.status_code == status
    state = ApprovalState.APPROVED if status == 303 else ApprovalState.PENDING
    assert inbox.claims.now(approval).state is state


@pytest.mark.promise("P6")
@pytest.mark.parametrize("action", ["approve", "reject", "respond", "edit", "edit/confirm"])
@pytest.mark.parametrize("token", ["missing", "empty", "wrong", "another session's", "not ASCII"])
def test_a_form_needs_its_sessions_token(inbox: Inbox, ana: Visit, action: str, token: str) -> None:
    approval = inbox.claims.ask(allowed=("approve", "edit", "reject", "respond"))
    fields = {"digest": approval.digest, "shown": shown_hash(approval, approval.version), "reason": "because"}
    match token:
        case "empty":
            fields["token"] = ""
        case "wrong":
            fields["token"] = ana.form_token()[::-1]
        case "another session's":
            fields["token"] = inbox.visit(FIRST).form_token()
        case "not ASCII":
            fields["token"] = "é" * 27
    answer = ana.client.post(
        f"/approvals/{approval.request.id}/{action}", data=fields, follow_redirects=False
    )
    assert answer.status_code == 403
    assert "did not come from the inbox" in text_of(answer.text)
    assert inbox.claims.now(approval) == approval


def test_without_a_session_no_form_counts(inbox: Inbox) -> None:
    approval = inbox.claims.ask()
    answer = inbox.stranger().post(
        f"/approvals/{approval.request.id}/approve",
        data={"digest": approval.digest, "shown": shown_hash(approval, approval.version)},
    )
    assert answer.status_code == 403
    assert inbox.claims.now(approval) == approval


@pytest.mark.promise("P15")
def test_a_form_that_is_too_large_is_not_read(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    answer = ana.post(approval, "approve", reason="x" * 300_000)
    assert answer.status_code == 413
    assert "262,144 bytes" in text_of(answer.text)
    assert inbox.claims.now(approval) == approval


def test_a_body_without_a_declared_length_is_counted(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    sent = 0

    def endless() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 10_000

    answer = ana.client.post(
        f"/approvals/{approval.request.id}/approve",
        content=endless(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"token": "x"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("text/plain", b"token=x"),
        ("", b"token=x"),
        ("application/x-www-form-urlencoded", b"token=%ff%fe"),
        ("application/x-www-form-urlencoded", "token=é".encode()),
        ("application/x-www-form-urlencoded", b"token=a&token=b"),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=x" % n for n in range(1500))),
    ],
    ids=["json", "multipart", "text", "none", "not-utf8", "raw", "twice", "many"],
)
def test_what_is_not_a_form_is_refused(inbox: Inbox, ana: Visit, kind: str, body: bytes) -> None:
    approval = inbox.claims.ask()
    answer = ana.client.post(
        f"/approvals/{approval.request.id}/approve", content=body, headers={"Content-Type": kind}
    )
    assert answer.status_code == 400
    assert inbox.claims.now(approval) == approval


@pytest.mark.parametrize("path", ["/approvals/%00", "/approvals/x%0d%0aSet-Cookie:a=b", "/%01"])
def test_control_characters_in_a_path_are_refused(ana: Visit, path: str) -> None:
    assert ana.get(path).status_code == 400


def test_other_methods_are_refused(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    page = f"/approvals/{approval.request.id}"
    assert ana.client.put(page).status_code == 405
    answer = ana.get(f"{page}/approve")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert f'href="{page}"' in answer.text, "whoever opens a form's address is led back"
    assert inbox.claims.now(approval) == approval


class Broken(MemoryStore):
    """A store whose lists do not work, and whose clock stops when it is told to."""

    error: Exception = RuntimeError("secret text of a user")
    dead = False

    def find_listed(self, *args: Any, **filters: Any) -> Any:
        raise self.error

    def now(self) -> float:
        if self.dead:
            raise StorageError("postgresql://user:password@host is gone")
        return super().now()


@pytest.fixture
def store() -> Broken:
    return Broken(Clock())


@pytest.fixture
def broken(store: Broken) -> Inbox:
    claims = Claims()
    claims.store = store
    claims.desk = type(claims.desk)(claims.store, claims.people, claims.signer)
    return Inbox(claims)


@pytest.mark.promise("P13")
def test_a_fault_shows_and_logs_nothing_of_its_cause(broken: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    visit = broken.visit()
    with caplog.at_level(logging.DEBUG):
        answer = visit.get("/")
    assert answer.status_code == 500
    assert "secret text" not in answer.text
    assert "Traceback" not in answer.text
    assert "secret text" not in caplog.text
    (record,) = [record for record in caplog.records if record.name == "guardkit.web"]
    assert "RuntimeError" in record.getMessage()
    reference = record.getMessage().split("reference ")[1].split("\n")[0]
    assert reference in answer.text
    assert "content-security-policy" in answer.headers


def test_a_database_that_does_not_answer_is_told_so(
    broken: Inbox, store: Broken, caplog: pytest.LogCaptureFixture
) -> None:
    visit = broken.visit()
    store.error = StorageError("postgresql://user:password@host is gone")
    answer = visit.get("/")
    assert answer.status_code == 503
    assert "password" not in answer.text + caplog.text
    assert visit.get("/readyz").status_code == 200
    store.dead = True
    assert visit.get("/readyz").status_code == 503
    assert visit.get("/healthz").status_code == 200


@pytest.mark.promise("P13")
def test_nothing_that_people_write_is_logged(
    inbox: Inbox, ana: Visit, caplog: pytest.LogCaptureFixture
) -> None:
    approval = inbox.claims.ask({**ARGS, "note": "private-note"}, thought="private-thought")
    with caplog.at_level(logging.DEBUG, logger="guardkit"):
        ana.page(approval)
        ana.post(approval, "reject", reason="")
        ana.post(approval, "approve", reason="private-reason", digest="private-digest")
        inbox.visit(SECOND).get(f"/approvals/{approval.request.id}")
        ana.get("/private-path")
    assert "private" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("guardkit")
    )
