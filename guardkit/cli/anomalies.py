"""The watch over agents, from the command line."""

import datetime as dt
import json
import sys
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from guardkit.cli.base import Operator, database as configured, out
from guardkit.core.anomalies import Anomaly
from guardkit.core.durations import format_duration
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.sql import SQLAnomalies

app = typer.Typer(no_args_is_help=True, help="Unusual behaviour of agents.")


@app.command("list")
def anomalies_list(
    tenant: Annotated[str | None, typer.Option()] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that stand no more.")] = False,
    limit: Annotated[int, typer.Option(min=1)] = 100,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List the anomalies that stand, newest first."""
    with configured() as database:
        found = SQLAnomalies(database).anomalies(tenant=tenant, standing=not everything, limit=limit)
    if as_json:
        sys.stdout.write(json.dumps([one.model_dump(mode="json") for one in found]) + "\n")
        return
    table = Table("id", "tenant", "agent", "what", "window", "found", "stands until", "settled by")
    for one in found:
        table.add_row(
            one.id, *(escape(one_line(said, 200)) for said in (one.tenant, one.agent, _what(one))),
            format_duration(one.seconds), _time(one.found_at), _time(one.stands_until), escape(one.settled_by or ""),
        )  # fmt: skip
    out.print(table)


@app.command("settle")
def anomalies_settle(
    anomaly_id: str,
    why: Annotated[str, typer.Option(help="Goes into the audit log.")],
    by: Operator,
    anew: Annotated[
        bool, typer.Option("--anew", help="This is usual from now on: the agent's past begins anew.")
    ] = False,
) -> None:
    """End the standing of an anomaly."""
    with configured() as database:
        if not SQLAnomalies(database).settle_anomaly(anomaly_id, by=by, why=why, anew=anew):
            raise InputError(
                f"there is no anomaly {anomaly_id!r} to settle", remedy="see guardkit anomalies list"
            )
    out.print("settled")


def _what(one: Anomaly) -> str:
    tool = f" {one.tool}" if one.tool else ""
    return f"{one.measure.value}{tool}: {one.count} of {one.of}, usually {100 * one.usual:.1f} %"


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
