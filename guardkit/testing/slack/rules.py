"""What Slack refuses in blocks and views, rule by rule."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from guardkit.core.values import Json


class Rule(StrEnum):
    """One rule about blocks or views. `tests/unit/testing_slack` holds a case for each."""

    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_TYPE = "unknown_type"
    CHOICE = "choice"
    STYLE = "style"
    PLAIN_TEXT = "plain_text"
    EMPTY = "empty"
    BLOCKS_OF_MESSAGE = "blocks_of_message"
    BLOCKS_OF_VIEW = "blocks_of_view"
    BLOCK_ID = "block_id"
    BLOCK_ID_REPEATED = "block_id_repeated"
    ACTION_ID = "action_id"
    ACTION_ID_REPEATED = "action_id_repeated"
    SECTION_WITHOUT_TEXT = "section_without_text"
    SECTION_TEXT = "section_text"
    SECTION_FIELDS = "section_fields"
    FIELD_TEXT = "field_text"
    HEADER_TEXT = "header_text"
    CONTEXT_ELEMENTS = "context_elements"
    ACTIONS_ELEMENTS = "actions_elements"
    IMAGE_URL = "image_url"
    IMAGE_ALT_TEXT = "image_alt_text"
    IMAGE_TITLE = "image_title"
    MARKDOWN_TEXT = "markdown_text"
    TABLE_ROWS = "table_rows"
    TABLE_CELLS = "table_cells"
    INPUT_LABEL = "input_label"
    INPUT_HINT = "input_hint"
    BUTTON_TEXT = "button_text"
    BUTTON_VALUE = "button_value"
    BUTTON_URL = "button_url"
    ACCESSIBILITY_LABEL = "accessibility_label"
    CONFIRM_TITLE = "confirm_title"
    CONFIRM_TEXT = "confirm_text"
    CONFIRM_BUTTON = "confirm_button"
    PLACEHOLDER = "placeholder"
    OPTIONS = "options"
    OPTIONS_TO_TICK = "options_to_tick"
    OPTIONS_OF_OVERFLOW = "options_of_overflow"
    OPTION_TEXT = "option_text"
    OPTION_VALUE = "option_value"
    OPTION_DESCRIPTION = "option_description"
    INITIAL_VALUE = "initial_value"
    INPUT_LENGTHS = "input_lengths"
    DATE = "date"
    TIME = "time"
    VIEW_TITLE = "view_title"
    VIEW_SUBMIT = "view_submit"
    VIEW_CLOSE = "view_close"
    PRIVATE_METADATA = "private_metadata"
    CALLBACK_ID = "callback_id"
    SUBMIT_MISSING = "submit_missing"


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where a rule is broken."""

    rule: Rule
    pointer: str
    """A JSON pointer, such as `/blocks/0/text`."""
    message: str

    def __str__(self) -> str:
        return f"[ERROR] {self.message} [json-pointer:{self.pointer}]"


class Findings:
    """Collects problems.

    Attributes:
        problems: what was found, in the order of the document.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, rule: Rule, pointer: str, message: str) -> None:
        """Write down a problem."""
        self.problems.append(Problem(rule, pointer, message))


Check: TypeAlias = Callable[[Json, str, Findings], None]
"""Looks at a value, at the pointer where it stands, and writes problems down."""
