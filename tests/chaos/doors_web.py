"""The addresses of people without a session: the pages behind links in mails, and the way back from a sign-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from hypothesis import strategies as st
from starlette.testclient import TestClient

from guardkit.channels.email import MailLink
from guardkit.core.ports import Store
from guardkit.web import OIDC, WebSettings, inbox
from tests.chaos.doors import NOWHERE, Door, Sender, Web, decided, web
from tests.chaos.mutations import Shot, documents, encoded, forms, packed, requests
from tests.unit.email_channel.desk import CHANNEL, MAIL_STAGE, attached, claims_desk
from tests.web.claims import FIRST, REQUESTER, THIRD, Claims
from tests.web.provider import CLIENT, Forger
from tests.web.visits import KEY, URL

SITE = ("sec-fetch-site", "same-origin")
FORM = ("content-type", "application/x-www-form-urlencoded")
COOKIE = "cookie"
WEEK = 7 * 86400.0
_LINK_KEY = hmac.digest(KEY.get_secret_value().encode(), b"guardkit.mail-link.v1", hashlib.sha256)
_SIGNS = st.sampled_from(["A", "z", "0", "-", "_", ".", "=", "%", "/", " ", "é", "\x00", "😀", "A" * 5_000])


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _token(said: bytes) -> str:
    """A token with the inbox's own signature, whatever is in it."""
    payload = _b64(said)
    return f"{payload}.{_b64(hmac.digest(_LINK_KEY, payload.encode(), hashlib.sha256))}"


@st.composite
def _touched(draw: st.DrawFn, text: str) -> str:
    """A text that is not what it was."""
    at = draw(st.integers(0, len(text) - 1))
    sign = draw(_SIGNS.filter(lambda one: one != text[at]))
    return draw(
        st.sampled_from(
            [text[:at] + sign + text[at + 1 :], text[:at] + sign + text[at:], text[:at], text + sign]
        )
    )


