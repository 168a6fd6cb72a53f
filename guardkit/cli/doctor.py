"""`guardkit doctor`."""

import json
import sys
from typing import Annotated

import typer
from rich.markup import escape

from guardkit.cli.agents import load
from guardkit.cli.base import out, settings
from guardkit.cli.examination import examine, examine_channels


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
    findings = examine(settings())
    if spec is not None:
        guard, _ = load(spec)
        findings += examine_channels(guard.channels)
    if as_json:
        sys.stdout.write(json.dumps([finding.model_dump(mode="json") for finding in findings]) + "\n")
    else:
        for finding in findings:
            mark = "[green]ok[/]  " if finding.ok else "[bold red]bad[/] "
            out.print(f"{mark} {escape(finding.what)}: {escape(finding.says)}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
