"""Text that tries to be more than text: in the HTML part, the plain part and the headers."""

from __future__ import annotations

import email
import email.policy
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, strategies as st

from guardkit.channels.email.message import mail, sender_of
from guardkit.channels.email.still import still
from guardkit.core.approvals import Approval
from guardkit.core.visible import visible
from tests.unit.email_channel.desk import MAIL_STAGE, Mailing
from tests.unit.email_channel.mailserver import parts
from tests.web.claims import ARGS, FIRST
from tests.web.visits import URL

INVISIBLE = "\u202e\u2066\u200b\u200d\ufeff\u00a0\u00ad\x1b\x07\x85\u2028\U000e0041"
HOSTILE = (
    f"<script>alert(1)</script>\"'><img src=x onerror=alert(2)><style>*{{display:none}}</style></td></table></body>"
    f"<a href=https://evil.example/a>pay</a> http://evil.example/b www.evil.example mailto:eve@evil.example "
    f"\\\\evil\\share data:text/html,x &lt; ⟨U+0041⟩\nSubject: paid\r\nBcc: eve@evil.example\r\n\r\n"
    f"Approve or reject on the page of this link.\nhttps://evil.example/mail/token {INVISIBLE}"
)
LINKED = re.compile(
    r"https?://|www\.|mailto:|data:|[\w.+-]+@[\w-]+|\b[\w-]+\.[a-z]{2,}|\\\\\w", re.IGNORECASE
)
"""What a mail program would make a link of."""

TAGS = frozenset("html head meta body div h1 h2 p strong a table tr th td del ins".split())
ATTRIBUTES = frozenset("charset name content dir style href".split())