class _Mail(Door):
    """A question that somebody has been sent a link to."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        claims = claims_desk()
        claims.moved_to(store)
        self._approval = claims.ask(stages=(MAIL_STAGE,))
        link = MailLink(
            channel=CHANNEL,
            approval=self._approval.request.id,
            version=0,
            person=FIRST.id,
            delivery="d-1",
            until=store.now() + WEEK,
        )
        self._link = link
        self._web = web(claims, {CHANNEL: attached(claims)})

    def tokens(self, sender: Sender) -> st.SearchStrategy[str]:
        """What is in the links of such a sender."""
        link = self._link
        match sender:
            case "may not decide":
                whose = [{"person": one} for one in (REQUESTER.id, THIRD.id, "p-nobody", "")]
                others = [*whose, {"until": 0.0}, {"until": -1e308}, {"channel": "other"}]
            case "names nothing":
                others = [{"approval": NOWHERE}, {"version": 7}, {"version": -1}]
            case "proves nothing":
                return _touched(_token(_said(link)))
        return st.sampled_from(others).flatmap(lambda more: _signed_tokens(link.model_copy(update=more)))

    def fire(self, shot: Shot) -> int:
        return self._web(shot, {})

    def provoke(self) -> None:
        self.fire(Shot(method="GET", path="/mail/none"))

    def standing(self) -> Any:
        return decided(self.store, self._approval)

    def close(self) -> None:
        self._web.close()


def _said(link: MailLink) -> bytes:
    return json.dumps(list(link.model_dump(mode="json").values())).encode()


@st.composite
def _signed_tokens(draw: st.DrawFn, link: MailLink) -> str:
    """A token that the inbox signed: as it makes them, or with something else in it.

    Whose link it is, about what and until when stays, unless the whole is no link any more.
    """
    if draw(st.booleans()):
        return _token(_said(link))
    said = draw(st.sampled_from([[], {}, None, 1, "x"])) if draw(st.booleans()) else _list(draw, link)
    text, _ = draw(documents(said))
    data, _ = draw(encoded(text))
    return _token(data)


def _list(draw: st.DrawFn, link: MailLink) -> Any:
    said = list(link.model_dump(mode="json").values())
    return draw(st.sampled_from([said[:-1], [*said, 1], [said], said[::-1], [str(one) for one in said[:-1]]]))


class MailPage(_Mail):
    """The page of a link, and the values on it. Opening it changes nothing, so even genuine links come here."""

    def shots(self, sender: Sender) -> st.SearchStrategy[Shot]:
        tokens = self.tokens(sender)
        return _opened(tokens | st.just(_token(_said(self._link))))


@st.composite
def _opened(draw: st.DrawFn, tokens: st.SearchStrategy[str]) -> Shot:
    more = draw(
        st.sampled_from(["", "", "/args/0.txt", "/args/all.txt", "/reads/9999999.txt", "/args/-1.txt", "/x"])
    )
    query = draw(st.sampled_from([b"", b"utm=1", b"%ff&=&&", b"token=x&token=y"]))
    site = ("sec-fetch-site", draw(st.sampled_from(["none", "cross-site", "same-origin", "", "\xff"])))
    accept = ("accept", draw(st.sampled_from(["text/html", "*/*", "", "\x00", "x" * 9_000])))
    method = draw(st.sampled_from(["GET", "GET", "GET", "HEAD"]))
    shot = Shot(method=method, path=f"/mail/{draw(tokens)}{more}", query=query, headers=(site, accept))
    return draw(requests(shot))


class MailForm(_Mail):
    """Where the form on that page is sent to."""

    def shots(self, sender: Sender) -> st.SearchStrategy[Shot]:
        return _filled_in(self.tokens(sender))


@st.composite
def _filled_in(draw: st.DrawFn, tokens: st.SearchStrategy[str]) -> Shot:
    reasons = st.text(max_size=60) | st.sampled_from(["", "x" * 5_000, "\x00", "\u202e", "\r\n"])
    fields = {"token": draw(tokens), "reason": draw(reasons)}
    body, form = draw(forms({name: text.encode(errors="surrogatepass") for name, text in fields.items()}))
    body, coding, how = draw(packed(body))
    kind = draw(st.sampled_from(["approve", "approve", "reject", "edit", "respond"]))
    shot = Shot(path=f"/mail/{kind}", headers=(FORM, SITE, *coding), body=body, changes=form | how)
    return draw(requests(shot))


class SignInCallback(Door):
    """Where an identity provider leads back to. What may not change is who is signed in: nobody."""

    audits = False

    def __init__(self, store: Store, forger: Forger) -> None:
        super().__init__(store)
        claims = Claims()
        claims.moved_to(store)
        settings = WebSettings(url=URL, keys=(KEY,))
        sign_in = OIDC(settings, issuer=forger.issuer, client_id=CLIENT)
        app = inbox(claims.desk, store, claims.people, settings, sign_in=sign_in)
        with TestClient(app, base_url=URL, follow_redirects=False) as client:
            away = client.get("/sign-in", params={"after": "/"})
            self._cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        back = httpx.get(away.headers["location"], follow_redirects=False, trust_env=False)
        self._query = dict(parse_qsl(urlsplit(back.headers["location"]).query))
        self._forger = forger
        self._web = Web(app)
        self._session = f"guardkit-{settings.port}=".encode()
        self._signed_in = 0

    def shots(self, sender: Sender) -> st.SearchStrategy[Shot]:
        cookies = st.just(self._cookie) if sender != "proves nothing" else _touched(self._cookie)
        queries = {
            "may not decide": st.just(self._query),
            "names nothing": st.sampled_from(["", "x", NOWHERE]).map(
                lambda one: {**self._query, "state": one}
            ),
            "proves nothing": st.just(self._query),
        }
        return _led_back(queries[sender], cookies, sender)

    def fire(self, shot: Shot) -> int:
        # A stranger is signed in by the provider, and unknown here; whoever is known here proves nothing.
        known = "eve@corp.example" if shot.proof == "may not decide" else str(FIRST.email)
        self._forger.claims = {"email": known}
        status = self._web(shot, {})
        self._signed_in += any(
            name == b"set-cookie" and value.startswith(self._session) for name, value in self._web.headers
        )
        return status

    def provoke(self) -> None:
        self.fire(Shot(method="GET", path="/sign-in/callback"))

    def standing(self) -> Any:
        return self._signed_in

    def close(self) -> None:
        self._web.close()


@st.composite
def _led_back(
    draw: st.DrawFn,
    queries: st.SearchStrategy[dict[str, str]],
    cookies: st.SearchStrategy[str],
    sender: Sender,
) -> Shot:
    query = draw(queries)
    for name in ("code", "iss", "error", "session_state"):
        if draw(st.integers(0, 3)) == 0:
            query = {
                **query,
                name: draw(
                    st.text(max_size=40) | st.sampled_from(["", "x" * 9_000, "\x00", "access_denied"])
                ),
            }
    body, done = draw(forms({name: text.encode(errors="surrogatepass") for name, text in query.items()}))
    headers = ((COOKIE, draw(cookies)), ("sec-fetch-site", "cross-site"))
    shot = Shot(
        method="GET", path="/sign-in/callback", query=body, headers=headers, proof=sender, changes=done
    )
    return draw(requests(shot))
