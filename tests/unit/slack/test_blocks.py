"""Whatever agents and users write, messages and modals stay valid, bounded, and inert."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from guardkit.channels.card import Card, compose
from guardkit.channels.slack.blocks import SIZE, draw, fallback, size
from guardkit.channels.slack.checks import check_message, check_view
from guardkit.channels.slack.forms import Forms
from guardkit.channels.slack.modals import errors, fits, form_of
from guardkit.channels.slack.rich import inert
from guardkit.channels.slack.tickets import Ticket
from guardkit.core.answers import read_fields
from guardkit.core.approvals import Approval, ApprovalState, DecisionKind
from guardkit.core.fields import fields_of
from guardkit.core.values import JsonObject
from guardkit.errors import ChannelError
from guardkit.testing.slack import message_problems, view_problems
from tests.web.claims import ARGS, DESK_STAGE, FIRST, SCHEMA, Claims

pytestmark = pytest.mark.promise("P13", "P15")

HOSTILE = (
    "<!channel>",
    "<!here|here> <@U0123>",
    "*pay* _now_ ~no~ `code` ```block```",
    "<https://evil.example|https://bank.example>",
    "https://evil.example",
    ":skull: &lt;!channel&gt; &amp;",
    "\u202egnp.exe \u2066 \u200b\U000e0041",
    "\0\x1b[2J\r\n\n\n\n\n\n\n",
    '"}]}],"type":"mrkdwn","text":"*x*',
    "😀" * 90,
    "x" * 700,
)
text = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=120))
value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), text),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
    max_leaves=16,
)
args = st.dictionaries(st.one_of(st.sampled_from(list(ARGS)), text), value, max_size=6)

ALL: tuple[DecisionKind, ...] = ("approve", "edit", "reject", "respond")


def asked(found: JsonObject, words: str, **more: Any) -> Approval:
    return Claims().ask(
        found,
        thought=words,
        why=(words, words),
        rules=(words[:50],),
        allowed=ALL,
        schema=more.pop("schema", {"type": "object"}),
        **more,
    )


def card(approval: Approval, *, link: bool = True) -> Card:
    return compose(approval, link="https://inbox.example/approvals/x" if link else None)


def valid(blocks: Any) -> None:
    assert message_problems(blocks) == ()
    check_message(blocks)
    assert size(blocks) <= SIZE
    assert "mrkdwn" not in kinds(blocks)
    assert not {"user", "usergroup", "channel", "broadcast", "team", "emoji", "image", "markdown"} & kinds(
        blocks
    )


def kinds(part: Any) -> set[str]:
    """Every type of object in blocks."""
    return {str(one["type"]) for one in objects(part) if "type" in one}


def objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for inner in part.values():
            yield from objects(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from objects(inner)


@given(args, text, st.booleans(), st.booleans(), st.booleans(), st.integers(2, 60))
def test_whatever_is_asked_the_message_is_valid_and_inert(
    found: JsonObject, words: str, link: bool, offer: bool, confirm: bool, values: int
) -> None:
    drawn = draw(card(asked(found, words), link=link), offer=offer, confirm=confirm, values=values)
    valid(drawn.blocks)
    links = [one["url"] for one in objects(drawn.blocks) if "url" in one]
    assert links == (["https://inbox.example/approvals/x"] if link else [])
    assert not set("<>&*_~`|@") & set(drawn.text)
    assert len(drawn.text) <= 400


@given(text, text)
def test_what_an_edit_changes_is_shown_and_inert(note: str, recipient: str) -> None:
    claims = Claims()
    approval = claims.ask({**ARGS, "note": "n", "recipient": "r"}, schema={"type": "object"})
    changed = claims.decide(approval, kind="edit", args={**ARGS, "note": note, "recipient": recipient})
    made = card(changed)
    drawn = draw(made, offer=False, confirm=True, values=30)
    valid(drawn.blocks)
    said = [str(one["text"]) for one in objects(drawn.blocks) if isinstance(one.get("text"), str)]
    for change in made.changes:
        assert any((change.after or "")[:80] in one for one in said), change
    assert {change.label for change in made.changes} >= {
        label for label, new, old in (("Note", note, "n"), ("Recipient", recipient, "r")) if new != old
    }


@given(st.integers(0, 400), st.integers(0, 60), st.booleans())
@settings(max_examples=30)
def test_many_values_are_cut_visibly(many: int, whys: int, link: bool) -> None:
    found: JsonObject = {f"x{n}": n for n in range(many)}
    approval = Claims().ask(
        found, why=tuple("w" * 300 for _ in range(whys)), schema={"type": "object"}, allowed=ALL
    )
    drawn = draw(card(approval, link=link), offer=True, confirm=True, values=30)
    valid(drawn.blocks)
    cut = "does not show everything" in json.dumps(drawn.blocks)
    assert cut or many <= 30
    offered = {one.get("action_id") for one in objects(drawn.blocks)} - {None}
    if cut and not link:
        assert offered == {"gk_reject", "gk_respond"}
    else:
        assert {"gk_approve", "gk_edit", "gk_reject", "gk_respond"} <= offered


def test_ten_megabytes_are_cut() -> None:
    approval = asked({"note": "A" * 10_000_000, "amount": "1"}, "t" * 10_000)
    drawn = draw(card(approval), offer=True, confirm=True, values=30)
    valid(drawn.blocks)
    shown = json.dumps(drawn.blocks, ensure_ascii=False)
    assert "10,000,000 bytes, SHA-256" in shown
    assert "characters left out" in shown


def test_values_are_shown_as_they_are() -> None:
    for hostile in HOSTILE[:6]:
        drawn = draw(card(asked({"note": hostile}, "t")), offer=True, confirm=True, values=30)
        assert hostile in [one.get("text") for one in objects(drawn.blocks)]


def test_two_arguments_with_the_same_words_are_told_apart() -> None:
    drawn = draw(card(asked({"a_b": "1", "a": {"b": "2"}}, "t")), offer=True, confirm=True, values=30)
    shown = [one.get("text") for one in objects(drawn.blocks)]
    assert " a_b" in shown
    assert " a.b" in shown


def test_buttons_carry_the_question_and_its_version_alone() -> None:
    approval = asked(dict(ARGS), "t")
    drawn = draw(card(approval), offer=True, confirm=True, values=30)
    buttons = [one for one in objects(drawn.blocks) if one.get("type") == "button"]
    assert {one.get("value") for one in buttons} == {f"{approval.request.id}:0", None}
    asking = [one["confirm"] for one in buttons if "confirm" in one]
    assert len(asking) == 1
    assert "1250.00" in asking[0]["text"]["text"]
    assert not any(
        "confirm" in one for one in objects(draw(card(approval), offer=True, confirm=False, values=30).blocks)
    )


def test_a_new_version_has_new_block_ids() -> None:
    claims = Claims()
    approval = claims.ask(stages=(DESK_STAGE.model_copy(update={"required": 2}),))
    after = claims.decide(approval)
    seen = [
        {str(one["block_id"]) for one in draw(card(one), offer=True, confirm=True, values=30).blocks}
        for one in (approval, after)
    ]
    assert not seen[0] & seen[1]
    assert after.state is ApprovalState.PENDING


@given(text)
def test_what_is_said_in_notifications_is_inert(words: str) -> None:
    assert not set("<>&*_~`|:@#[]()!/\\") & set(inert(words))
    assert len(fallback(card(asked({"a": 1}, words)))) <= 400


@given(args, text)
@settings(max_examples=40)
def test_forms_are_valid_and_inert(found: JsonObject, words: str) -> None:
    approval = asked(found, words, schema=SCHEMA)
    ticket = Ticket(approval_id=approval.request.id, version=0, delivery="d:1:2")
    assert Ticket.parse(ticket.value) == ticket
    claims = Claims()
    for kind in ALL[1:]:
        view = Forms(host(claims), None).first(approval, ticket, kind)  # pyright: ignore[reportArgumentType]
        assert view_problems(view) == ()
        check_view(view)
        assert "mrkdwn" not in kinds(view)


@given(args, st.dictionaries(st.sampled_from([f"f{n}" for n in range(14)]), text, max_size=6))
@settings(max_examples=40)
def test_whatever_is_typed_is_answered(found: JsonObject, typed: dict[str, str]) -> None:
    fields = fields_of(SCHEMA, found)
    reading = read_fields(SCHEMA, found, form_of(fields, typed))
    answer: Any = errors(reading.fields, reading.problems)
    if not reading.ok and any(field.kind != "kept" for field in fields):
        assert answer["errors"]
        shown = {field.key for field in fields if field.kind != "kept"}
        assert set(answer["errors"]) <= shown
        assert all(0 < len(one) <= 600 for one in answer["errors"].values())
    assert fits(fields) in (True, False)


def host(claims: Claims) -> Any:
    from guardkit.channels.host import ChannelHost

    return ChannelHost(
        name="slack",
        desk=claims.desk,
        store=claims.store,
        directory=claims.people,
        inbox="https://inbox.example",
    )


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [{"type": "divider"}] * 51,
        [{"type": "nonsense"}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}],
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
        [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
        [
            {
                "type": "rich_text",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "x" * 13_000}]}
                ],
            }
        ],
    ],
    ids=["none", "many", "unknown", "markup", "long header", "same id", "long"],
)
def test_what_slack_would_refuse_is_not_sent(blocks: Any) -> None:
    with pytest.raises(ChannelError):
        check_message(blocks)


def test_somebody_s_name_is_text() -> None:
    claims = Claims()
    approval = claims.ask(args=dict(ARGS))
    after = claims.decide(approval)
    drawn = draw(compose(after, who=lambda _: "<!channel> *Ana*"), offer=False, confirm=True, values=30)
    valid(drawn.blocks)
    assert FIRST.id not in json.dumps(drawn.blocks)
