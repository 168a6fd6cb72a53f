"""Commands that are imported when they are called say in the help what they say themselves."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from guardkit.cli import app
from guardkit.cli.later import Later, group_of

ROOT: Any = typer.main.get_command(app)


@pytest.mark.parametrize("name", list(ROOT.commands))
def test_a_command_is_told_of_as_it_tells_of_itself(name: str) -> None:
    later = ROOT.commands[name]
    assert isinstance(later, Later)
    first, _, _ = str(later.real.help).partition("\n\n")
    assert " ".join(first.split()) == later.help
    assert later.real.name == name


def test_a_command_that_is_not_there_is_told() -> None:
    done = CliRunner().invoke(app, ["approvls"])
    assert done.exit_code == 2
    assert "approvls" in done.stderr


def test_a_command_whose_module_is_gone_is_an_error_when_it_is_called_and_not_before() -> None:
    broken = typer.Typer(cls=group_of(("gone", "It is gone.", "guardkit.nowhere:gone")))

    @broken.callback()
    def root() -> None:
        """Commands."""

    assert "It is gone." in CliRunner().invoke(broken, ["--help"]).stdout
    done = CliRunner().invoke(broken, ["gone"])
    assert isinstance(done.exception, ModuleNotFoundError)
