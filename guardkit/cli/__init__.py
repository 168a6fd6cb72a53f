"""guardkit on the command line."""

import sys

import typer
from rich.markup import escape

from guardkit.cli import approvals, audit, effects, openapi, operate, processes, stops, teams, tokens, trace
from guardkit.cli.base import err
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
app.command()(openapi.openapi)
app.add_typer(operate.db, name="db")
app.add_typer(approvals.app, name="approvals")
app.add_typer(audit.app, name="audit")
app.add_typer(stops.app, name="stop")
app.add_typer(effects.app, name="effects")
app.add_typer(operate.policy, name="policy")
app.add_typer(operate.keys, name="keys")
app.add_typer(teams.app, name="teams")
app.add_typer(tokens.app, name="tokens")


def main() -> None:
    """Run the command line. A guardkit error is one line and exit status 2, never a traceback."""
    try:
        app()
    except GuardkitError as error:
        err.print(f"[bold red]{error.code}[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
