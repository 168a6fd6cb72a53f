"""Text that tries to be more than text, in every place where foreign text is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from guardkit.core.approvals import Approval
from tests.web.claims import FINANCE_STAGE, FIRST, SECOND, Claims
from tests.web.visits import Inbox, Visit

INVISIBLE = "\u202e\u2066\u200b\u200d\ufeff\u00a0\u00ad\x1b\x07\x85\U000e0041"
HOSTILE = (
    f"<script>alert(1)</script>\"'><img src=x onerror=alert(2)><style>*{{display:none}}</style>"
    f"</textarea></title><a href=javascript:alert(3)>{{{{ 7*7 }}}} &amp;lt; ⟨U+0041⟩ {INVISIBLE}"
)

TAGS = frozenset(
    "a article aside blockquote body button caption code dd del details div dl dt form h1 h2 h3 head header html img "
    "input ins kbd label li link main meta nav ol option p select span strong summary table tbody td textarea th thead "
    "time title tr ul section".split()
)
ATTRIBUTES = frozenset(
    "accesskey action alt aria-current aria-describedby aria-hidden aria-invalid aria-label aria-labelledby autocomplete autofocus "
    "class content data-head datetime download for height href id inputmode lang maxlength method name novalidate open "
    "rel required role rows scope selected spellcheck src tabindex type value width charset".split()
)


class Reader(HTMLParser):
    """Collects what a browser would see of a page: tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._field = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._field += tag == "textarea"

    def handle_endtag(self, tag: str) -> None:
        self._field -= tag == "textarea"

    def handle_data(self, data: str) -> None:
        if not self._field:
            self.texts.append(data)


def is_inert(page: str) -> str:
    """The text of a page of which nothing but guardkit's own markup is markup."""
    read = Reader(page)
    for tag, attributes in read.tags:
        assert tag in TAGS, tag
        for name, value in attributes.items():
            assert name in ATTRIBUTES, f"{tag} {name}"
            if name in ("href", "src", "action"):
                assert re.match(r"[/#?](?!/)", value), f"{tag} {name}={value!r}"
    return "".join(read.texts)


@pytest.fixture
def hostile(claims: Claims) -> Approval:
    """An approval in which everything that somebody else chose is hostile."""
    for person in (FIRST, SECOND):
        claims.people.change(person, name=f"{person.name} {HOSTILE}")
    schema: Any = {
        "type": "object",
        "properties": {
            "note": {"type": "string", "description": HOSTILE, "title": HOSTILE},
            "amount": {"type": "string"},
            HOSTILE: {"enum": [HOSTILE, "other"]},
            "items": {"type": "array"},
            "pattern": {"type": "string", "pattern": f"^{re.escape(HOSTILE)}$"},
        },
    }
    return claims.ask(
        {
            "note": HOSTILE,
            "amount": HOSTILE,
            HOSTILE: HOSTILE,
            "items": [{HOSTILE: HOSTILE}],
            "pattern": HOSTILE,
        },
        schema=schema,
        tool=f"pay {HOSTILE}",
        thread_id=f"t {HOSTILE}",
        thought=HOSTILE,
        why=(HOSTILE,),
        rules=(HOSTILE,),
        reads={HOSTILE: HOSTILE},
        allowed=("approve", "edit", "reject", "respond"),
        stages=(
            FINANCE_STAGE.model_copy(
                update={"groups": ("claims-desk", "finance-desk", HOSTILE), "approvers": (HOSTILE,)}
            ),
            FINANCE_STAGE,
        ),
    )


def pages_of(visit: Visit, approval: Approval) -> Iterator[str]:
    for path in ("/", "/open", "/history"):
        yield visit.get(path).text
    for part in ("", f"?delivery={'%22%3E%3Cscript%3E'}", "/audit"):
        yield visit.page(approval, part)


def check(page: str) -> None:
    text = is_inert(page)
    for char in INVISIBLE:
        assert char not in text, f"U+{ord(char):04X}"


def test_hostile_text_stays_text_while_it_waits(inbox: Inbox, ana: Visit, hostile: Approval) -> None:
    for page in pages_of(ana, hostile):
        check(page)
    shown = is_inert(ana.page(hostile))
    assert "<script>alert(1)</script>" in shown
    assert "{{ 7*7 }}" in shown
    for mark in ("⟨U+202E⟩", "⟨U+200B⟩", "⟨U+00A0⟩", "⟨U+001B⟩", "⟨U+E0041⟩", "⟨U+27E8⟩U+0041⟨U+27E9⟩"):
        assert mark in shown, mark


def test_hostile_text_stays_text_in_forms_and_errors(inbox: Inbox, ana: Visit, hostile: Approval) -> None:
    form = ana.page(hostile, "/edit")
    check(form)
    assert "Holds invisible characters" in form
    names = [
        name
        for _, attributes in Reader(form).tags
        if re.fullmatch(r"f\d+", name := attributes.get("name", ""))
    ]
    for name in names:
        answer = ana.post(hostile, "edit", **{name: f"other {HOSTILE}"})
        check(answer.text)
        assert answer.status_code in (200, 422)
    for action in ("approve", "reject", "respond"):
        answer = ana.post(hostile, action, reason=HOSTILE + "x" * 4000)
        assert answer.status_code == 422
        check(answer.text)


@pytest.mark.parametrize("action", ["approve", "reject", "respond"])
def test_hostile_text_stays_text_once_it_is_decided(
    inbox: Inbox, ana: Visit, hostile: Approval, action: str
) -> None:
    reason = HOSTILE.replace("\x85", "")
    assert ana.post(hostile, action, reason=reason).status_code == 303
    for page in pages_of(ana, hostile):
        check(page)
    assert "⟨U+202E⟩" in is_inert(ana.page(hostile))


def test_hostile_text_stays_text_after_an_edit(inbox: Inbox, ana: Visit, hostile: Approval) -> None:
    inbox.claims.decide(hostile, SECOND, kind="edit", args={**hostile.args, "note": f"{HOSTILE} more"})
    for page in pages_of(ana, hostile):
        check(page)
    assert "edited, was" in is_inert(ana.page(hostile))


def test_hostile_text_in_an_address_is_not_repeated(inbox: Inbox, ana: Visit) -> None:
    for path in (
        "/approvals/%3Cscript%3E",
        "/?cursor=%3Cscript%3E",
        "/?q=%3Cscript%3E&tool=%3Cscript%3E",
        "/?due=%3Cscript%3E",
        "/sign-in?token=%3Cscript%3E",
        "/%3Cscript%3E",
    ):
        for client in (ana.client, inbox.stranger()):
            page = client.get(path).text
            is_inert(page)
            assert "<script" not in page


def test_a_hostile_name_is_shown_where_somebody_signs_in(inbox: Inbox, hostile: Approval) -> None:
    check(inbox.stranger().get("/sign-in", params={"token": inbox.token()}).text)
