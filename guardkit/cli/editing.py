"""Edited arguments from the command line: set one by one, read from a file, or written in an editor."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from guardkit.channels import Console
from guardkit.cli.asking import confirmed, edited
from guardkit.cli.base import complain
from guardkit.core.approvals import Approval
from guardkit.core.digest import canonical, parse
from guardkit.core.edits import edit_problems
from guardkit.core.presentation import schema_order
from guardkit.core.rows import Change, changes
from guardkit.core.setting import Path as Place, assignment, with_text
from guardkit.core.values import JsonObject
from guardkit.core.visible import escaped
from guardkit.errors import CanonicalError, DecisionRefusedError, InputError

_TOLD = 5
"""Problems that are told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What an edit leads to."""

    args: JsonObject
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What is to be changed, as it was typed."""

    sets: tuple[str, ...]
    file: str | None
    """Holds a JSON object with the arguments that change; `-` for standard input."""

    merged: JsonObject | None = None
    """The arguments that change, where they were typed themselves."""

    set: tuple[tuple[Place, str], ...] = ()

    def read(self, *, asking: bool) -> "Edits":
        """The same, understood.

        Args:
            asking: whether there is somebody who may be shown an editor.

        Raises:
            InputError: something cannot be read.
        """
        if not self.sets and self.file is None and self.merged is None and not asking:
            raise InputError("edit with --yes needs --set or --args")
        return replace(
            self,
            set=tuple(assignment(text) for text in self.sets),
            merged=self.merged if self.file is None else changed(_text(self.file)),
        )

    def of(self, approval: Approval, console: Console, *, aside: bool) -> Edited:
        """The approval's arguments with the changes, shown beside what they were.

        Args:
            approval: as it was shown.
            console: shows the changes.
            aside: ask on standard error.

        Raises:
            DecisionRefusedError: `edit_invalid`, when nothing is changed.
            InputError: what is to be changed is not there or cannot be so; names where.
        """
        schema = approval.request.args_schema
        if self.merged is None and not self.set:
            args = _in_editor(approval, aside=aside)
        else:
            args = {**approval.args, **(self.merged or {})}
            for place, text in self.set:
                args = with_text(schema, args, place, text)
        _judge(schema, args)
        if canonical(args) == canonical(approval.args):
            raise DecisionRefusedError("edit_invalid", "the edit changes nothing", remedy="approve instead")
        found = changes(approval.args, args, schema_order(schema))
        console.show_edit(found)
        return Edited(args=args, changes=found)


def changed(text: str) -> JsonObject:
    """The arguments that change.

    Args:
        text: JSON that somebody has written.

    Raises:
        InputError: it is no JSON object, or an empty one.
    """
    found = _object(text, "--args")
    if not found:
        raise InputError("--args is not a JSON object with what changes")
    return found


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or NUL in the name
        raise InputError(f"--args cannot be read: {type(error).__name__}") from error


def _object(text: str, what: str) -> JsonObject:
    try:
        found = parse(text, path=what)
    except CanonicalError as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError):
            at = f"line {cause.lineno}, column {cause.colno}"
            raise InputError(f"{what} is not JSON: look at {at}") from error
        raise InputError(f"{what} is not JSON that can be used: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{what} is not a JSON object with what changes")
    return found


def _judge(schema: JsonObject, args: JsonObject) -> None:
    problems = edit_problems(schema, args)
    if problems:
        told = [f"{problem.path} {problem.message}" for problem in problems[:_TOLD]]
        more = [f"{len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise InputError("; ".join([*told, *more]))


def _in_editor(approval: Approval, *, aside: bool) -> JsonObject:
    """All arguments as somebody leaves them; whoever makes a mistake may go on where it is."""
    text = escaped(json.dumps(approval.args, ensure_ascii=False, indent=2)) + "\n"
    while True:
        text = edited(text)
        try:
            args = _object(text, "the text")
            _judge(approval.request.args_schema, args)
        except InputError as error:
            complain(error)
            if not confirmed("Edit again?", aside=aside):
                raise
        else:
            return args