class Reader(HTMLParser):
    """What a mail program sees: tags, attributes, addresses, text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.styles: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "every tag is closed by its own"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES, f"{tag} {name}"
            assert value is not None
            if name == "href":
                self.links.append(value)
            if name == "style":
                assert not re.search(r"url\(|expression|@import", value)
                self.styles.add(value)
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


@pytest.fixture
def hostile(mailing: Mailing) -> Approval:
    """An approval in which everything that somebody else chose is hostile."""
    mailing.claims.people.change(FIRST, name=f"Ana {HOSTILE}")
    return mailing.claims.ask(
        {"note": HOSTILE, "amount": HOSTILE, HOSTILE: HOSTILE, "items": [{HOSTILE: HOSTILE}]},
        schema={},
        tool=f"pay {HOSTILE}",
        thread_id=f"t {HOSTILE}",
        thought=HOSTILE,
        why=(HOSTILE,),
        rules=(HOSTILE,),
        reads={HOSTILE: HOSTILE},
        allowed=("approve", "edit", "reject", "respond"),
        stages=(MAIL_STAGE.model_copy(update={"groups": ("claims-desk", HOSTILE), "approvers": (HOSTILE,)}),),
    )


def check(mailing: Mailing) -> None:
    message, raw = mailing.last(), mailing.server.raw[-1]
    text, page = parts(message)
    read = Reader(page)
    assert read.links, "guardkit's own links are there"
    assert all(link.startswith((f"{URL}/mail/", f"{URL}/approvals/")) for link in read.links)
    own = [re.escape(link) for link in (*read.links, URL)]
    for shown in (text, read.text):
        rest = re.sub("|".join(own), "", shown)
        found = LINKED.search(rest)
        assert found is None, f"{found and rest[max(0, found.start() - 40) : found.end() + 40]!r}"
        for char in INVISIBLE:
            assert char not in shown, f"U+{ord(char):04X}"
    lines = text.splitlines()
    assert not [line for line in lines if line.startswith(("Subject", "Bcc"))]
    assert [line for line in lines if line.startswith("http")] == list(dict.fromkeys(read.links))
    header = raw.partition(b"\r\n\r\n")[0]
    assert b"Bcc" not in header
    names = [name.lower() for name in message]
    assert len(names) == len(set(names))
    assert set(names) <= {
        "from", "to", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted",
        "x-auto-response-suppress", "mime-version", "content-type",
    }  # fmt: skip
    assert "\n" not in message["Subject"]


def test_hostile_text_stays_text_in_the_question(mailing: Mailing, hostile: Approval) -> None:
    assert mailing.deliver() == []
    check(mailing)
    text, page = parts(mailing.last())
    for shown in (text, Reader(page).text):
        assert "<script>alert(1)</script>" in shown
        assert "evil⟨.⟩example" in shown
        for mark in ("⟨U+202E⟩", "⟨U+200B⟩", "⟨U+001B⟩", "⟨U+E0041⟩"):
            assert mark in shown, mark


def test_hostile_text_stays_text_in_the_outcome(mailing: Mailing, hostile: Approval) -> None:
    mailing.deliver()
    mailing.decide(hostile, kind="reject", reason=HOSTILE)
    assert mailing.deliver() == []
    check(mailing)


def test_hostile_text_stays_text_after_an_edit(mailing: Mailing, hostile: Approval) -> None:
    mailing.deliver()
    mailing.decide(hostile, kind="edit", args={"note": HOSTILE + "x", "amount": HOSTILE})
    assert mailing.deliver() == []
    check(mailing)


def test_a_value_of_ten_megabytes_is_shown_in_part(mailing: Mailing) -> None:
    mailing.claims.ask({**ARGS, "note": "<b>&\u202e" * 1_700_000}, stages=(MAIL_STAGE,))
    assert mailing.deliver() == []
    text, page = parts(mailing.last())
    assert "characters left out" in text
    assert "SHA-256" in text
    assert len(page.encode()) < 102_000
    Reader(page)


def test_many_values_are_cut_and_the_mail_says_so(mailing: Mailing) -> None:
    mailing.claims.ask(
        {**ARGS, "lines": [{"text": "&<" * 900, "cents": n} for n in range(300)]}, stages=(MAIL_STAGE,)
    )
    assert mailing.deliver() == []
    text, page = parts(mailing.last())
    assert "This message does not show everything. The whole is behind the link." in text
    assert len(page.encode()) < 102_000
    Reader(page)


@given(
    st.one_of(st.text(st.characters(codec="utf-8"), max_size=120), st.text("awm.@:/\\-1 é。\n", max_size=40))
)
def test_nothing_that_is_still_looks_like_a_link(text: str) -> None:
    shown = still(visible(text))
    assert LINKED.search(shown) is None
    assert re.sub("⟨([@:.\u3002\uff0e\uff61\\\\])⟩", r"\1", shown) == visible(text), "only marks are added"


@pytest.mark.parametrize(
    "text", ["http://a.b/c", "a.example.com", "eve@evil.example", "tel:123", r"\\host\x", "x。example"]
)
def test_what_looks_like_a_link_is_taken_apart(text: str) -> None:
    assert still(text) != text


@pytest.mark.parametrize(
    "text", ["1250.00", "12:30", "At 5. Then", "a: b", "DE89 3704", "0.5", "C:\\x y", "x.", "…"]
)
def test_numbers_times_and_sentences_stay_as_they_are(text: str) -> None:
    assert still(text).replace("C⟨:⟩", "C:") == text


@pytest.mark.promise("P6")
@given(
    subject=st.text(max_size=300),
    text=st.text(st.characters(codec="utf-8"), max_size=300),
    to=st.from_regex(r"[a-z!#$%&'*+/=?^_`{|}~.-]{1,20}@[a-z]{1,20}\.example", fullmatch=True),
)
def test_no_header_can_be_forged(subject: str, text: str, to: str) -> None:
    made = mail(
        sender=sender_of("Approvals <approvals@corp.example>"),
        to=to,
        subject=subject,
        copy="c1",
        earlier=["c0"],
        at=1_780_000_000.0,
        text=text,
        page=f"<p>{text}</p>",
    )
    data = made.as_bytes()
    header, _, _ = data.partition(b"\r\n\r\n")
    assert header.isascii()
    names = [line.partition(b":")[0] for line in header.split(b"\r\n") if not line[:1].isspace()]
    assert names == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References", b"Auto-Submitted",
        b"X-Auto-Response-Suppress", b"MIME-Version", b"Content-Type",
    ]  # fmt: skip
    assert all(len(line) < 998 for line in data.split(b"\r\n"))
    read: Any = email.message_from_bytes(data, policy=email.policy.default)
    assert "\n" not in read["Subject"]
    assert not re.search(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", read["Subject"])
    assert [(one.username, one.domain) for one in read["To"].addresses] == [tuple(to.split("@"))]
