"""The terminal as an approval channel."""

import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.box import ROUNDED, SIMPLE
from rich.console import Console as Terminal, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from guardkit.channels.again import review_notice
from guardkit.channels.card import Card, Fact, Tone, compose, row_note
from guardkit.channels.host import inbox_link
from guardkit.core.approvals import Approval
from guardkit.core.rows import Change, Row
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError

_COLOURS: dict[Tone, str] = {"waiting": "yellow", "good": "green", "bad": "red", "over": "red"}


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
        """Print an approval as it stands, or its outcome; returns the hash of what was shown.

        Raises:
            ChannelError: the output cannot be written to.
        """
        notice = review_notice(approval) if delivery.kind == "review" else ""
        return self.show(approval, notice=notice, delivery=delivery.id)

    def show(self, approval: Approval, *, notice: str = "", delivery: str | None = None) -> str:
        """Print an approval as it stands: as a question, or its outcome; returns the hash of what was shown.

        Args:
            approval: as it stands.
            notice: what the reader has to know first.
            delivery: id of the delivery that brings it, if one does.

        Raises:
            ChannelError: the output cannot be written to.
        """
        link = None
        if self._inbox is not None and notice:
            link = f"{self._inbox.rstrip('/')}/reviews/{approval.request.id}"
        elif self._inbox is not None:
            link = inbox_link(self._inbox, approval, delivery)
        card = compose(approval, link=link).model_copy(update={"notice": notice})
        self._print(_panel(card))
        return card.hash

    def show_edit(self, edit: Sequence[Change]) -> None:
        """Print what an edit that is not sent yet would change.

        Args:
            edit: from the arguments as they stand to the edited ones.

        Raises:
            ChannelError: the output cannot be written to.
        """
        self._print(_changes("The edit", edit, "As it stands", "After the edit"))

    def _print(self, drawn: RenderableType) -> None:
        try:
            file = self._file if self._file is not None else sys.stderr
            terminal = Terminal(file=file, width=self._width, markup=False, emoji=False, highlight=False)
            terminal.print(drawn)
            file.flush()
        except (OSError, ValueError) as error:
            raise ChannelError(
                f"console {self.name!r} cannot be written to: {type(error).__name__}"
            ) from error


def _panel(card: Card) -> Panel:
    colour = _COLOURS[card.tone]
    return Panel(
        Group(*_spaced(list(_parts(card)))),
        title=Text(f" {card.headline} ", style=f"bold {colour}"),
        title_align="left",
        box=ROUNDED,
        border_style=colour,
        padding=(1, 2),
    )


def _parts(card: Card) -> Iterator[RenderableType]:
    if card.notice:
        yield Text(card.notice, style="bold")
    yield _facts(card.facts)
    if card.tone == "waiting":
        yield _rows("Arguments", card.args)
        if card.reads:
            yield _rows("Also reads", card.reads)
    if card.changes:
        yield _changes("Edited", card.changes, "Asked for", "Now")
    if card.tone == "waiting":
        if card.thought:
            yield _titled("The model's words, not verified", Text(card.thought, style="italic"))
        yield _titled("Who must approve", _facts(card.stages))
    if card.said:
        yield _titled("What people said", _facts(card.said))
    if card.link is not None:
        where = "Decide at " if card.choices else "See it at "
        yield Text.assemble((where, "bold"), (card.link, "underline"))


def _rows(title: str, rows: Sequence[Row]) -> RenderableType:
    if not rows:
        return _titled(title, Text("none", style="dim"))
    table = _table("Name", "Value", "Type")
    for row in rows:
        note = row_note(row)
        value = Text(row.text, style="bold yellow" if row.prominent else "")
        table.add_row(Text(row.path), value, Text(f"{row.type}\n{note}" if note else row.type))
    return _titled(title, table)


def _changes(title: str, changes: Sequence[Change], was: str, now: str) -> RenderableType:
    table = _table("Name", was, now)
    for change in changes:
        before = Text("absent", style="dim") if change.before is None else Text(change.before, style="red")
        after = Text("absent", style="dim") if change.after is None else Text(change.after, style="green")
        table.add_row(Text(change.path), before, after)
    return _titled(title, table)


def _facts(facts: Sequence[Fact]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold", ratio=1)
    for fact in facts:
        table.add_row(Text(fact.label, style="dim"), Text(fact.text))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, style="bold", overflow="fold")
    for name in others:
        table.add_column(name, overflow="fold", ratio=1)
    return table


def _titled(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title, style="bold"), body)


def _spaced(parts: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for index, part in enumerate(parts):
        if index:
            yield Text()
        yield part
