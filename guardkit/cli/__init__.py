"""guardkit on the command line. A command is imported when it is called: the help needs none of them."""

import sys
from collections.abc import Callable
from typing import cast

import typer

from guardkit.cli.later import group_of
from guardkit.errors import GuardkitError
from guardkit.loading import found

COMMANDS = group_of(
    (
        "demo",
        "Run an insurance claims desk, or answer a question from your own documents.",
        "guardkit.demo.command:demo",
    ),
    ("worker", "Deliver, expire and resume, until interrupted.", "guardkit.cli.processes:worker"),
    (
        "serve",
        "Serve the approval inbox on loopback. To serve others, mount `guard.app(settings=…, sign_in=…)` yourself.",
        "guardkit.cli.processes:serve",
    ),
    (
        "doctor",
        "Check versions, database, migrations, keys, LangGraph's insides, and channels. Exit status 1 when something is wrong.",
        "guardkit.cli.doctor:doctor",
    ),
    (
        "trace",
        "Tell what happened in a thread: what was proposed, decided, asked, answered, done, and why it ended.",
        "guardkit.cli.trace:trace",
    ),
    ("tail", "Show what happens as it happens, one line each, until interrupted.", "guardkit.cli.tail:tail"),
    (
        "openapi",
        "Print the OpenAPI document of the HTTP API, as the inbox serves it.",
        "guardkit.cli.openapi:openapi",
    ),
    ("db", "The database.", "guardkit.cli.databases:app"),
    ("anomalies", "Unusual behaviour of agents.", "guardkit.cli.anomalies:app"),
    ("approvals", "Questions to people.", "guardkit.cli.approvals:app"),
    ("audit", "The hash-chained audit log.", "guardkit.cli.audits:app"),
    ("reviews", "Reviews of what was approved by breaking the glass.", "guardkit.cli.reviews:app"),
    ("stop", "The emergency stop.", "guardkit.cli.stops:app"),
    ("effects", "The ledger of side effects.", "guardkit.cli.effects:app"),
    ("policy", "Policies.", "guardkit.cli.operate:policy"),
    ("keys", "Keys.", "guardkit.cli.operate:keys"),
    ("teams", "Microsoft Teams.", "guardkit.cli.teams:app"),
    ("threads", "Threads.", "guardkit.cli.threads:app"),
    ("tokens", "Tokens of the HTTP API.", "guardkit.cli.tokens:app"),
)

app = typer.Typer(cls=COMMANDS, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def guardkit() -> None:
    """Makes LangGraph agents fail safely."""


def main() -> None:
    """Run the command line. A guardkit error is one line and exit status 2, never a traceback."""
    try:
        app()
    except GuardkitError as error:
        cast("Callable[[GuardkitError], None]", found("guardkit.cli.base:complain"))(error)
        sys.exit(2)
