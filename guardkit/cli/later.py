"""Commands that are imported when they are called, and named in the help before."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from guardkit.loading import found


class Later(TyperCommand):
    """A command, or a group of commands, that stands for one which is imported with its first call.

    Args:
        name: as it is called.
        help: the first paragraph of its help.
        place: where it is, `module:attribute`: a function, or a `Typer`.
    """

    def __init__(self, name: str, help: str, place: str) -> None:
        super().__init__(name, help=help)
        self._place = place

    @cached_property
    def real(self) -> Any:
        """The command itself."""
        # What it does wrong from here on is told as the log says, imports included.
        cast("Callable[[], None]", found("guardkit.logs:catch_unhandled"))()
        there = found(self._place)
        if isinstance(there, typer.Typer):
            command = typer.main.get_group(there)  # also where it has one command only
        else:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(self.name)(cast("Callable[..., Any]", there))
            command = typer.main.get_command(alone)
        command.name = self.name
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of a call, which is the real command's."""
        return self.real.make_context(info_name, args, parent, **extra)


def group_of(*commands: tuple[str, str, str]) -> type[TyperGroup]:
    """A class for a group of commands that are imported later.

    Args:
        commands: name, help and place of each, in the order of the help.
    """

    class Commands(TyperGroup):
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            for name, text, place in commands:
                self.add_command(Later(name, text, place))

        def list_commands(self, ctx: Any) -> list[str]:
            return list(self.commands)

    return Commands
