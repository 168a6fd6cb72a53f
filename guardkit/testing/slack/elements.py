"""Buttons, menus, inputs: what may stand in a block, and within which limits."""

from collections.abc import Iterable

from guardkit.core.values import Json
from guardkit.testing.slack.rules import Check, Findings, Rule
from guardkit.testing.slack.shapes import choice, fields, flag, items, number, pattern, string, text

ID_LENGTH = 255
"""Characters of an `action_id`, a `block_id` or a `callback_id`."""

_STYLE = choice("primary", "danger", rule=Rule.STYLE)
_ACTION_ID = string(Rule.ACTION_ID, ID_LENGTH)
_PLACEHOLDER = text(Rule.PLACEHOLDER, 150, plain=True)

_CONFIRM = fields(
    required={
        "title": text(Rule.CONFIRM_TITLE, 100, plain=True),
        "text": text(Rule.CONFIRM_TEXT, 300),
        "confirm": text(Rule.CONFIRM_BUTTON, 30, plain=True),
        "deny": text(Rule.CONFIRM_BUTTON, 30, plain=True),
    },
    optional={"style": _STYLE},
)

_DATE = pattern(Rule.DATE, r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", "a date, YYYY-MM-DD")
_TIME = pattern(Rule.TIME, r"([01]\d|2[0-3]):[0-5]\d", "a time, HH:mm")


def _option(*, plain: bool) -> Check:
    return fields(
        required={
            "text": text(Rule.OPTION_TEXT, 75, plain=plain),
            "value": string(Rule.OPTION_VALUE, 150),
        },
        optional={
            "description": text(Rule.OPTION_DESCRIPTION, 75, plain=plain),
            "url": string(Rule.BUTTON_URL, 3000),
        },
    )


_MENU_OPTION = _option(plain=True)
_MENU_OPTIONS = items(Rule.OPTIONS, _MENU_OPTION, most=100)
_TICK_OPTION = _option(plain=False)
_TICK_OPTIONS = items(Rule.OPTIONS_TO_TICK, _TICK_OPTION, most=10)
_GROUPS = items(
    Rule.OPTIONS,
    fields(required={"label": text(Rule.OPTION_TEXT, 75, plain=True), "options": _MENU_OPTIONS}),
    most=100,
)
_COMMON: dict[str, Check] = {"action_id": _ACTION_ID, "confirm": _CONFIRM, "focus_on_load": flag}
_WRITTEN: dict[str, Check] = {
    "action_id": _ACTION_ID,
    "focus_on_load": flag,
    "placeholder": _PLACEHOLDER,
    "dispatch_action_config": fields(
        optional={
            "trigger_actions_on": items(
                Rule.CHOICE, choice("on_enter_pressed", "on_character_entered"), most=2
            )
        }
    ),
}


def _menu(**more: Check) -> Check:
    """A menu that has either `options` or `option_groups`."""
    known = fields(
        optional={
            **_COMMON,
            "placeholder": _PLACEHOLDER,
            "options": _MENU_OPTIONS,
            "option_groups": _GROUPS,
            **more,
        }
    )

    def check(value: Json, pointer: str, findings: Findings) -> None:
        known(value, pointer, findings)
        if isinstance(value, dict) and ("options" in value) == ("option_groups" in value):
            findings.add(Rule.MISSING_FIELD, pointer, "must have either options or option_groups")

    return check


def _plain_text_input(value: Json, pointer: str, findings: Findings) -> None:
    _PLAIN_TEXT_INPUT(value, pointer, findings)
    if not isinstance(value, dict):
        return
    low, high = value.get("min_length"), value.get("max_length")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        findings.add(Rule.INPUT_LENGTHS, pointer, "min_length must not exceed max_length")


_PLAIN_TEXT_INPUT = fields(
    optional={
        **_WRITTEN,
        "initial_value": string(Rule.INITIAL_VALUE, 3000, least=0),
        "multiline": flag,
        "min_length": number(0, 3000, Rule.INPUT_LENGTHS),
        "max_length": number(1, 3000, Rule.INPUT_LENGTHS),
    }
)

_SELECTED = string(Rule.WRONG_TYPE, ID_LENGTH)

ELEMENTS: dict[str, Check] = {
    "button": fields(
        required={"text": text(Rule.BUTTON_TEXT, 75, plain=True)},
        optional={
            "action_id": _ACTION_ID,
            "value": string(Rule.BUTTON_VALUE, 2000, least=0),
            "url": string(Rule.BUTTON_URL, 3000),
            "style": _STYLE,
            "confirm": _CONFIRM,
            "accessibility_label": string(Rule.ACCESSIBILITY_LABEL, 75),
        },
    ),
    "static_select": _menu(initial_option=_MENU_OPTION),
    "multi_static_select": _menu(
        initial_options=items(Rule.OPTIONS, _MENU_OPTION, most=100),
        max_selected_items=number(1, 100),
    ),
    "users_select": fields(optional={**_COMMON, "placeholder": _PLACEHOLDER, "initial_user": _SELECTED}),
    "conversations_select": fields(
        optional={**_COMMON, "placeholder": _PLACEHOLDER, "initial_conversation": _SELECTED}
    ),
    "overflow": fields(
        required={"options": items(Rule.OPTIONS_OF_OVERFLOW, _MENU_OPTION, most=5)},
        optional={"action_id": _ACTION_ID, "confirm": _CONFIRM},
    ),
    "checkboxes": fields(
        required={"options": _TICK_OPTIONS}, optional={**_COMMON, "initial_options": _TICK_OPTIONS}
    ),
    "radio_buttons": fields(
        required={"options": _TICK_OPTIONS}, optional={**_COMMON, "initial_option": _TICK_OPTION}
    ),
    "datepicker": fields(optional={**_COMMON, "placeholder": _PLACEHOLDER, "initial_date": _DATE}),
    "timepicker": fields(
        optional={
            **_COMMON,
            "placeholder": _PLACEHOLDER,
            "initial_time": _TIME,
            "timezone": _SELECTED,
        }
    ),
    "plain_text_input": _plain_text_input,
    "number_input": fields(
        required={"is_decimal_allowed": flag},
        optional={
            **_WRITTEN,
            "initial_value": string(Rule.INITIAL_VALUE, 3000),
            "min_value": string(Rule.WRONG_TYPE, ID_LENGTH),
            "max_value": string(Rule.WRONG_TYPE, ID_LENGTH),
        },
    ),
    "email_text_input": fields(optional={**_WRITTEN, "initial_value": string(Rule.INITIAL_VALUE, 3000)}),
    "url_text_input": fields(optional={**_WRITTEN, "initial_value": string(Rule.INITIAL_VALUE, 3000)}),
    "image": fields(
        required={
            "image_url": string(Rule.IMAGE_URL, 3000),
            "alt_text": string(Rule.IMAGE_ALT_TEXT, 2000),
        }
    ),
}
"""The check of each kind of element."""

_CHOSEN = ("static_select", "users_select", "conversations_select", "checkboxes", "radio_buttons")
_PICKED = ("datepicker", "timepicker")

IN_ACTIONS = ("button", "overflow", *_CHOSEN, *_PICKED)
IN_SECTION = (*IN_ACTIONS, "multi_static_select", "image")
IN_INPUT = (
    *_CHOSEN,
    *_PICKED,
    "multi_static_select",
    "plain_text_input",
    "number_input",
    "email_text_input",
    "url_text_input",
)
IN_CONTEXT = ("image",)


def among(kinds: Iterable[str]) -> dict[str, Check]:
    """The checks of these kinds only."""
    return {kind: ELEMENTS[kind] for kind in kinds}
