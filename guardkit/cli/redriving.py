"""Giving a dead-lettered thread to workers again, from the command line."""

from typing import Annotated

import typer

from guardkit.cli.base import Operator, out, store
from guardkit.cli.deciding import AsJson
from guardkit.cli.ending import ending, write
from guardkit.core.values import Value
from guardkit.core.visible import one_line
from guardkit.errors import InputError


class Redriven(Value):
    """A thread that is due again, as `--json` prints it."""

    tenant: str
    thread_id: str
    by: str


def redrive(
    thread_id: Annotated[str, typer.Argument(help="The whole id of the thread.")],
    by: Operator,
    tenant: Annotated[str, typer.Option(help="Whose thread.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Make a dead-lettered thread due again, once what stopped it is repaired. Workers take it up at once."""
    with ending(as_json=as_json):
        with store() as found:
            if not found.redrive(tenant, thread_id, by=by):
                raise InputError(
                    f"thread {one_line(thread_id, 80)!r} of tenant {one_line(tenant, 80)!r} is not dead-lettered",
                    remedy="see guardkit db threads",
                )
        if as_json:
            write(Redriven(tenant=tenant, thread_id=thread_id, by=by))
        else:
            out.print("due again")
