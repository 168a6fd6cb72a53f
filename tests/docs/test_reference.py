"""The reference says what the code has: nothing less, nothing more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

import guardkit
from guardkit.cli import app
from guardkit.cli.later import Later
from guardkit.core import settings
from guardkit.core.decisions import NOTHING_DECIDED
from guardkit.core.no_result import NoResultReason
from guardkit.core.story import ActionStory, Moment, RunStory, Story, TurnStory
from guardkit.core.values import Value
from guardkit.core.wording import _WORDS
from guardkit.errors import GuardkitError
from guardkit.policy.calendars import CalendarEntry, QuietHours
from guardkit.policy.constitution import Principle
from guardkit.policy.document import (
    Budgets,
    EscalationEntry,
    ExemptionEntry,
    PolicyDocument,
    RouteEntry,
    SourceRules,
    StageEntry,
    ToolEntry,
    ToolRule,
)
from guardkit.policy.emergencies import BreakGlassEntry, ReviewEntry
from guardkit.policy.people import DelegationEntry, PersonEntry
from guardkit.policy.rules import action_scope
from guardkit.policy.sections import Section
from guardkit.policy.shapes import ANYTHING, RecordShape
from guardkit.policy.source_scope import SOURCE_SCOPE
from guardkit.policy.standing import AmountEntry, StandingEntry
from guardkit.policy.syntax import MACROS
from guardkit.policy.typecheck import FUNCTIONS
from tests.architecture.source import PACKAGE, imported, syntax
from tests.docs.pages import ROOT, pages

REFERENCE = ROOT / "docs" / "reference"
ROUND = 2
"""Cells that a row of a table has at least."""


def _sections(name: str) -> dict[str, str]:
    """The text below each heading of a page, by heading, without code."""
    text = (REFERENCE / name).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.split(r"^#{1,4} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def _rows(text: str) -> list[list[str]]:
    """The rows of the tables in a text, without their heads."""
    rows: list[list[str]] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) >= ROUND and not set("".join(cells)) <= set("- "):
            rows.append(cells)
    return rows


def _named(text: str) -> list[str]:
    """What stands in backticks in the first cells of the tables in a text."""
    return [name for cells in _rows(text) for name in re.findall(r"`([^`]+)`", cells[0])]


# --- errors ----------------------------------------------------------------------------------------------------------


def _errors(root: type[GuardkitError] = GuardkitError) -> Iterator[type[GuardkitError]]:
    yield root
    for error in root.__subclasses__():
        yield from _errors(error)


def test_every_error_is_listed_with_its_code() -> None:
    imported()
    raised = {
        (error.__name__, error.code)
        for error in _errors()
        if not error.__name__.startswith("_") and "code" in vars(error)  # others are their parent to callers
    }
    rows = _rows(_sections("errors.md")["Errors"])[1:]
    assert {(cells[0].strip("`"), cells[1].strip("`")) for cells in rows} == raised


def test_every_reason_to_refuse_a_decision_is_listed() -> None:
    said: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(syntax(path)):
            match node:
                case ast.Call(
                    func=ast.Name(id="DecisionRefusedError"), args=[ast.Constant(value=str() as reason), *_]
                ):
                    said.add(reason)
                case _:
                    pass
    assert set(_named(_sections("errors.md")["Why a decision was refused"])) == said


def test_every_reason_of_a_no_result_has_its_word() -> None:
    words = (ROOT / "docs" / "concepts" / "words.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z_]+)` \|", words.partition("The reason of a `NoResult`")[2], re.MULTILINE)
    assert sorted(listed) == sorted(reason.value for reason in NoResultReason)


# --- policy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("Top", PolicyDocument),
        ("Tool", ToolEntry),
        ("Rule", ToolRule),
        ("Route", RouteEntry),
        ("Exemption", ExemptionEntry),
        ("Broken glass", BreakGlassEntry),
        ("Review", ReviewEntry),
        ("Standing approvals", StandingEntry),
        ("Sum", AmountEntry),
        ("Escalation over time", EscalationEntry),
        ("Stage", StageEntry),
        ("Calendar", CalendarEntry),
        ("Quiet hours", QuietHours),
        ("Budgets", Budgets),
        ("Sources", SourceRules),
        ("People file", PersonEntry),
        ("Delegate", DelegationEntry),
        ("Constitution file", Principle),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_key_of_a_policy_is_listed(heading: str, section: type[Section]) -> None:
    text = _sections("policy.md")[heading]
    listed = [cells[0].strip("`") for cells in _rows(text) if cells[0] != "key"]
    assert sorted(listed) == sorted(field.alias or name for name, field in section.model_fields.items())
    required = {field.alias or name for name, field in section.model_fields.items() if field.is_required()}
    marked = {cells[0].strip("`") for cells in _rows(text) if cells[1] == "required"}
    assert marked == required
    for key in section.not_built:
        assert f"`{key}` is refused" in text


def test_every_variable_and_function_of_conditions_is_listed() -> None:
    rows = _rows(_sections("policy.md")["Conditions"])
    variables = {cells[0].strip("`"): cells[1] for cells in rows if len(cells) == 3}
    del variables["variable"]
    scope = action_scope(ANYTHING)
    assert variables == {
        **dict.fromkeys(scope.variables, "rules"),
        **dict.fromkeys(SOURCE_SCOPE.variables, "sources"),
    }
    functions = {
        re.sub(r"\(.*", "", name)
        for cells in rows
        if len(cells) == 2
        for name in re.findall(r"`([^`]+)`", cells[0])
    }
    assert functions == {*FUNCTIONS, *MACROS}


def test_every_field_of_a_source_that_conditions_see_is_listed() -> None:
    row = next(cells for cells in _rows(_sections("policy.md")["Conditions"]) if cells[0] == "`source`")
    shape = SOURCE_SCOPE.variables["source"]
    assert isinstance(shape, RecordShape)
    assert set(re.findall(r"`([^`]+)`", row[2])) == set(shape.fields)


def test_what_a_model_is_told_by_default_is_quoted_as_it_is() -> None:
    assert f'"{NOTHING_DECIDED.tell_model}"' in _sections("policy.md")["Rule"]


# --- command line ----------------------------------------------------------------------------------------------------


def _commands(command: Any, path: str = "guardkit") -> Iterator[tuple[str, Any]]:
    command = command.real if isinstance(command, Later) else command
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, sub in inner.items():
        yield from _commands(sub, f"{path} {name}")


def test_every_command_is_listed_with_its_options() -> None:
    sections = _sections("cli.md")
    listed = {heading: text for heading, text in sections.items() if heading.startswith("guardkit ")}
    there = dict(_commands(typer.main.get_command(app)))
    assert set(listed) == set(there)
    for name, command in there.items():
        options = {option for part in command.params for option in part.opts if option.startswith("--")}
        assert set(_named(listed[name])) - {"key"} == options - {"--help"}, name


def test_required_options_are_marked() -> None:
    sections = _sections("cli.md")
    for name, command in _commands(typer.main.get_command(app)):
        required = {
            part.opts[0] for part in command.params if part.required and part.opts[0].startswith("--")
        }
        marked = {
            cells[0].split("`")[1]
            for cells in _rows(sections[name])
            if cells[1].startswith("required") and "for `" not in cells[1]
        }
        assert marked == required, name


@pytest.mark.parametrize(
    ("heading", "part"),
    [("Story", Story), ("Turn", TurnStory), ("Run", RunStory), ("Action", ActionStory), ("Moment", Moment)],
    ids=["story", "turn", "run", "action", "moment"],
)
def test_every_field_of_a_story_is_listed(heading: str, part: type[Value]) -> None:
    assert _named(_sections("story.md")[heading])[: len(part.model_fields)] == list(part.model_fields)


def test_every_kind_of_a_moment_is_listed() -> None:
    assert sorted(_named(_sections("story.md")["Kinds"])) == sorted(_WORDS)


# --- configuration ---------------------------------------------------------------------------------------------------


def test_every_entry_and_variable_of_the_configuration_is_listed() -> None:
    rows = _rows(_sections("configuration.md")["Configuration"])[1:]
    listed = {cells[0].strip("`"): set(re.findall(r"`([^`]+)`", cells[1])) for cells in rows}
    plain = {**settings._PLAIN, **settings._LISTS, **settings._FLAGS}
    there = {name: {variable} for name, variable in plain.items()}
    for name, variable in (settings._SECRETS | settings._SEALING).items():
        there[f"{name}_file"] = {variable, f"{variable}_FILE"}
    assert listed == there


def _variables(*rooms: str) -> set[str]:
    """The environment variables that the code of some rooms names."""
    found: set[str] = set()
    for room in rooms:
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(syntax(path)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= set(re.findall(r"^(?:GUARDKIT|SLACK)_[A-Z_]+$", node.value))
    return found


def test_every_variable_of_channels_and_sign_ins_is_listed() -> None:
    listed = _named(_sections("configuration.md")["Channels and sign-in"])
    assert sorted(listed) == sorted(_variables("channels", "web"))


def _of_options() -> dict[str, set[str]]:
    """The variables that options of commands are read from, with the options."""
    found: dict[str, set[str]] = {}
    for _, command in _commands(typer.main.get_command(app)):
        for part in command.params:
            if part.envvar:
                found.setdefault(part.envvar, set()).update(part.opts)
    return found


def test_every_variable_of_an_option_is_listed_with_it() -> None:
    rows = _rows(_sections("configuration.md")["Processes"])[1:]
    listed = {cells[0].strip("`"): {re.findall(r"`([^`]+)`", cells[1])[0]} for cells in rows}
    assert listed == _of_options()


def test_no_page_names_a_variable_that_does_not_exist() -> None:
    known = {
        *settings._PLAIN.values(),
        *settings._LISTS.values(),
        *settings._FLAGS.values(),
        *_variables("channels", "web"),
    }
    for variable in (settings._SECRETS | settings._SEALING).values():
        known |= {variable, f"{variable}_FILE"}
    known |= {"GUARDKIT_DEMO_FOLDER", *_of_options()}
    for page in (ROOT / "docs").rglob("*.md"):
        assert set(re.findall(r"GUARDKIT_[A-Z_]+", page.read_text(encoding="utf-8"))) <= known, page.name


# --- Python ----------------------------------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference() -> None:
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^::: guardkit\.(\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted(name for name in guardkit.__all__ if not name.startswith("__"))


# --- the tree --------------------------------------------------------------------------------------------------------


def test_every_path_of_the_tree_that_a_page_names_is_there() -> None:
    named = re.compile(r"`((?:tests|benchmarks|examples|guardkit|docs|requirements|changes)/[\w./-]+)`")
    gone = {
        f"{page.name}: {path}"
        for page in pages()
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    }
    assert gone == set()
