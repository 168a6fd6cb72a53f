"""Looking a database over, copying it, and saying who may do what with it, from the command line."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.base import database, out, settings
from guardkit.sql import back_up, inspect_database, roles_script, row_level_security_script


def db_check(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Look the database over, without a change to it. Exit status 1 when something is wrong."""
    with database() as opened:
        found = inspect_database(opened)
    if as_json:
        sys.stdout.write(json.dumps([one.model_dump(mode="json") for one in found]) + "\n")
    else:
        for one in found:
            mark = "[green]ok[/]  " if one.ok else "[bold red]bad[/] "
            remedy = "" if one.remedy is None else f" ({escape(one.remedy)})"
            out.print(f"{mark} {escape(one.what)}: {escape(one.says)}{remedy}", soft_wrap=True)
    raise typer.Exit(0 if all(one.ok for one in found) else 1)


def db_backup(file: Annotated[Path, typer.Argument(help="Where the copy goes; there must be none.")]) -> None:
    """Copy an SQLite database while others write to it."""
    revision = back_up(settings().need_database(), file)
    out.print(f"copied to {escape(str(file))}, at revision {revision}", soft_wrap=True)


def db_roles(
    schema: Annotated[
        str | None,
        typer.Option(help="Where the tables are; by default in the configured schema, or in public."),
    ] = None,
    agent: Annotated[str, typer.Option(help="The role of agents.")] = "guardkit_agent",
    service: Annotated[
        str, typer.Option(help="The role of workers, web processes and the command line.")
    ] = "guardkit_service",
    row_level_security: Annotated[
        bool, typer.Option("--row-level-security", help="Also let agents see one tenant only.")
    ] = False,
) -> None:
    """Print SQL that makes two roles on PostgreSQL: one for agents, which can decide nothing, and one for the rest."""
    schema = schema or settings().database_schema or "public"
    sys.stdout.write(roles_script(schema=schema, agent=agent, service=service))
    if row_level_security:
        sys.stdout.write("\n" + row_level_security_script(schema=schema, agent=agent, service=service))
