from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from guardkit.errors import ConfigurationError, InputError, MissingKeyError
from guardkit.web import LinkRefusedError, OneTimeLink, WebSettings, inbox as build
from tests.web.claims import FIRST, SECOND, Claims
from tests.web.visits import KEY, URL, Inbox, Visit, text_of

OTHER_KEY = SecretStr("another key, also of more than 32 characters")


def entered(inbox: Inbox, token: str) -> Any:
    return inbox.stranger().post("/sign-in", data={"token": token}, follow_redirects=False)


def test_a_link_signs_in_by_its_button(inbox: Inbox) -> None:
    client = inbox.stranger()
    link = inbox.link.link_for(FIRST.id)
    assert link.startswith(f"{URL}/sign-in?token=")
    page = client.get(link)
    assert "Ana Silva" in text_of(page.text)
    assert not client.cookies
    answer = client.post("/sign-in", data={"token": inbox.token()}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    for part in ("guardkit-8321=", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"):
        assert part in cookie
    assert "Secure" not in cookie
    assert client.get("/").status_code == 200


def test_opening_a_link_uses_nothing_up(inbox: Inbox) -> None:
    """Mail scanners and previews open links, some with HEAD."""
    token = inbox.token()
    client = inbox.stranger()
    for _ in range(3):
        assert client.get("/sign-in", params={"token": token}).status_code == 200
        assert client.head("/sign-in", params={"token": token}).status_code == 200
    assert entered(inbox, token).status_code == 303


@pytest.mark.promise("P6")
def test_a_link_signs_in_once(inbox: Inbox) -> None:
    token = inbox.token()
    assert entered(inbox, token).status_code == 303
    again = entered(inbox, token)
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert "used before" in text_of(again.text)
    assert inbox.stranger().get("/sign-in", params={"token": token}).status_code == 403


@pytest.mark.promise("P6")
def test_of_many_clicks_at_once_one_signs_in(inbox: Inbox) -> None:
    token = inbox.token()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: entered(inbox, token).status_code, range(8)))
    assert sorted(answers) == [303] + [403] * 7


def test_a_link_gets_too_old(inbox: Inbox) -> None:
    token = inbox.token()
    inbox.claims.clock.now += 15 * 60
    assert "too old" in text_of(entered(inbox, token).text)


def test_a_restart_does_not_make_a_used_link_usable(inbox: Inbox) -> None:
    token = inbox.token()
    assert entered(inbox, token).status_code == 303
    inbox.claims.clock.now += 1
    restarted = Inbox(inbox.claims)
    answer = entered(restarted, token)
    assert answer.status_code == 403
    assert "before the inbox was started" in text_of(answer.text)


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t[:-1], lambda t: "x" + t, lambda t: "", lambda t: "é\0"],
    ids=["cut", "front", "none", "odd"],
)
def test_a_spoilt_link_is_refused(inbox: Inbox, spoil: Any) -> None:
    answer = entered(inbox, spoil(inbox.token()))
    assert answer.status_code == 403
    assert "not genuine" in text_of(answer.text)


def test_a_link_of_another_key_is_refused(inbox: Inbox) -> None:
    stranger = OneTimeLink(WebSettings(url=URL, keys=(OTHER_KEY,)), clock=inbox.claims.clock)
    token = stranger.link_for(FIRST.id).partition("token=")[2]
    assert entered(inbox, token).status_code == 403


def test_a_session_is_no_link_and_a_link_no_session(inbox: Inbox, ana: Visit) -> None:
    cookie = ana.client.cookies["guardkit-8321"]
    assert entered(inbox, cookie).status_code == 403
    forged = inbox.stranger(Cookie=f"guardkit-8321={inbox.token()}")
    assert forged.get("/").status_code == 403


def test_keys_can_be_rotated(inbox: Inbox, ana: Visit) -> None:
    rotated = Inbox(inbox.claims, keys=(OTHER_KEY, KEY))
    cookie = ana.client.cookies["guardkit-8321"]
    assert rotated.stranger(Cookie=f"guardkit-8321={cookie}").get("/").status_code == 200
    retired = Inbox(inbox.claims, keys=(OTHER_KEY,))
    assert retired.stranger(Cookie=f"guardkit-8321={cookie}").get("/").status_code == 403


def test_a_link_leads_where_it_should_and_nowhere_else(inbox: Inbox) -> None:
    answer = entered(inbox, inbox.token(after="/approvals/abc"))
    assert answer.headers["location"] == "/approvals/abc"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", ""):
        with pytest.raises(InputError):
            inbox.link.link_for(FIRST.id, after=elsewhere)


