"""What people answered, and what waits for them, at the command line."""

import sys
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from guardkit.cli.base import directory, out, store
from guardkit.cli.ending import dumped, ending
from guardkit.core.durations import format_duration
from guardkit.core.people import Directory
from guardkit.core.stats import Agreement, AnswerCounts
from guardkit.core.visible import one_line
from guardkit.errors import InputError
from guardkit.policy.durations import parse_duration
from guardkit.runtime.measuring import DeskStats, Measuring
from guardkit.runtime.speaking import Speakers
from guardkit.sql import SQLStore

_NAME = 60
_KINDS = ("approve", "edit", "reject", "respond", "break_glass")


def stats(
    since: Annotated[
        str, typer.Option(metavar="AGE", help="How long ago it begins: 24h, 30d; at most 400d.")
    ] = "30d",
    tenant: Annotated[str, typer.Option(help="Whose.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Count what people answered, how often they agreed, how long they took, and what waits for them."""
    with ending(as_json=False):
        try:
            seconds = parse_duration(since)
        except ValueError as error:
            raise InputError(f"--since {error}", remedy="write it like 24h or 30d") from None
        with store() as found:
            counted = _measuring(found, directory()).stats(tenant, seconds)
    if as_json:
        sys.stdout.write(dumped(counted) + "\n")
    else:
        _print(counted)


def _measuring(found: SQLStore, people: Directory) -> Measuring:
    return Measuring(found, people, Speakers(people))


def _print(counted: DeskStats) -> None:
    length = format_duration(round(counted.until - counted.since))
    out.print(f"{counted.counts.total} answers in {length}", highlight=False)
    for what, agreement in (
        ("requests that several answered", counted.requests),
        ("stages", counted.stages),
        ("delegates beside others", counted.delegates),
    ):
        out.print(f"agreement, {what}: {_share(agreement)}", highlight=False)
    table = _table("approver", "waits", "answers", *_KINDS, "median", "90 %")
    for one in counted.approvers:
        table.add_row(
            *map(
                Text, (one_line(one.person or "not kept any more", _NAME), str(one.open), str(one.answered))
            ),
            *_cells(one.counts),
            Text(_time(one.median_seconds)),
            Text(_time(one.slow_seconds)),
        )
    out.print(table)
    rules = _table("rule", "answers", *_KINDS)
    for rule in counted.rules:
        rules.add_row(
            Text(one_line(rule.rule or "none", _NAME)), Text(str(rule.answered)), *_cells(rule.counts)
        )
    out.print(rules)


def _table(*names: str) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(
            name.replace("_", " "),
            overflow="fold",
            justify="left" if name in ("approver", "rule") else "right",
        )
    return table


def _cells(counts: AnswerCounts) -> list[Text]:
    return [Text(str(getattr(counts, kind) or "")) for kind in _KINDS]


def _share(agreement: Agreement) -> str:
    if not agreement.compared:
        return "none to compare"
    return f"{agreement.agreed} of {agreement.compared} ({100 * agreement.agreed / agreement.compared:.0f} %)"


def _time(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(round(seconds))
