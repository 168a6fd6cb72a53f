"""Setting up and looking after: database, policies, keys, doctor."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import database, out, store
from guardkit.core.encryption import encryption_key
from guardkit.core.keys import Keys, private_key
from guardkit.core.signing import Signer
from guardkit.policy import Policy, lint
from guardkit.sql import standing, upgrade

db = typer.Typer(no_args_is_help=True, help="The database.")
policy = typer.Typer(no_args_is_help=True, help="Policies.")
keys = typer.Typer(no_args_is_help=True, help="Keys.")


@db.command("upgrade")
def db_upgrade() -> None:
    """Create or migrate the tables."""
    with database() as configured:
        out.print(f"database is at revision {upgrade(configured)}")


@db.command("status")
def db_status() -> None:
    """Say where the database stands, without a change to it. Exit status 1 when guardkit cannot work with it."""
    with database() as configured:
        found = standing(configured)
    out.print(escape(str(found)), soft_wrap=True)
    raise typer.Exit(0 if found.fits else 1)


@db.command("threads")
def db_threads(
    tenant: Annotated[str | None, typer.Option()] = None, limit: Annotated[int, typer.Option(min=1)] = 50
) -> None:
    """List threads."""
    table = Table("thread", "tenant", "agent", "turn", "status", "pending", "dead letter")
    with store() as found:
        for row in found.threads(tenant, limit=limit):
            table.add_row(
                escape(row.thread_id), escape(row.tenant), escape(row.agent), str(row.turn), row.status.value,
                str(row.pending_approvals), escape(row.dead_letter or ""),
            )  # fmt: skip
    out.print(table)


@policy.command("check")
def policy_check(path: Path) -> None:
    """Load a policy and print what a careful reader would ask about it."""
    loaded = Policy.from_file(path)
    for warning in lint(loaded):
        where = ", ".join(
            part for part in (f"line {warning.line}" if warning.line else "", warning.field) if part
        )
        out.print(f"[yellow]warning[/] {escape(where)}: {escape(warning.message)} ({warning.code})")
    out.print(f"{escape(loaded.name)} {escape(loaded.version)} {loaded.hash[:12]}")


@keys.command("new")
def keys_new() -> None:
    """Print new keys as environment variables. Keep the private ones apart: see the configuration reference."""
    decision, audited = private_key(), private_key()
    secret = Keys.generate().web_secret
    lines = {
        "GUARDKIT_DECISION_KEY": decision,
        "GUARDKIT_DECISION_PUBLIC_KEYS": Signer(decision).public_key,
        "GUARDKIT_AUDIT_KEY": audited,
        "GUARDKIT_AUDIT_PUBLIC_KEYS": Signer(audited).public_key,
        "GUARDKIT_WEB_SECRET": secret.get_secret_value() if secret else "",
        "GUARDKIT_ENCRYPTION_KEY": encryption_key(),
    }
    for variable, value in lines.items():
        sys.stdout.write(f"{variable}={value}\n")
