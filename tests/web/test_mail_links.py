"""Where the links in mails lead: opening one changes nothing, a form decides once, and only for whose link it is."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from hypothesis import given, strategies as st
from pydantic import SecretStr
from selenium.webdriver.common.by import By
from starlette.testclient import TestClient

from guardkit.channels.email import MailLink, MailLinks
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Assurance, Person
from guardkit.core.presentation import present, presentation_hash, shown_hash
from guardkit.errors import ConfigurationError, DecisionRefusedError
from guardkit.web import inbox
from tests.unit.email_channel.desk import (
    CHANNEL,
    CHAT_STAGE,
    FINANCE,
    MAIL_STAGE,
    Mailing,
    attached,
    claims_desk,
    token_in,
)
from tests.unit.email_channel.mailserver import MailServer
from tests.web.claims import ARGS, BYSTANDER, FIRST, OUTSIDER, REQUESTER, SECOND, START, THIRD, Claims
from tests.web.test_browser import browser, complaints, press, waits_for
from tests.web.test_escaping import HOSTILE, is_inert
from tests.web.visits import KEY, Inbox, hidden, text_of

WEEK = 7 * 86400.0


class MailInbox(Inbox):
    """The inbox of a claims desk whose approvers are written to."""

    def __init__(self, claims: Claims, **settings: Any) -> None:
        super().__init__(claims, **settings)
        self.app = inbox(
            claims.desk,
            claims.store,
            claims.people,
            self.settings,
            sign_in=self.link,
            channels={CHANNEL: attached(claims)},
            clock=claims.clock,
        )
        self.app.state.claims = claims

    def token_for(self, asked: Approval, person: Person = FIRST, **more: Any) -> str:
        """The token of the link in this person's mail."""
        link = {"channel": CHANNEL, "approval": asked.request.id, "version": asked.version, **more}
        key = link.pop("key", KEY)
        return MailLinks([key]).token(
            MailLink(**{"person": person.id, "delivery": "d-1", "until": START + WEEK, **link})
        )

    def refused(self, tenant: str = "*") -> list[Any]:
        """Why links did not count, as the audit log has it."""
        return [data["why"] for data in self.claims.audited("channel.refused", tenant)]


@pytest.fixture
def claims() -> Claims:
    return claims_desk()


@pytest.fixture
def inbox_(claims: Claims) -> MailInbox:
    return MailInbox(claims)


@pytest.fixture
def ana(inbox_: MailInbox) -> TestClient:
    """Somebody's browser; nobody is signed in."""
    return inbox_.stranger()


def post(client: TestClient, kind: str, token: str, **fields: str) -> Any:
    """Post a form of the link's page; `shown` as the page has it, unless given."""
    if "shown" in fields:
        return client.post(f"/mail/{kind}", data={"token": token, **fields}, follow_redirects=False)
    link = MailLinks([KEY]).read(token)
    app: Any = client.app
    approval = None if link is None else app.state.claims.store.find(link.approval)
    shown = "" if approval is None else presentation_hash(present(approval))
    fields = {"token": token, "shown": shown, **fields}
    return client.post(f"/mail/{kind}", data=fields, follow_redirects=False)


# --- the way that it should go ---------------------------------------------------------------------------------------