def test_nobody_unknown_or_inactive_is_let_in(inbox: Inbox) -> None:
    token = inbox.token(FIRST.model_copy(update={"id": "p-unknown"}))
    assert entered(inbox, token).status_code == 403
    inbox.claims.people.change(FIRST, active=False)
    answer = entered(inbox, inbox.token())
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.promise("P5")
def test_a_session_of_somebody_who_left_is_over(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    token = ana.form_token()
    inbox.claims.people.change(FIRST, active=False)
    for path in ("/", f"/approvals/{approval.request.id}"):
        answer = ana.get(path)
        assert answer.status_code == 403
        assert "no longer active" in text_of(answer.text)
    assert ana.post(approval, "approve", token=token).status_code == 403
    assert inbox.claims.now(approval) == approval


def test_a_session_ends_by_itself(inbox: Inbox, ana: Visit) -> None:
    inbox.claims.clock.now += 8 * 3600 - 1
    assert ana.get("/").status_code == 200
    inbox.claims.clock.now += 1
    assert ana.get("/").status_code == 403


def test_signing_out_ends_the_session_itself(inbox: Inbox, ana: Visit) -> None:
    cookie = ana.client.cookies["guardkit-8321"]
    answer = ana.client.post("/sign-out", data={"token": ana.form_token()})
    assert "signed out" in text_of(answer.text)
    assert ana.get("/").status_code == 403
    assert inbox.stranger(Cookie=f"guardkit-8321={cookie}").get("/").status_code == 403


def test_signing_out_needs_the_forms_token(ana: Visit) -> None:
    for fields in ({"token": ""}, {"token": "wrong"}, {"other": "x"}):
        assert ana.client.post("/sign-out", data=fields).status_code == 403
    assert ana.get("/").status_code == 200


def test_who_is_not_signed_in_is_told_how(inbox: Inbox) -> None:
    answer = inbox.stranger().get("/approvals/abc")
    assert answer.status_code == 403
    assert "one-time link" in text_of(answer.text)
    assert 'href="/approvals/abc"' in answer.text, "from another site a browser holds the cookie back once"


def test_over_https_the_cookie_is_bound_to_the_host() -> None:
    inbox = Inbox(Claims(), url="https://127.0.0.1:8443")
    cookie = entered(inbox, inbox.token()).headers["set-cookie"]
    assert cookie.startswith("__Host-guardkit=")
    assert "Secure" in cookie


class Company:
    """A sign-in that knows people."""

    hint = "Sign in at the company."
    begins_at = "/company"
    local = False

    def routes(self, door: Any) -> list[Any]:
        return []


def built(claims: Claims, settings: WebSettings, sign_in: Any) -> None:
    build(claims.desk, claims.store, claims.people, settings, sign_in=sign_in)


def test_others_are_not_served_by_the_demos_link(claims: Claims) -> None:
    settings = WebSettings(url="https://inbox.corp.example", keys=(KEY,))
    with pytest.raises(ConfigurationError, match=r"web\.sign_in"):
        built(claims, settings, OneTimeLink(settings))
    built(claims, settings, Company())


@pytest.mark.parametrize("url", [URL, "https://inbox.corp.example"], ids=["loopback", "others"])
def test_no_key_is_invented(claims: Claims, url: str) -> None:
    with pytest.raises(MissingKeyError, match=r"web\.keys"):
        built(claims, WebSettings(url=url), Company())


def test_demo_keys_are_new_each_time_and_only_for_loopback() -> None:
    one, two = WebSettings.for_demo(), WebSettings.for_demo("http://localhost:9000")
    assert one.keys != two.keys
    assert one.keys[0].get_secret_value() not in repr(one)
    with pytest.raises(ConfigurationError, match=r"web\.url"):
        WebSettings.for_demo("https://inbox.corp.example")


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"url": "http://inbox.corp.example", "keys": (KEY,)}, r"web\.url .* nor https"),
        ({"url": "http://10.0.0.5:80", "keys": (KEY,)}, r"web\.url"),
        ({"url": "ftp://127.0.0.1", "keys": (KEY,)}, r"web\.url"),
        ({"url": "http://127.0.0.1:8321/inbox", "keys": (KEY,)}, r"web\.url"),
        ({"url": "http://user@127.0.0.1", "keys": (KEY,)}, r"web\.url"),
        ({"url": "http://127.0.0.1:99999", "keys": (KEY,)}, r"web\.url"),
        ({"url": "http://[::1", "keys": (KEY,)}, r"web\.url"),
        ({"url": URL, "keys": (KEY, SecretStr("short"))}, r"web\.keys\[1\] has 5 characters"),
        ({"url": URL, "keys": (KEY,), "timezone": "Mars/Olympus"}, r"web\.timezone"),
    ],
    ids=["plain-http", "private", "scheme", "path", "user", "port", "brackets", "short-key", "timezone"],
)
def test_a_setting_that_cannot_be_used_is_named(claims: Claims, settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        built(claims, WebSettings(**settings), Company())


def test_two_people_in_two_browsers_stay_apart(inbox: Inbox, ana: Visit) -> None:
    ben = inbox.visit(SECOND)
    assert "Ana Silva" in text_of(ana.get("/").text)
    assert "Ben Roth" in text_of(ben.get("/").text)
    assert LinkRefusedError.code == "link_refused"
