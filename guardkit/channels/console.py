"""The terminal as an approval channel."""

import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.box import ROUNDED, SIMPLE
from rich.console import Console as Terminal, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.presentation import Presentation, StageView, present, presentation_hash, utc
from guardkit.core.rows import Change, Row
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError

_GOOD = (ApprovalState.APPROVED, ApprovalState.CONSUMED)


class Console:
    """Prints approvals and their outcomes, by default to standard error. Decisions are taken elsewhere.

    Everything is printed as plain text: markup, control characters and escape sequences in what a model or a user
    wrote are shown, not obeyed.

    Args:
        name: the name by which policies call this channel.
        inbox: URL of the web inbox, to print where to decide.
        file: where to print; standard error as it is when a message is sent.
        width: columns; by default the terminal's.
    """

    def __init__(
        self,
        name: str = "console",
        *,
        inbox: str | None = None,
        file: TextIO | None = None,
        width: int | None = None,
    ) -> None:
        self.name = name
        self._inbox = inbox
        self._file = file
        self._width = width

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Print an approval, or its outcome; returns the hash of what was shown.

        Raises:
            ChannelError: the output cannot be written to.
        """
        return self._print(present(approval), asks=delivery.kind == "ask")

    def show(self, approval: Approval) -> str:
        """Print an approval as it stands: as a question, or its outcome; returns the hash of what was shown.

        Raises:
            ChannelError: the output cannot be written to.
        """
        return self._print(present(approval), asks=not approval.state.settled)

    def _print(self, shown: Presentation, *, asks: bool) -> str:
        panel = self._ask(shown) if asks else _outcome(shown)
        try:
            file = self._file if self._file is not None else sys.stderr
            terminal = Terminal(file=file, width=self._width, markup=False, emoji=False, highlight=False)
            terminal.print(panel)
            file.flush()
        except (OSError, ValueError) as error:
            raise ChannelError(
                f"console {self.name!r} cannot be written to: {type(error).__name__}"
            ) from error
        return presentation_hash(shown)

    def _ask(self, shown: Presentation) -> RenderableType:
        parts: list[RenderableType] = [_facts(shown), _rows("Arguments", shown.args)]
        if shown.reads:
            parts.append(_rows("Also reads", shown.reads))
        if shown.changes:
            parts.append(_changes(shown.changes))
        if shown.thought:
            parts.append(_titled("The model's words, not verified", Text(shown.thought, style="italic")))
        parts.append(_stages(shown.stages))
        if self._inbox is not None:
            where = f"{self._inbox.rstrip('/')}/approvals/{shown.id}"
            parts.append(Text.assemble(("Decide at ", "bold"), (where, "underline")))
        return Panel(
            Group(*_spaced(parts)),
            title=Text(f" {shown.title}: waits for approval ", style="bold yellow"),
            title_align="left",
            box=ROUNDED,
            border_style="yellow",
            padding=(1, 2),
        )


def _facts(shown: Presentation) -> Table:
    table = _grid()
    table.add_row(_label("Agent"), Text(f"{shown.agent}, thread {shown.thread_id}, turn {shown.turn}"))
    table.add_row(_label("Acts for"), Text(f"{shown.asked_by} (tenant {shown.tenant})"))
    for why in shown.why:
        table.add_row(_label("Why you"), Text(why))
    if shown.rules:
        table.add_row(_label("Rules"), Text(", ".join(shown.rules)))
    table.add_row(_label("Policy"), Text(shown.policy))
    if shown.expires_at is not None:
        table.add_row(_label("Until"), Text(f"{utc(shown.expires_at)}, then {_expiry(shown)}"))
    table.add_row(_label("Approval"), Text(f"{shown.id}, digest {shown.digest_short}"))
    return table


def _expiry(shown: Presentation) -> str:
    match shown.on_expiry:
        case "reject":
            return "rejected"
        case "no_result":
            return "the turn ends without a result"
        case "keep":
            return "it stays open"


def _rows(title: str, rows: Sequence[Row]) -> RenderableType:
    if not rows:
        return _titled(title, Text("none", style="dim"))
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Name", style="bold", overflow="fold")
    table.add_column("Value", overflow="fold", ratio=1)
    table.add_column("Type", style="dim")
    for row in rows:
        size = (
            row.type if row.sha256 is None else f"{row.type}, {row.bytes:,} bytes\nSHA-256 {row.sha256[:12]}"
        )
        value = Text(row.text, style="bold yellow" if row.prominent else "")
        table.add_row(Text(row.path), value, Text(size))
    return _titled(title, table)


def _changes(changes: Sequence[Change]) -> RenderableType:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Name", style="bold", overflow="fold")
    table.add_column("Asked for", overflow="fold", ratio=1)
    table.add_column("Now", overflow="fold", ratio=1)
    for change in changes:
        before = Text("absent", style="dim") if change.before is None else Text(change.before, style="red")
        after = Text("absent", style="dim") if change.after is None else Text(change.after, style="green")
        table.add_row(Text(change.path), before, after)
    return _titled("Edited", table)


def _stages(stages: Sequence[StageView]) -> RenderableType:
    table = _grid()
    for stage in stages:
        who = [*stage.approvers, *(f"group {group}" for group in stage.groups)]
        role = f" as {stage.role}" if stage.role else ""
        given = f"; given by {', '.join(stage.given)}" if stage.given else ""
        table.add_row(
            _label(f"Stage {stage.number}"),
            Text(f"{len(stage.given)} of {stage.required}{role}: {', '.join(who)}{given} [{stage.status}]"),
        )
    return _titled("Who must approve", table)


def _outcome(shown: Presentation) -> RenderableType:
    outcome = shown.outcome
    state = shown.state if outcome is None else outcome.state
    colour = "green" if state in _GOOD else "yellow" if state is ApprovalState.PENDING else "red"
    table = _grid()
    if outcome is not None:
        if outcome.by is not None:
            table.add_row(_label("By"), Text(outcome.by))
        if outcome.at is not None:
            table.add_row(_label("At"), Text(utc(outcome.at)))
        if outcome.reason:
            table.add_row(_label("Reason"), Text(outcome.reason))
    table.add_row(_label("Thread"), Text(f"{shown.thread_id}, turn {shown.turn}"))
    table.add_row(_label("Approval"), Text(f"{shown.id}, digest {shown.digest_short}"))
    parts: list[RenderableType] = [table]
    if shown.changes:
        parts.append(_changes(shown.changes))
    return Panel(
        Group(*_spaced(parts)),
        title=Text(f" {shown.title}: {state.value} ", style=f"bold {colour}"),
        title_align="left",
        box=ROUNDED,
        border_style=colour,
        padding=(1, 2),
    )


def _grid() -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(overflow="fold", ratio=1)
    return table


def _label(text: str) -> Text:
    return Text(text, style="dim")


def _titled(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, style="bold"), body)


def _spaced(parts: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for index, part in enumerate(parts):
        if index:
            yield Text()
        yield part
