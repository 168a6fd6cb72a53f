"""Taking over threads from LangGraph's own savers, from the command line."""

from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import database, out
from guardkit.sql import ImportedThread, import_threads

_SAID = {
    "imported": "[green]imported[/]",
    "there": "already there",
    "lacking": "[yellow]would be imported[/]",
    "refused": "[bold red]refused[/]",
}


def db_import(
    source: Annotated[
        str,
        typer.Option("--from", metavar="URL", help="The database of LangGraph's SQLite or PostgreSQL saver."),
    ],
    thread: Annotated[list[str] | None, typer.Option(help="Only this thread. Repeatable.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose threads they become.")] = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and write nothing.")] = False,
) -> None:
    """Take over threads from LangGraph's own savers, and compare every row. Exit status 1 when a thread was refused."""
    refused = False
    with database() as found:
        for one in import_threads(found, source, tenant=tenant, threads=thread or (), dry_run=dry_run):
            refused = refused or one.state == "refused"
            out.print(_line(one), soft_wrap=True)
    raise typer.Exit(1 if refused else 0)


def _line(one: ImportedThread) -> str:
    why = "" if one.problem is None else f" ({escape(one.problem)})"
    return (
        f"{_SAID[one.state]} {escape(one.thread_id)}: {one.checkpoints} checkpoints, {one.writes} writes{why}"
    )
