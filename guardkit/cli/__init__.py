"""guardkit on the command line."""

import sys

import typer

from guardkit import logs
from guardkit.cli import (
    anomalies,
    approvals,
    audit,
    downgrading,
    effects,
    encryption,
    erasure,
    openapi,
    operate,
    processes,
    retention,
    reviews,
    safekeeping,
    stops,
    tail,
    takeover,
    teams,
    threads,
    tokens,
    trace,
)
from guardkit.cli.base import complain
from guardkit.demo.command import demo
from guardkit.errors import GuardkitError

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Makes LangGraph agents fail safely."
)
app.command()(demo)
app.command()(processes.worker)
app.command()(processes.serve)
app.command()(operate.doctor)
app.command()(trace.trace)
app.command()(tail.tail)
app.command()(openapi.openapi)
operate.db.command("check")(safekeeping.db_check)
operate.db.command("downgrade")(downgrading.db_downgrade)
operate.db.command("backup")(safekeeping.db_backup)
operate.db.command("roles")(safekeeping.db_roles)
operate.db.command("erase")(erasure.db_erase)
audit.app.command("certificate")(erasure.audit_certificate)
audit.app.command("verify-certificate")(erasure.audit_verify_certificate)
operate.db.command("encrypt")(encryption.db_encrypt)
operate.db.command("rekey")(encryption.db_rekey)
operate.db.command("import")(takeover.db_import)
operate.db.command("prune")(retention.db_prune)
operate.db.command("size")(retention.db_size)
operate.db.add_typer(retention.hold, name="hold")
app.add_typer(operate.db, name="db")
app.add_typer(anomalies.app, name="anomalies")
app.add_typer(approvals.app, name="approvals")
app.add_typer(audit.app, name="audit")
app.add_typer(reviews.app, name="reviews")
app.add_typer(stops.app, name="stop")
app.add_typer(effects.app, name="effects")
app.add_typer(operate.policy, name="policy")
app.add_typer(operate.keys, name="keys")
app.add_typer(teams.app, name="teams")
app.add_typer(threads.app, name="threads")
app.add_typer(tokens.app, name="tokens")


def main() -> None:
    """Run the command line. A guardkit error is one line and exit status 2, never a traceback."""
    logs.catch_unhandled()
    try:
        app()
    except GuardkitError as error:
        complain(error)
        sys.exit(2)
