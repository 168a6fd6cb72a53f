"""Taking a database back to the tables of an older guardkit, from the command line."""

from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import database, out
from guardkit.errors import InputError
from guardkit.sql import Downgrade, downgrade, plan_downgrade


def db_downgrade(
    revision: Annotated[str, typer.Argument(help="An older revision, e.g. 0005.")],
    allow_loss: Annotated[
        bool,
        typer.Option("--allow-loss", help="Also when rows are lost that the older tables have no place for."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who does it; goes into the audit log.")] = None,
) -> None:
    """Take the database back to the tables of an older guardkit. With --dry-run exit status 1 when it would be refused."""
    if not dry_run:
        if by is None:
            raise InputError(
                "nobody is named who takes the database back", remedy="say --by, or --dry-run to look"
            )
        with database() as configured:
            done = downgrade(configured, revision, by=by, allow_loss=allow_loss)
        out.print(f"database is at revision {escape(done.to_revision)}")
        return
    with database() as configured:
        plan = plan_downgrade(configured, revision)
    for line in _told(plan):
        out.print(line, soft_wrap=True)
    refused = plan.obstacle(allow_loss=allow_loss) is not None
    out.print("would be refused" if refused else "would be done")
    raise typer.Exit(1 if refused else 0)


def _told(plan: Downgrade) -> list[str]:
    lines = [f"from revision {escape(plan.from_revision)} to {escape(plan.to_revision)}"]
    lines += [f"[yellow]lost[/] {escape(one.what)}: {one.rows}" for one in plan.lost]
    lines += [f"[bold red]unreadable[/] {escape(one.what)}: {one.rows}" for one in plan.unreadable]
    return lines + [f"[bold red]held[/] {escape(one)}" for one in plan.held]
