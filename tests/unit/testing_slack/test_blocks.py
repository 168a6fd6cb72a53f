"""Each rule about blocks and views: what is just allowed, and what is just refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from guardkit.testing.slack import Conversation, Person, Rule, SlackServer, message_problems, view_problems
from guardkit.testing.slack.arguments import LONGEST_TEXT, LONGEST_UPDATE
from guardkit.testing.slack.blocks import BLOCK_TEXT, BLOCKS, text_length
from guardkit.testing.slack.elements import ELEMENTS
from tests.unit.testing_slack.pieces import (
    Piece,
    actions,
    button,
    modal,
    mrkdwn,
    plain,
    posted,
    question,
    section,
)


@dataclass(frozen=True)
class Case:
    rule: Rule
    allowed: list[Piece]
    refused: list[Any]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.rule}{'-' if self.name else ''}{self.name}"


def _rich(*parts: Piece) -> list[Piece]:
    return [{"type": "rich_text", "elements": list(parts)}]


def _inline(*elements: Piece, part: str = "rich_text_section", **more: Any) -> list[Piece]:
    return _rich({"type": part, "elements": list(elements), **more})


def _confirm(**more: Any) -> Piece:
    return {
        "title": plain("Sure?"),
        "text": mrkdwn("It is."),
        "confirm": plain("Yes"),
        "deny": plain("No"),
        **more,
    }


def _option(text: str = "one", value: str = "1", **more: Any) -> Piece:
    return {"text": plain(text), "value": value, **more}


def _options(count: int) -> list[Piece]:
    return [_option(value=str(number)) for number in range(count)]


def _select(**more: Any) -> Piece:
    return {"type": "static_select", "action_id": "a", "options": _options(1), **more}


def _image(**more: Any) -> Piece:
    return {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a", **more}


def _input(kind: str = "plain_text_input", **more: Any) -> list[Piece]:
    return [question({"type": kind, "action_id": "text", **more})]


def _table(rows: int, cells: int) -> list[Piece]:
    return [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * cells] * rows}]


def _buttons(count: int) -> list[Piece]:
    return [actions(*(button(f"a{number}") for number in range(count)))]


def _section_with(element: Piece) -> list[Piece]:
    return [section(accessory=element)]


WORD = {"type": "text", "text": "x"}

MESSAGES = [
    Case(Rule.WRONG_TYPE, [section()], ["section"], "block"),
    Case(Rule.WRONG_TYPE, [section()], [{"type": "section", "text": "text"}], "text_object"),
    Case(
        Rule.WRONG_TYPE, [section()], [{"type": "section", "text": {"type": "mrkdwn", "text": 1}}], "string"
    ),
    Case(Rule.WRONG_TYPE, [actions()], [{"type": "actions", "elements": {}}], "list"),
    Case(Rule.WRONG_TYPE, [question(optional=True)], [question(optional="yes")], "boolean"),
    Case(
        Rule.WRONG_TYPE,
        _inline({"type": "date", "timestamp": 1, "format": "{date}"}),
        _inline({"type": "date", "timestamp": "1", "format": "{date}"}),
        "number",
    ),
    Case(Rule.MISSING_FIELD, [actions()], [{"type": "actions"}], "elements"),
    Case(Rule.MISSING_FIELD, [actions()], [actions({"type": "button", "action_id": "a"})], "text"),
    Case(Rule.MISSING_FIELD, [actions(_select())], [actions({"type": "static_select"})], "options"),
    Case(
        Rule.MISSING_FIELD, _input("number_input", is_decimal_allowed=False), _input("number_input"), "number"
    ),
    Case(Rule.UNKNOWN_FIELD, [section()], [section(colour="red")], "block"),
    Case(Rule.UNKNOWN_FIELD, [actions(button())], [actions(button(colour="red"))], "element"),
    Case(
        Rule.UNKNOWN_FIELD,
        _inline({**WORD, "style": {"bold": True}}),
        _inline({**WORD, "style": {"huge": True}}),
        "style",
    ),
    Case(Rule.UNKNOWN_TYPE, [section()], [{"type": "nonsense"}], "block"),
    Case(Rule.UNKNOWN_TYPE, [actions()], [actions({"type": "nonsense"})], "element"),
    Case(Rule.UNKNOWN_TYPE, _input(), [actions({"type": "plain_text_input", "action_id": "a"})], "input"),
    Case(
        Rule.UNKNOWN_TYPE, [section()], [{"type": "section", "text": {"type": "html", "text": "x"}}], "text"
    ),
    Case(Rule.UNKNOWN_TYPE, _inline(WORD), _rich({"type": "text", "text": "x"}), "rich_text_part"),
    Case(Rule.UNKNOWN_TYPE, _inline(WORD), _inline({"type": "nonsense"}), "rich_text_element"),
    Case(
        Rule.UNKNOWN_TYPE,
        _inline(WORD, part="rich_text_preformatted", border=0),
        _inline({"type": "user", "user_id": "U1"}, part="rich_text_preformatted"),
        "preformatted",
    ),
    Case(
        Rule.UNKNOWN_TYPE,
        _rich(
            {
                "type": "rich_text_list",
                "style": "ordered",
                "elements": [{"type": "rich_text_section", "elements": [WORD]}],
            }
        ),
        _rich({"type": "rich_text_list", "style": "ordered", "elements": [WORD]}),
        "list",
    ),
    Case(
        Rule.CHOICE,
        _rich({"type": "rich_text_list", "style": "bullet", "elements": []}),
        _rich({"type": "rich_text_list", "style": "square", "elements": []}),
    ),
    Case(
        Rule.CHOICE,
        _inline({"type": "broadcast", "range": "here"}),
        _inline({"type": "broadcast", "range": "all"}),
        "broadcast",
    ),
    Case(Rule.STYLE, [actions(button(style="danger"))], [actions(button(style="blue"))]),
    Case(
        Rule.STYLE,
        [actions(button(confirm=_confirm(style="primary")))],
        [actions(button(confirm=_confirm(style="default")))],
        "confirm",
    ),
    Case(Rule.PLAIN_TEXT, [actions()], [actions(button(text=mrkdwn("*x*")))], "button"),
    Case(Rule.PLAIN_TEXT, [section()], [{"type": "header", "text": mrkdwn("x")}], "header"),
    Case(Rule.EMPTY, [section("x")], [section("")], "section"),
    Case(Rule.EMPTY, [actions()], [{"type": "actions", "elements": []}], "actions"),
    Case(Rule.EMPTY, _inline(WORD), _inline({"type": "text", "text": ""}), "rich_text"),
    Case(Rule.BLOCKS_OF_MESSAGE, [{"type": "divider"}] * 50, [{"type": "divider"}] * 51),
    Case(Rule.BLOCK_ID, [section(block_id="b" * 255)], [section(block_id="b" * 256)]),
    Case(
        Rule.BLOCK_ID_REPEATED,
        [section(block_id="a"), section(block_id="b")],
        [section(block_id="a"), section(block_id="a")],
    ),
    Case(Rule.ACTION_ID, [actions(button("a" * 255))], [actions(button("a" * 256))]),
    Case(
        Rule.ACTION_ID_REPEATED,
        [actions(button("a")), actions(button("a"))],
        [actions(button("a"), button("a"))],
    ),
    Case(
        Rule.SECTION_WITHOUT_TEXT,
        [{"type": "section", "fields": [plain("x")]}],
        [{"type": "section", "accessory": button()}],
    ),
    Case(Rule.SECTION_TEXT, [section("x" * 3000)], [section("x" * 3001)]),
    Case(
        Rule.SECTION_TEXT,
        [{"type": "context", "elements": [mrkdwn("x" * 3000)]}],
        [{"type": "context", "elements": [mrkdwn("x" * 3001)]}],
        "context",
    ),
    Case(Rule.SECTION_FIELDS, [section(fields=[plain("x")] * 10)], [section(fields=[plain("x")] * 11)]),
    Case(Rule.FIELD_TEXT, [section(fields=[plain("x" * 2000)])], [section(fields=[plain("x" * 2001)])]),
    Case(
        Rule.HEADER_TEXT,
        [{"type": "header", "text": plain("x" * 150)}],
        [{"type": "header", "text": plain("x" * 151)}],
    ),
    Case(
        Rule.CONTEXT_ELEMENTS,
        [{"type": "context", "elements": [mrkdwn("x")] * 10}],
        [{"type": "context", "elements": [mrkdwn("x")] * 11}],
    ),
    Case(Rule.ACTIONS_ELEMENTS, _buttons(25), _buttons(26)),
    Case(Rule.IMAGE_URL, [_image(image_url="u" * 3000)], [_image(image_url="u" * 3001)]),
    Case(Rule.IMAGE_ALT_TEXT, [_image(alt_text="x" * 2000)], [_image(alt_text="x" * 2001)]),
    Case(
        Rule.IMAGE_ALT_TEXT,
        [{"type": "context", "elements": [_image()]}],
        _section_with(_image(alt_text="x" * 2001)),
        "element",
    ),
    Case(Rule.IMAGE_TITLE, [_image(title=plain("x" * 2000))], [_image(title=plain("x" * 2001))]),
    Case(
        Rule.MARKDOWN_TEXT,
        [{"type": "markdown", "text": "x" * 12_000}],
        [{"type": "markdown", "text": "x" * 12_001}],
    ),
    Case(Rule.TABLE_ROWS, _table(100, 1), _table(101, 1)),
    Case(Rule.TABLE_CELLS, _table(1, 20), _table(1, 21)),
    Case(Rule.INPUT_LABEL, [question(label=plain("x" * 2000))], [question(label=plain("x" * 2001))]),
    Case(Rule.INPUT_HINT, [question(hint=plain("x" * 2000))], [question(hint=plain("x" * 2001))]),
    Case(Rule.BUTTON_TEXT, [actions(button(text=plain("x" * 75)))], [actions(button(text=plain("x" * 76)))]),
    Case(Rule.BUTTON_VALUE, [actions(button(value="x" * 2000))], [actions(button(value="x" * 2001))]),
    Case(Rule.BUTTON_URL, [actions(button(url="x" * 3000))], [actions(button(url="x" * 3001))]),
    Case(
        Rule.ACCESSIBILITY_LABEL,
        [actions(button(accessibility_label="x" * 75))],
        [actions(button(accessibility_label="x" * 76))],
    ),
    *(
        Case(
            rule,
            [actions(button(confirm=_confirm(**{part: plain("x" * most)})))],
            [actions(button(confirm=_confirm(**{part: plain("x" * (most + 1))})))],
            part,
        )
        for rule, part, most in [
            (Rule.CONFIRM_TITLE, "title", 100),
            (Rule.CONFIRM_TEXT, "text", 300),
            (Rule.CONFIRM_BUTTON, "confirm", 30),
            (Rule.CONFIRM_BUTTON, "deny", 30),
        ]
    ),
    Case(Rule.PLACEHOLDER, _input(placeholder=plain("x" * 150)), _input(placeholder=plain("x" * 151))),
    Case(Rule.OPTIONS, [actions(_select(options=_options(100)))], [actions(_select(options=_options(101)))]),
    *(
        Case(
            Rule.OPTIONS_TO_TICK,
            _section_with({"type": kind, "options": _options(10)}),
            _section_with({"type": kind, "options": _options(11)}),
            kind,
        )
        for kind in ("checkboxes", "radio_buttons")
    ),
    Case(
        Rule.OPTIONS_OF_OVERFLOW,
        _section_with({"type": "overflow", "options": _options(5)}),
        _section_with({"type": "overflow", "options": _options(6)}),
    ),
    Case(
        Rule.OPTION_TEXT,
        [actions(_select(options=[_option("x" * 75)]))],
        [actions(_select(options=[_option("x" * 76)]))],
    ),
    Case(
        Rule.OPTION_VALUE,
        [actions(_select(options=[_option(value="x" * 150)]))],
        [actions(_select(options=[_option(value="x" * 151)]))],
    ),
    Case(
        Rule.OPTION_DESCRIPTION,
        [actions(_select(options=[_option(description=plain("x" * 75))]))],
        [actions(_select(options=[_option(description=plain("x" * 76))]))],
    ),
    Case(Rule.INITIAL_VALUE, _input(initial_value="x" * 3000), _input(initial_value="x" * 3001)),
    Case(Rule.INPUT_LENGTHS, _input(min_length=3000), _input(min_length=3001), "min"),
    Case(Rule.INPUT_LENGTHS, _input(max_length=3000), _input(max_length=3001), "max"),
    Case(Rule.INPUT_LENGTHS, _input(min_length=2, max_length=2), _input(min_length=3, max_length=2), "both"),
    Case(
        Rule.DATE,
        [actions({"type": "datepicker", "initial_date": "2026-02-28"})],
        [actions({"type": "datepicker", "initial_date": "28.2.2026"})],
    ),
    Case(
        Rule.TIME,
        [actions({"type": "timepicker", "initial_time": "23:59"})],
        [actions({"type": "timepicker", "initial_time": "24:00"})],
    ),
]

VIEWS = [
    Case(Rule.BLOCKS_OF_VIEW, [modal(*[section()] * 100)], [modal(*[section()] * 101)]),
    Case(Rule.EMPTY, [modal()], [{**modal(), "blocks": []}], "blocks"),
    Case(Rule.MISSING_FIELD, [modal()], [{"type": "modal", "blocks": [section()]}], "title"),
    Case(Rule.UNKNOWN_FIELD, [modal()], [modal(colour="red")], "view"),
    Case(Rule.UNKNOWN_TYPE, [modal()], [{**modal(), "type": "dialog"}], "view"),
    Case(Rule.VIEW_TITLE, [modal(title=plain("x" * 24))], [modal(title=plain("x" * 25))]),
    Case(Rule.VIEW_SUBMIT, [modal(submit=plain("x" * 24))], [modal(submit=plain("x" * 25))]),
    Case(Rule.VIEW_CLOSE, [modal(close=plain("x" * 24))], [modal(close=plain("x" * 25))]),
    Case(Rule.PRIVATE_METADATA, [modal(private_metadata="x" * 3000)], [modal(private_metadata="x" * 3001)]),
    Case(Rule.CALLBACK_ID, [modal(callback_id="x" * 255)], [modal(callback_id="x" * 256)]),
    Case(
        Rule.SUBMIT_MISSING,
        [{"type": "modal", "title": plain("T"), "blocks": [section()]}],
        [{"type": "modal", "title": plain("T"), "blocks": [question()]}],
    ),
]

ALL_RICH_TEXT = _rich(
    {
        "type": "rich_text_section",
        "elements": [
            {"type": "text", "text": "x", "style": {"bold": True, "code": True}},
            {"type": "link", "url": "https://example.com", "text": "x"},
            {"type": "emoji", "name": "wave"},
            {"type": "user", "user_id": "U1"},
            {"type": "usergroup", "usergroup_id": "S1"},
            {"type": "team", "team_id": "T1"},
            {"type": "channel", "channel_id": "C1"},
            {"type": "color", "value": "#ffffff"},
            {"type": "date", "timestamp": 1, "format": "{date}", "fallback": "then"},
            {"type": "broadcast", "range": "channel"},
        ],
    },
    {"type": "rich_text_preformatted", "elements": [WORD], "border": 1},
    {"type": "rich_text_quote", "elements": [WORD]},
)


def test_every_rule_has_a_case() -> None:
    assert {case.rule for case in [*MESSAGES, *VIEWS]} == set(Rule)


def test_the_names_of_the_cases_differ() -> None:
    names = [str(case) for case in [*MESSAGES, *VIEWS]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", MESSAGES, ids=str)
def test_blocks_of_messages(case: Case, client: WebClient, ops: Conversation) -> None:
    assert message_problems(case.allowed) == ()
    assert {problem.rule for problem in message_problems(case.refused)} == {case.rule}
    assert client.chat_postMessage(channel=ops.id, text="t", blocks=case.allowed)["ok"]
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=ops.id, text="t", blocks=case.refused)
    assert refused.value.response["error"] == "invalid_blocks"
    assert "[json-pointer:/blocks" in refused.value.response["response_metadata"]["messages"][0]


@pytest.mark.parametrize("case", VIEWS, ids=str)
def test_views(case: Case, slack: SlackServer, client: WebClient, ada: Person, ops: Conversation) -> None:
    assert view_problems(case.allowed[0]) == ()
    assert {problem.rule for problem in view_problems(case.refused[0])} == {case.rule}
    trigger = slack.click(ada, posted(slack, ops.id), "approve").trigger_id
    with pytest.raises(SlackApiError) as refused:
        client.views_open(trigger_id=trigger, view=case.refused[0])
    assert refused.value.response["error"] == "invalid_arguments"
    assert client.views_open(trigger_id=trigger, view=case.allowed[0])["ok"]


def test_all_elements_of_rich_text() -> None:
    assert message_problems(ALL_RICH_TEXT) == ()


def test_inputs_may_stand_in_views_only_with_what_they_hold() -> None:
    for kind in ELEMENTS:
        in_input = {problem.rule for problem in message_problems([question({"type": kind})])}
        assert (Rule.UNKNOWN_TYPE in in_input) == (kind in ("button", "image", "overflow")), kind


def test_every_kind_of_block_is_checked() -> None:
    for kind in BLOCKS:
        assert message_problems([{"type": kind, "nonsense": 1}]) != ()


def _full(length: int) -> Any:
    blocks = [section("x" * 3000) for _ in range(length // 3000)]
    return [*blocks, section("x" * (length % 3000))]


def test_all_blocks_together_have_a_limit(client: WebClient, ops: Conversation) -> None:
    assert text_length(_full(BLOCK_TEXT)) == BLOCK_TEXT
    assert client.chat_postMessage(channel=ops.id, text="t", blocks=_full(BLOCK_TEXT))["ok"]
    with pytest.raises(SlackApiError, match="msg_blocks_too_long"):
        client.chat_postMessage(channel=ops.id, text="t", blocks=_full(BLOCK_TEXT + 1))


def test_a_long_text_is_cut(slack: SlackServer, client: WebClient, ops: Conversation) -> None:
    client.chat_postMessage(channel=ops.id, text="x" * (LONGEST_TEXT + 1))
    assert slack.messages(ops)[0].text == "x" * LONGEST_TEXT


def test_a_long_update_is_refused(client: WebClient, ops: Conversation) -> None:
    ts = str(client.chat_postMessage(channel=ops.id, text="t")["ts"])
    assert client.chat_update(channel=ops.id, ts=ts, text="x" * LONGEST_UPDATE)["ok"]
    with pytest.raises(SlackApiError, match="msg_too_long"):
        client.chat_update(channel=ops.id, ts=ts, text="x" * (LONGEST_UPDATE + 1))
