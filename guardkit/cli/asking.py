"""What is asked at the terminal itself."""

import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import typer

from guardkit.errors import InputError

try:
    import termios
except ImportError:  # not on Windows
    termios = None


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def confirmed(question: str, *, aside: bool) -> bool:
    """Whether somebody says yes now. What was typed before the question was there does not answer it.

    Args:
        question: in plain, visible text.
        aside: ask on standard error, as standard output is for machines.
    """
    _forget_typed()
    return typer.confirm(question, err=aside)


def words(question: str, *, aside: bool) -> str:
    """What somebody writes, in one line.

    Args:
        question: in plain, visible text.
        aside: ask on standard error.
    """
    _forget_typed()
    said: str = typer.prompt(question, err=aside)
    return said


def _forget_typed() -> None:
    if termios is not None:
        with suppress(termios.error, OSError):
            termios.tcflush(sys.stdin, termios.TCIFLUSH)


def edited(text: str) -> str:
    """The text after somebody has edited it with `VISUAL` or `EDITOR`, or vi. The file is theirs alone, and removed.

    Args:
        text: what the editor shows.

    Raises:
        InputError: there is no such editor, it fails, or what it leaves is not UTF-8.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    handle, name = tempfile.mkstemp(prefix="guardkit-", suffix=".json")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # The person's own command, run as the person.
        status = subprocess.run([*shlex.split(editor), name], check=False).returncode  # noqa: S603
        if status != 0:
            raise InputError(f"the editor ended with status {status}: nothing was decided")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: quotes that do not end, or not UTF-8
        raise InputError(
            f"the editor cannot be used: {type(error).__name__}", remedy="set VISUAL or EDITOR; or use --set"
        ) from error
    finally:
        path.unlink(missing_ok=True)
