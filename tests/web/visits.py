"""A browser without scripts, for tests: it keeps cookies, fills in forms and says where it comes from."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.testclient import TestClient

from guardkit.core.approvals import Approval
from guardkit.core.people import Person
from guardkit.core.presentation import present, presentation_hash
from guardkit.web import OneTimeLink, WebSettings, inbox
from tests.web.claims import FIRST, Claims

URL = "http://127.0.0.1:8321"
KEY = SecretStr("a key for tests, of more than 32 characters")


class Inbox:
    """The inbox over a claims desk, and who visits it."""

    def __init__(self, claims: Claims, **settings: Any) -> None:
        self.claims = claims
        self.settings = WebSettings(**{"url": URL, "keys": (KEY,), **settings})
        self.link = OneTimeLink(self.settings, clock=claims.clock)
        self.app: Starlette = inbox(
            claims.desk,
            claims.store,
            claims.people,
            self.settings,
            sign_in=self.link,
            clock=claims.clock,
        )

    def stranger(self, **headers: str) -> TestClient:
        """A browser that is not signed in."""
        return TestClient(
            self.app, base_url=self.settings.origin, headers={"Sec-Fetch-Site": "same-origin", **headers}
        )

    def visit(self, person: Person = FIRST) -> Visit:
        """A browser in which this person is signed in."""
        return Visit(self, person)

    def token(self, person: Person = FIRST, **more: Any) -> str:
        """The token of a new one-time link."""
        return parse_qs(urlsplit(self.link.link_for(person.id, **more)).query)["token"][0]


class Visit:
    """Somebody at the inbox."""

    def __init__(self, inbox: Inbox, person: Person) -> None:
        self.inbox = inbox
        self.client = inbox.stranger()
        answer = self.client.post("/sign-in", data={"token": inbox.token(person)}, follow_redirects=False)
        assert answer.status_code == 303, answer.text

    def get(self, path: str) -> Any:
        return self.client.get(path, follow_redirects=False)

    def page(self, approval: Approval, part: str = "") -> str:
        answer = self.get(f"/approvals/{approval.request.id}{part}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def form_token(self) -> str:
        return hidden(self.get("/").text, "token")

    def post(self, approval: Approval, action: str, **fields: str) -> Any:
        """Post a form of the approval's page; `token`, `digest` and `shown` as the page has them, unless given."""
        if "token" not in fields:
            fields = {"token": self.form_token(), **fields}
        shown = presentation_hash(present(self.inbox.claims.now(approval)))
        fields = {"digest": approval.digest, "shown": shown, **fields}
        return self.client.post(
            f"/approvals/{approval.request.id}/{action}", data=fields, follow_redirects=False
        )


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, f"no hidden field {name!r}"
    return html.unescape(found[1])


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def field_named(page: str, label: str) -> str:
    """The name of the edit form's field with this label."""
    found = re.search(rf'<label for="(f\d+)">{re.escape(label)} ', page)
    assert found is not None, f"no field {label!r}"
    return found[1]


def value_of(page: str, name: str) -> str:
    """What is in a field of the edit form."""
    area = re.search(rf'<textarea id="{name}"[^>]*>\n?([^<]*)</textarea>', page)
    if area is not None:
        return re.sub(r"\r\n?", "\n", html.unescape(area[1]))  # as a browser reads it
    line = re.search(rf'<input [^>]*id="{name}"[^>]* value="([^"]*)"', page)
    if line is not None:
        return html.unescape(line[1])
    select = re.search(rf'<select id="{name}".*?</select>', page, re.DOTALL)
    assert select is not None, f"no field {name!r}"
    chosen = re.search(r'<option value="([^"]*)" selected', select[0])
    return "" if chosen is None else chosen[1]


def all_fields(page: str) -> dict[str, str]:
    """Every visible field of the edit form, as a browser would send it untouched."""
    names = re.findall(r'<(?:input type="(?:text|date)"|textarea|select)[^>]*? id="(f\d+)"', page) or []
    return {name: value_of(page, name) for name in names}
