"""The addresses of people without a session: the pages behind links in mails, and the way back from a sign-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from starlette.testclient import TestClient

from guardkit.channels.email import MailLink
from guardkit.core.ports import Store
from guardkit.web import OIDC, WebSettings, inbox
from tests.chaos.doors import NOWHERE, Door, Sender, Web, decided, web
from tests.chaos.mutations import Shot, document, encoded, form, framed, packed, text
from tests.unit.email_channel.desk import CHANNEL, MAIL_STAGE, attached, claims_desk
from tests.web.claims import FIRST, REQUESTER, THIRD, Claims
from tests.web.provider import CLIENT, Forger
from tests.web.visits import KEY, URL

SITE = ("sec-fetch-site", "same-origin")
FORM = ("content-type", "application/x-www-form-urlencoded")
WEEK = 7 * 86400.0
_LINK_KEY = hmac.digest(KEY.get_secret_value().encode(), b"guardkit.mail-link.v1", hashlib.sha256)
_SIGNS = ("A", "z", "0", "-", "_", ".", "=", "%", "/", " ", "é", "\x00", "😀", "A" * 5_000)
_REASONS = ("", "x", "x" * 5_000, "\x00", "\u202e", "\r\n")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _token(said: bytes) -> str:
    """A token with the inbox's own signature, whatever is in it."""
    payload = _b64(said)
    return f"{payload}.{_b64(hmac.digest(_LINK_KEY, payload.encode(), hashlib.sha256))}"


def _touched(random: Random, whole: str) -> str:
    """A text that is not what it was."""
    at = random.randrange(len(whole))
    sign = random.choice([one for one in _SIGNS if one != whole[at]])
    return random.choice(
        (whole[:at] + sign + whole[at + 1 :], whole[:at] + sign + whole[at:], whole[:at], whole + sign)
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
        self._genuine = _token(_said(link))
        self._web = web(claims, {CHANNEL: attached(claims)})

    def token(self, random: Random, sender: Sender) -> str:
        """What is in a link of such a sender."""
        whose: list[dict[str, Any]] = [{"person": one} for one in (REQUESTER.id, THIRD.id, "p-nobody", "")]
        match sender:
            case "may not decide":
                more = random.choice([*whose, {"until": 0.0}, {"until": -1e308}, {"channel": "other"}])
            case "names nothing":
                more = random.choice([{"approval": NOWHERE}, {"version": 7}, {"version": -1}])
            case "proves nothing":
                return _touched(random, self._genuine)
        return _signed(random, self._link.model_copy(update=more))

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


def _signed(random: Random, link: MailLink) -> str:
    """A token that the inbox signed: as it makes them, or with what is no link."""
    said = list(link.model_dump(mode="json").values())
    if random.random() < 0.5:
        return _token(_said(link))
    lists = ([], {}, None, 1, "x", said[:-1], [*said, 1], [said], said[::-1], [str(one) for one in said[:-1]])
    written, _ = document(random, random.choice(lists))
    data, _ = encoded(random, written)
    return _token(data)


class MailPage(_Mail):
    """The page of a link, and the values on it. Opening it changes nothing, so even genuine links come here."""

    def shot(self, random: Random, sender: Sender) -> Shot:
        token = self._genuine if random.random() < 0.2 else self.token(random, sender)
        more = random.choice(
            ("", "", "/args/0.txt", "/args/all.txt", "/reads/9999999.txt", "/args/-1.txt", "/x")
        )
        site = random.choice(("none", "cross-site", "same-origin", "", "\xff"))
        accept = random.choice(("text/html", "*/*", "", "\x00", "x" * 9_000))
        shot = Shot(
            method=random.choice(("GET", "GET", "GET", "HEAD")),
            path=f"/mail/{token}{more}",
            query=random.choice((b"", b"utm=1", b"%ff&=&&", b"token=x&token=y", b"\xff")),
            headers=(("sec-fetch-site", site), ("accept", accept)),
        )
        return framed(random, shot)


class MailForm(_Mail):
    """Where the form on that page is sent to."""

    def shot(self, random: Random, sender: Sender) -> Shot:
        reason = random.choice((*_REASONS, text(random, 60)))
        fields = {"token": self.token(random, sender), "reason": reason}
        body, damage = form(
            random, {name: one.encode(errors="surrogatepass") for name, one in fields.items()}
        )
        body, coding, packing = packed(random, body)
        kind = random.choice(("approve", "approve", "reject", "edit", "respond"))
        shot = Shot(path=f"/mail/{kind}", headers=(FORM, SITE, *coding), body=body, done=damage | packing)
        return framed(random, shot)


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

    def shot(self, random: Random, sender: Sender) -> Shot:
        query = dict(self._query)
        if sender == "names nothing":
            query["state"] = random.choice(("", "x", NOWHERE))
        for name in ("code", "iss", "error", "session_state"):
            if random.random() < 0.25:
                query[name] = random.choice(("", "x" * 9_000, "\x00", "access_denied", text(random, 40)))
        asked, damage = form(
            random, {name: one.encode(errors="surrogatepass") for name, one in query.items()}
        )
        cookie = self._cookie
        if sender == "proves nothing":
            at = random.randrange(len(cookie) // 2)
            cookie = cookie[:at] + random.choice(("", "A", "-", ";", "\x00", "é")) + cookie[at + 1 :]
            cookie = random.choice((cookie if cookie != self._cookie else "", cookie[:at], ""))
        headers = (("cookie", cookie), ("sec-fetch-site", "cross-site"))
        shot = Shot(
            method="GET", path="/sign-in/callback", query=asked, headers=headers, proof=sender, done=damage
        )
        return framed(random, shot)

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