@pytest.mark.promise("P6")
def test_the_link_in_a_mail_leads_to_a_decision_that_is_signed_as_one_by_a_link(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    with MailServer() as server:
        mailing = Mailing(claims, server, attached(claims, server.port))
        assert mailing.deliver() == []
        token = token_in(mailing.last())
        (post_,) = mailing.posts(approval)
    page = ana.get(f"/mail/{token}").text
    shown = text_of(page)
    for words in (
        "Pay claim",
        "Maria Okafor",
        "1250.00",
        "Plumber",
        "not verified",
        "Ana Silva",
        approval.digest,
    ):
        assert words in shown, words
    answer = post(ana, "approve", hidden(page, "token"), reason="  checked the report ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/mail/{token}")
    after = claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    (said,) = after.decisions
    assert claims.verifier.decision(said)
    assert (said.person, said.via, said.assurance) == (FIRST.id, CHANNEL, Assurance.EMAIL_LINK)
    assert (said.reason, said.delivery, said.digest, said.shown) == (
        "checked the report",
        post_.delivery,
        approval.digest,
        hidden(page, "shown"),
    )
    assert hidden(page, "shown") == shown_hash(approval, 0)
    shown = text_of(ana.get(f"/mail/{token}").text)
    assert "Approved by Ana Silva" in shown
    assert "Your decision" not in shown


@pytest.mark.promise("P4")
def test_a_rejection_needs_a_reason(claims: Claims, inbox_: MailInbox, ana: TestClient) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    token = inbox_.token_for(approval)
    for reason, problem in (("  ", "Say why"), ("x" * 4001, "At most 4,000 characters")):
        answer = post(ana, "reject", token, reason=reason)
        assert answer.status_code == 422
        assert problem in text_of(answer.text)
        assert claims.now(approval) == approval
    assert post(ana, "approve", token, reason="y" * 4001).status_code == 422
    assert post(ana, "approve", token, reason="\0").status_code == 422
    assert claims.now(approval) == approval
    assert post(ana, "reject", token, reason="wrong account").status_code == 303
    after = claims.now(approval)
    assert (after.state, after.decisions[0].reason) == (ApprovalState.REJECTED, "wrong account")


def test_the_whole_of_a_long_value_can_be_had_by_the_link_alone(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask({**ARGS, "note": "ä<b>" * 5000}, stages=(MAIL_STAGE,))
    token = inbox_.token_for(approval)
    page = ana.get(f"/mail/{token}").text
    found = re.search(r'href="(/mail/[^"]*\.txt)"', page)
    assert found is not None
    whole = ana.get(found[1])
    assert whole.text == "ä<b>" * 5000
    assert "attachment" in whole.headers["content-disposition"]
    assert ana.get(f"/mail/{token}/args/9999.txt").status_code == 404
    assert ana.get(found[1].replace(token, "no-token")).status_code == 403


# --- opening it changes nothing --------------------------------------------------------------------------------------


@pytest.mark.promise("P6")
def test_whoever_opens_it_in_whatever_way_decides_nothing(claims: Claims, inbox_: MailInbox) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    path = f"/mail/{inbox_.token_for(approval)}"
    entries = len(claims.store.entries("acme"))
    scanner = TestClient(inbox_.app, base_url=inbox_.settings.origin)
    for headers in (
        {},
        {"Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Site": "none"},
        {"User-Agent": "Mozilla/5.0 (compatible; MailScanner)", "Sec-Fetch-Site": "cross-site"},
    ):
        for _ in range(3):
            for method in ("GET", "HEAD"):
                answer = scanner.request(method, path, headers=headers)
                assert answer.status_code == 200
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["referrer-policy"] == "no-referrer"
        for method in ("OPTIONS", "PUT", "DELETE", "POST"):
            assert scanner.request(method, path, headers=headers).status_code in (403, 405)
    assert claims.now(approval) == approval
    assert len(claims.store.entries("acme")) == entries


def test_the_page_has_no_script_and_signs_nobody_in(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    answer = ana.get(f"/mail/{inbox_.token_for(approval)}")
    assert "<script" not in answer.text
    assert "set-cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert re.findall(r'<form method="([a-z]+)" action="([^"]+)"', answer.text) == [
        ("post", "/mail/approve"),
        ("post", "/mail/reject"),
    ]
    assert ana.get(f"/approvals/{approval.request.id}").status_code == 403


@pytest.mark.promise("P6")
def test_a_form_from_elsewhere_decides_nothing(claims: Claims, inbox_: MailInbox) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    token = inbox_.token_for(approval)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {},
    ):
        robot = TestClient(inbox_.app, base_url=inbox_.settings.origin, headers=headers)
        assert post(robot, "approve", token).status_code == 403
    assert claims.now(approval) == approval


# --- links that do not count -----------------------------------------------------------------------------------------


def altered(token: str) -> str:
    return token[:10] + ("A" if token[10] != "A" else "B") + token[11:]


@pytest.mark.promise("P6")
@pytest.mark.parametrize("kind", ["show", "approve", "reject"])
@pytest.mark.parametrize("how", ["forged", "altered", "truncated", "empty", "of another channel"])
def test_a_link_that_is_not_genuine_changes_nothing_and_is_audited(
    claims: Claims, inbox_: MailInbox, ana: TestClient, kind: str, how: str
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    good = inbox_.token_for(approval)
    token = {
        "forged": inbox_.token_for(
            approval, key=SecretStr("somebody else's key, of more than 32 characters")
        ),
        "altered": altered(good),
        "truncated": good[:-1],
        "empty": "",
        "of another channel": inbox_.token_for(approval, channel="other"),
    }[how]
    answer = ana.get(f"/mail/{token}") if kind == "show" else post(ana, kind, token, reason="x")
    assert answer.status_code == 403
    assert "This link does not count" in text_of(answer.text)
    assert claims.now(approval) == approval
    assert inbox_.refused() == ["bad_link"]


@pytest.mark.promise("P6")
def test_a_link_that_is_too_old_changes_nothing_and_is_audited(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,), expires_in=None)
    token = inbox_.token_for(approval, until=claims.clock.now + 60)
    claims.clock.now += 59
    assert ana.get(f"/mail/{token}").status_code == 200
    claims.clock.now += 1
    assert ana.get(f"/mail/{token}").status_code == 410
    assert post(ana, "approve", token).status_code == 410
    assert claims.now(approval) == approval
    assert inbox_.refused("acme") == ["expired_link"] * 2


@pytest.mark.promise("P5", "P14")
@pytest.mark.parametrize(
    ("person", "changes", "why"),
    [
        (BYSTANDER, {}, "foreign_link"),
        (OUTSIDER, {}, "foreign_link"),
        (REQUESTER, {}, "requester_link"),
        (FIRST, {"active": False}, "foreign_link"),
        (FIRST, {"groups": ()}, "foreign_link"),
        (FIRST, {"tenant": "other"}, "foreign_link"),
        (FIRST, {"id": "p-new", "identities": ("p-ana",)}, "foreign_link"),
        (FIRST, {"identities": ("req@corp.example",)}, "requester_link"),
    ],
    ids=[
        "bystander",
        "other tenant",
        "requester",
        "inactive",
        "left the group",
        "moved",
        "another id",
        "is requester",
    ],
)
def test_a_link_of_somebody_who_may_not_answer_changes_nothing_and_is_audited(
    claims: Claims, inbox_: MailInbox, ana: TestClient, person: Person, changes: dict[str, Any], why: str
) -> None:
    if "req@corp.example" in changes.get("identities", ()):
        del claims.people.people[REQUESTER.id]
    approval = claims.ask(stages=(MAIL_STAGE,))
    token = inbox_.token_for(approval, person)
    claims.people.people[person.id] = person.model_copy(update=changes)
    for answer in (
        ana.get(f"/mail/{token}"),
        post(ana, "approve", token),
        post(ana, "reject", token, reason="x"),
    ):
        assert answer.status_code == 403
        assert "Maria Okafor" not in answer.text
    assert claims.now(approval) == approval
    assert inbox_.refused("acme") == [why] * 3


@pytest.mark.promise("P6")
def test_a_link_to_nothing_is_refused(claims: Claims, inbox_: MailInbox, ana: TestClient) -> None:
    token = inbox_.token_for(claims.ask(stages=(MAIL_STAGE,)), approval="f" * 32)
    assert ana.get(f"/mail/{token}").status_code == 403
    assert inbox_.refused() == ["foreign_link"]


@pytest.mark.promise("P6")
def test_many_forgeries_do_not_fill_the_audit_log(claims: Claims, inbox_: MailInbox, ana: TestClient) -> None:
    for number in range(100):
        assert ana.get(f"/mail/{number}.x").status_code == 403
    assert 0 < len(inbox_.refused()) < 40


def test_keys_are_rotated(claims: Claims) -> None:
    new = SecretStr("a newer key for tests, of more than 32 characters")
    approval = claims.ask(stages=(MAIL_STAGE,))
    rotated = MailInbox(claims, keys=(new, KEY))
    assert rotated.stranger().get(f"/mail/{rotated.token_for(approval)}").status_code == 200
    assert rotated.stranger().get(f"/mail/{rotated.token_for(approval, key=new)}").status_code == 200


@pytest.mark.promise("P15")
def test_an_inbox_that_cannot_read_its_own_links_does_not_start(claims: Claims) -> None:
    with pytest.raises(ConfigurationError, match=rf"web\.keys lacks the web secret that channel '{CHANNEL}'"):
        MailInbox(claims, keys=(SecretStr("a newer key for tests, of more than 32 characters"),))


def test_an_inbox_without_such_a_channel_has_no_such_pages(claims: Claims, inbox_: MailInbox) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    plain = Inbox(claims).stranger()
    token = inbox_.token_for(approval)
    assert plain.get(f"/mail/{token}").status_code == 404
    assert post(plain, "approve", token, shown="").status_code == 404


# --- answers that do not count ---------------------------------------------------------------------------------------


@pytest.mark.promise("P6")
def test_a_second_answer_is_told_who_has_decided(claims: Claims, inbox_: MailInbox, ana: TestClient) -> None:
    approval = claims.ask(stages=(MAIL_STAGE.model_copy(update={"groups": ("claims-desk", "finance-desk")}),))
    token, other = inbox_.token_for(approval), inbox_.token_for(approval, SECOND)
    assert post(ana, "approve", token).status_code == 303
    decided = claims.now(approval)
    again = post(ana, "approve", token)
    assert again.status_code == 409
    assert re.search(r"You approved it on \d\d \w{3} 2026, \d\d:\d\d UTC", text_of(again.text))
    late = post(ana, "reject", other, reason="no")
    assert late.status_code == 409
    assert "Ana Silva approved it on" in text_of(late.text)
    assert f'href="/mail/{other}"' in late.text
    assert claims.now(approval) == decided
    assert [data["why"] for data in claims.audited("approval.refused")] == ["already_settled"] * 2


@pytest.mark.promise("P1")
def test_after_an_edit_an_old_link_shows_it_and_decides_nothing(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    stage = MAIL_STAGE.model_copy(update={"groups": ("claims-desk", "finance-desk"), "required": 2})
    approval = claims.ask(stages=(stage,))
    old = inbox_.token_for(approval)
    edited = claims.decide(
        approval, SECOND, kind="edit", args={**ARGS, "amount": "900.00"}, assurance=Assurance.OIDC
    )
    page = ana.get(f"/mail/{old}").text
    assert "900.00" in page
    assert "The action was edited after this mail was written" in text_of(page)
    assert "/mail/approve" not in page
    for kind in ("approve", "reject"):
        answer = post(ana, kind, old, reason="x")
        assert answer.status_code == 409
        assert "The action has changed since this mail was written" in text_of(answer.text)
    assert claims.now(approval) == edited
    assert post(ana, "approve", inbox_.token_for(edited)).status_code == 303
    assert claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P6")
def test_a_version_that_was_never_shown_decides_nothing(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,))
    token = inbox_.token_for(approval, version=7)
    assert "/mail/approve" not in ana.get(f"/mail/{token}").text
    assert post(ana, "approve", token).status_code == 409
    assert claims.now(approval) == approval


@pytest.mark.promise("P5", "P6")
def test_of_a_quorum_one_voice_comes_by_a_link(claims: Claims, inbox_: MailInbox, ana: TestClient) -> None:
    approval = claims.ask(stages=(FINANCE,))
    ben, cleo = inbox_.token_for(approval, SECOND), inbox_.token_for(approval, THIRD)
    assert "/mail/approve" in ana.get(f"/mail/{cleo}").text
    assert post(ana, "approve", ben).status_code == 303
    half = claims.now(approval)
    assert half.state is ApprovalState.PENDING
    again = post(ana, "approve", ben)
    assert again.status_code == 409
    assert "You have already answered this" in text_of(again.text)
    page = ana.get(f"/mail/{cleo}").text
    assert "One approval by a link in a mail already counts" in text_of(page)
    assert 'action="/mail/approve"' not in page
    assert 'action="/mail/reject"' in page
    second = post(ana, "approve", cleo)
    assert second.status_code == 403
    assert "one approval by such a link already counts" in text_of(second.text)
    assert claims.now(approval) == half
    assert [data["why"] for data in claims.audited("approval.refused")] == [
        "already_decided",
        "assurance_too_low",
    ]
    claims.decide(approval, THIRD, assurance=Assurance.OIDC, via="web")
    assert claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P6")
def test_no_edit_and_no_words_for_the_model_come_by_a_link(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,), allowed=("approve", "edit", "reject", "respond"))
    token = inbox_.token_for(approval)
    page = ana.get(f"/mail/{token}").text
    assert "For everything else, sign in to the inbox" in text_of(page)
    for kind in ("edit", "respond", "edit/confirm"):
        assert post(ana, kind, token, reason="x", changes="[]").status_code == 405
    with pytest.raises(DecisionRefusedError) as caught:
        claims.decide(
            approval,
            kind="edit",
            args={**ARGS, "amount": "1.00"},
            assurance=Assurance.EMAIL_LINK,
            via=CHANNEL,
        )
    assert caught.value.reason == "assurance_too_low"
    assert claims.now(approval) == approval


@pytest.mark.promise("P6")
def test_a_stage_that_needs_more_is_not_decided_by_a_link(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(CHAT_STAGE,))
    token = inbox_.token_for(approval)
    page = ana.get(f"/mail/{token}").text
    assert "asks for a stronger sign-in" in text_of(page)
    assert "/mail/approve" not in page
    assert post(ana, "approve", token).status_code == 403
    assert post(ana, "reject", token, reason="x").status_code == 403
    assert claims.now(approval) == approval


def test_an_answer_that_comes_too_late_changes_nothing(
    claims: Claims, inbox_: MailInbox, ana: TestClient
) -> None:
    approval = claims.ask(stages=(MAIL_STAGE,), expires_in=60.0)
    token = inbox_.token_for(approval)
    claims.clock.now += 61
    assert "The time to decide" in text_of(ana.get(f"/mail/{token}").text)
    answer = post(ana, "approve", token)
    assert answer.status_code == 409
    assert "The time to decide is over" in text_of(answer.text)
    assert claims.desk.expire() == 1
    assert post(ana, "approve", token).status_code == 409
    assert claims.now(approval).state is ApprovalState.EXPIRED


# --- hostile input ---------------------------------------------------------------------------------------------------


def test_hostile_text_stays_text(claims: Claims, inbox_: MailInbox, ana: TestClient) -> None:
    claims.people.change(FIRST, name=f"Ana {HOSTILE}")
    approval = claims.ask(
        {"note": HOSTILE, "amount": HOSTILE, HOSTILE: HOSTILE},
        schema={},
        tool=f"pay {HOSTILE}",
        thought=HOSTILE,
        why=(HOSTILE,),
        reads={HOSTILE: HOSTILE},
        stages=(MAIL_STAGE,),
    )
    token = inbox_.token_for(approval)
    assert "<script>alert(1)</script>" in is_inert(ana.get(f"/mail/{token}").text)
    is_inert(post(ana, "reject", token, reason=HOSTILE + "x" * 4000).text)
    assert post(ana, "reject", token, reason="no " + re.sub("[\0-\x08]", "", HOSTILE)).status_code == 303
    is_inert(ana.get(f"/mail/{token}").text)
    is_inert(post(ana, "approve", token).text)


CLAIMS = claims_desk()
MAILBOX = MailInbox(CLAIMS)
ASKED = CLAIMS.ask(stages=(MAIL_STAGE,))
TOKEN = MAILBOX.token_for(ASKED)
VISITOR = MAILBOX.stranger()

_ANY = st.text(st.characters(codec="utf-8"), max_size=200)
_TOUCHED = st.builds(
    lambda at, sign, cut: TOKEN[:at] + sign + TOKEN[at + cut :],
    st.integers(0, len(TOKEN)),
    st.text(min_size=1, max_size=3) | st.sampled_from(["/", ".", "%2F", "?x=", "#", "\\", "\u202e"]),
    st.integers(0, 3),
)


@pytest.mark.promise("P6")
@given(token=st.one_of(_ANY, _TOUCHED), how=st.sampled_from(["path", "form", "value"]), reason=_ANY)
def test_no_token_that_was_touched_does_anything(token: str, how: str, reason: str) -> None:
    if token.strip() == TOKEN:
        return
    path = f"/mail/{quote(_sendable(token))}"
    match how:
        case "path":
            answer = VISITOR.get(path)
        case "value":
            answer = VISITOR.get(f"{path}/args/all.txt")
        case _:
            answer = post(VISITOR, "approve", _sendable(token), reason=_sendable(reason))
    assert answer.status_code in (400, 403, 404, 405)
    assert CLAIMS.now(ASKED) == ASKED


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@pytest.mark.promise("P6")
@given(
    kind=st.sampled_from(["approve", "reject"]),
    body=st.one_of(st.binary(max_size=300), _ANY.map(lambda text: f"token={TOKEN}&token={text}".encode())),
    content_type=st.sampled_from(
        ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", ""]
    ),
)
def test_no_form_that_was_touched_does_anything(kind: str, body: bytes, content_type: str) -> None:
    answer = VISITOR.post(f"/mail/{kind}", content=body, headers={"content-type": content_type})
    assert answer.status_code in (400, 403)
    assert CLAIMS.now(ASKED) == ASKED


# --- real servers ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(**options: Any) -> Iterator[MailInbox]:
    """The inbox on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        claims = claims_desk()
        box = MailInbox(claims, url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(box.app, ws="none", **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield box
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.mark.promise("P13")
@pytest.mark.timeout(120)
def test_no_token_gets_into_the_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with served(log_config=None, access_log=True, log_level="debug") as box:
        approval = box.claims.ask({**ARGS, "note": "x" * 9000}, stages=(MAIL_STAGE,))
        token = box.token_for(approval)
        with httpx.Client(
            base_url=box.settings.origin,
            headers={"Sec-Fetch-Site": "same-origin"},
            trust_env=False,
            timeout=60,
        ) as ana:
            paths = (
                token,
                altered(token),
                f"{token}?utm_source={token}",
                f"{token}/args/all.txt",
                f"{token}/x",
                f"{token}/",
            )
            statuses = [ana.get(f"/mail/{path}").status_code for path in paths]
            assert statuses == [200, 403, 200, 200, 403, 403]
            assert ana.get(f"/mail/{token}", headers={"Host": "evil.example"}).status_code == 400
            assert ana.head(f"/mail/{token}").status_code == 200
            assert ana.post(f"/mail/{token}").status_code == 405
            form = {"token": token, "shown": shown_hash(approval, 0)}
            assert ana.post("/mail/approve", data=form).status_code == 303
            assert ana.post("/mail/approve", data=form).status_code == 409
    logged = [
        record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "guardkit"))
    ]
    assert sum("/mail/link" in line for line in logged) == 9, "the access log was on"
    assert any("/mail/approve" in line for line in logged)
    for line in logged:
        assert token[:20] not in line
        assert token[-20:] not in line


@pytest.mark.browser
@pytest.mark.timeout(300)
@pytest.mark.promise("P6")
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_somebody_decides_in_a_browser(chromium: str, scripts: bool) -> None:
    with served(log_level="warning", access_log=False) as box, browser(chromium, scripts=scripts) as driver:
        first = box.claims.ask(stages=(MAIL_STAGE,))
        second = box.claims.ask({**ARGS, "claim_id": "C-2042"}, stages=(MAIL_STAGE,))
        driver.get(f"{box.settings.origin}/mail/{box.token_for(first)}")
        waits_for(driver, "Your decision")
        waits_for(driver, "Maria Okafor")
        assert box.claims.now(first) == first, "opening it decides nothing"
        driver.find_element(By.ID, "c-approve").send_keys("Looks right.")
        press(driver, "Approve")
        waits_for(driver, "Approved by Ana Silva")
        driver.get(f"{box.settings.origin}/mail/{box.token_for(second)}")
        waits_for(driver, "Your decision")
        press(driver, "Reject…")
        press(driver, "Reject")  # the browser itself asks for the reason, and sends nothing
        waits_for(driver, "Your decision")
        driver.find_element(By.ID, "c-reject").send_keys("The account is not hers.")
        press(driver, "Reject")
        waits_for(driver, "Rejected by Ana Silva")
        assert driver.get_cookies() == [], "a link signs nobody in"
        assert complaints(driver) == []
        driver.get(f"{box.settings.origin}/mail/{altered(box.token_for(second))}")
        waits_for(driver, "This link does not count")
    assert box.claims.now(first).state is ApprovalState.APPROVED
    assert box.claims.now(first).decisions[0].reason == "Looks right."
    assert box.claims.now(second).state is ApprovalState.REJECTED


@pytest.mark.browser
@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_not_wider_than_its_window(chromium: str, width: int) -> None:
    long = "\u202e" * 40 + "W" * 300
    with served(log_level="warning", access_log=False) as box, browser(chromium) as driver:
        approval = box.claims.ask(
            {"amount": "9" * 120, long: [long]}, schema={}, thought=long, stages=(MAIL_STAGE,)
        )
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        driver.get(f"{box.settings.origin}/mail/{box.token_for(approval)}")
        waits_for(driver, "Your decision")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
