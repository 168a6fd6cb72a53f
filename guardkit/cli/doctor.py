"""`guardkit doctor`."""

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.agents import load
from guardkit.cli.base import out, settings
from guardkit.cli.examination import examine, examine_channels, examine_runs


def doctor(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODULE:GRAPH]", help="A guarded graph, or its Guard: looks at its channels too."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check versions, database, migrations, keys, LangGraph's insides, and channels. Exit status 1 when something is wrong."""
    configured = settings()
    findings = examine(configured)
    if spec is not None:
        guard, graphs = load(spec)
        findings += examine_runs(configured) if graphs else []
        findings += examine_channels(guard.channels)
    if as_json:
        sys.stdout.write(json.dumps([finding.model_dump(mode="json") for finding in findings]) + "\n")
    else:
        for finding in findings:
            mark = "[yellow]look[/]" if finding.warns else "[green]ok[/]  "
            out.print(
                f"{mark if finding.ok else '[bold red]bad[/] '} {escape(finding.what)}: {escape(finding.says)}"
            )
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
