"""Removing what is old, legal holds and sizes, from the command line."""

import json
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import Operator, database as configured, out
from guardkit.core.retention import LegalHold
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.policy import Retention
from guardkit.sql import SQLRetention, database_size

hold = typer.Typer(no_args_is_help=True, help="Legal holds: what must be kept.")

OnlyTenant = Annotated[str | None, typer.Option(help="Only this tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@contextmanager
def _retention() -> Generator[SQLRetention]:
    with configured() as database:
        yield SQLRetention(database)


def db_prune(
    file: Annotated[Path, typer.Argument(metavar="RETENTION.yaml", help="How long what is kept.")],
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who does it; goes into the audit log. Needed unless --dry-run."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    tenant: OnlyTenant = None,
    batch: Annotated[int, typer.Option(help="Threads of one transaction at most, 1 to 1000.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Remove what is older than it is kept. What the file does not name is kept; the audit log always is."""
    retention = Retention.from_file(file)
    with _retention() as found:
        if dry_run:
            pruned = found.preview(retention, tenant=tenant)
        elif by is None:
            raise InputError(
                "nobody is named", remedy="say who does it with --by, or look first with --dry-run"
            )
        else:
            pruned = found.prune(retention, by=by, tenant=tenant, batch=batch)
    if as_json:
        said = [{**one.model_dump(mode="json"), "removed": not dry_run} for one in pruned]
        sys.stdout.write(json.dumps(said) + "\n")
        return
    table = Table(
        "tenant", "what", "older than", "threads", "rows " + ("that would go" if dry_run else "removed")
    )
    for one in pruned:
        rows = ", ".join(f"{count} {name}" for name, count in sorted(one.rows.items()))
        table.add_row(
            _shown(one.tenant), one.kind.value, _time(one.before), str(one.threads) if one.threads else "", rows or "none"
        )  # fmt: skip
    if not pruned:
        out.print("the file names nothing that is here", highlight=False)
        return
    out.print(table)


def db_size(
    tenant: OnlyTenant = None,
    threads: Annotated[int, typer.Option(help="Name this many of the largest threads.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say how large the tables are, and the largest threads. Reads every row."""
    with configured() as database:
        size = database_size(database, tenant=tenant, threads=threads)
    if as_json:
        sys.stdout.write(size.model_dump_json() + "\n")
        return
    table = Table("table", "rows", f"bytes ({size.measured})")
    for one in size.tables:
        table.add_row(one.table, str(one.rows), f"{one.bytes:,}")
    out.print(table)
    if threads:
        largest = Table("tenant", "thread", "rows", "bytes (contents)")
        for thread in size.threads:
            largest.add_row(
                _shown(thread.tenant), _shown(thread.thread_id), str(thread.rows), f"{thread.bytes:,}"
            )
        out.print(largest)


@hold.command("set")
def hold_set(
    why: Annotated[str, typer.Option(help="Kept with the hold.")],
    by: Operator,
    tenant: Annotated[str, typer.Option(help="Whose thread.")] = "default",
    thread: Annotated[str | None, typer.Option(help="The thread.")] = None,
    whole_tenant: Annotated[
        bool, typer.Option("--whole-tenant", help="Instead of a thread: everything of the tenant.")
    ] = False,
) -> None:
    """Keep a thread, or everything of a tenant, until the hold is lifted."""
    if (thread is None) != whole_tenant:
        raise InputError("say what to hold: --thread ID, or --whole-tenant")
    order = LegalHold(id=uuid.uuid4().hex[:12], tenant=tenant, thread_id=thread, by=by, why=why)
    with _retention() as found:
        order = found.set_hold(order)
    out.print(f"hold {order.id} is in force on {_covered(order)}", highlight=False, soft_wrap=True)


@hold.command("list")
def hold_list(
    tenant: OnlyTenant = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the holds in force, oldest first."""
    with _retention() as found:
        orders = found.holds(tenant, lifted=everything)
    if as_json:
        sys.stdout.write(json.dumps([one.model_dump(mode="json") for one in orders]) + "\n")
        return
    table = Table("id", "tenant", "thread", "set", "by", "why", "lifted by")
    for one in orders:
        table.add_row(
            _shown(one.id), _shown(one.tenant), "(all)" if one.thread_id is None else _shown(one.thread_id),
            _time(one.at), _shown(one.by), _shown(one.why), _shown(one.lifted_by or ""),
        )  # fmt: skip
    out.print(table)


@hold.command("lift")
def hold_lift(
    hold_id: str,
    why: Annotated[str, typer.Option(help="Kept with the hold.")],
    by: Operator,
    tenant: Annotated[str, typer.Option(help="Whose hold.")] = "default",
) -> None:
    """Lift a hold. The next prune may remove what it kept."""
    with _retention() as found:
        if not found.lift_hold(tenant, hold_id, by=by, why=why):
            raise InputError(
                f"no hold {hold_id!r} of tenant {tenant!r} is in force", remedy="see guardkit db hold list"
            )
    out.print("lifted")


def _covered(order: LegalHold) -> str:
    if order.thread_id is None:
        return f"everything of tenant {_shown(order.tenant)}"
    return f"thread {_shown(order.thread_id)} of tenant {_shown(order.tenant)}"


def _shown(text: str) -> str:
    return escape(one_line(text, 200))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
