"""Which approvals are meant, and how a list shows them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from guardkit.channels.card import shortened_again
from guardkit.cli.base import out, settings
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.asked import was_asked_by
from guardkit.core.people import Directory, Person
from guardkit.core.places import Place
from guardkit.core.presentation import Presentation, present, presentation_hash
from guardkit.errors import DecisionRefusedError, InputError
from guardkit.runtime.asking import overdue
from guardkit.runtime.speaking import Speakers
from guardkit.sql import SQLStore

_CHUNK = 200
_SHORT_ID = 12
_WIDE = 120
"""Columns from which on a list says for whom and why."""

_CELL = 160
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))

Tenant = Annotated[str | None, typer.Option(help="Only this tenant.")]
Thread = Annotated[str | None, typer.Option(help="Only this thread; the whole id.")]
Agent = Annotated[str | None, typer.Option(help="Only this agent; the whole name.")]
Tool = Annotated[str | None, typer.Option(help="Only this tool; the whole name.")]
Mine = Annotated[
    bool, typer.Option("--mine", help="Only what waits for you now: whom GUARDKIT_PERSON names.")
]
For = Annotated[str | None, typer.Option("--for", help="Only what waits for this person now.")]


AskedBy = Annotated[
    str | None,
    typer.Option("--asked-by", help="Only what was asked for this person, by any identity of theirs."),
]


def whose(person: str | None, *, mine: bool) -> str | None:
    """Whose list is meant, if one person's.

    Raises:
        InputError: both are said, or it is not configured who `--mine` is.
    """
    if not mine:
        return person
    if person is not None:
        raise InputError("--mine and --for exclude each other")
    named = settings().person
    if named is None:
        raise InputError(
            "--mine: nothing says who you are",
            remedy="set GUARDKIT_PERSON to an identity of the people directory, or use --for",
        )
    return named


class Shown(Presentation):
    """An approval as people see it, as `--json` prints it."""

    version: int
    """Counts what people have said."""

    presentation_hash: str
    """Hash of all that people see of it, for `--shown`."""

    @classmethod
    def of(cls, approval: Approval) -> "Shown":
        """An approval as people see it."""
        view = present(approval)
        return cls(**dict(view), version=approval.version, presentation_hash=presentation_hash(view))


class WaitsFor:
    """Whether an approval waits for a person now, whatever sign-in its stage asks for.

    Args:
        people: knows them.
        identity: an identity of theirs.

    Raises:
        InputError: nobody is known by it.
    """

    def __init__(self, people: Directory, identity: str) -> None:
        self.person = known(people, identity, option="--for")
        self._speakers = Speakers(people)

    def __call__(self, approval: Approval, now: float) -> bool:
        """Whether it does."""
        if overdue(approval, now):
            return False
        try:
            self._speakers.seat(approval, self.person, now)
        except DecisionRefusedError:
            return False
        return True


def known(people: Directory, identity: str, *, option: str) -> Person:
    """The person behind an identity.

    Args:
        people: knows them.
        identity: an identity of theirs.
        option: the option that names it.

    Raises:
        InputError: nobody is known by it.
    """
    found = people.find(identity)
    if found is None:
        raise InputError(f"{option} {identity!r}: nobody is known by this identity")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which approvals are meant."""

    tenant: str | None = None
    thread: str | None = None
    agent: str | None = None
    tool: str | None = None
    waits_for: WaitsFor | None = None
    asked_by: Person | None = None

    def wants(self, approval: Approval, now: float) -> bool:
        """Whether it is one of them.

        Args:
            approval: as it stands.
            now: seconds since the epoch, by the database's clock.
        """
        request = approval.request
        return (
            self.tenant in (None, request.tenant)
            and self.thread in (None, request.thread_id)
            and self.agent in (None, request.agent)
            and self.tool in (None, request.action.tool)
            and (self.asked_by is None or was_asked_by(request, self.asked_by))
            and (self.waits_for is None or self.waits_for(approval, now))
        )

    def listed(
        self, store: SQLStore, states: Sequence[ApprovalState] | None, after: Place | None
    ) -> Iterator[Approval]:
        """They, newest first, those of one instant by id; read from the database in parts.

        Args:
            store: where approvals are.
            states: only those in one of these; in any when `None`.
            after: only what follows this place.
        """
        now = store.now()
        tenant = self.tenant
        whose = self.asked_by if self.waits_for is None else self.waits_for.person
        if tenant is None and whose is not None:
            tenant = whose.tenant
        while True:
            chunk = store.listed(
                tenant=tenant, thread_id=self.thread, states=states, limit=_CHUNK, after=after
            )
            for approval in chunk:
                after = Place.of(approval)
                if self.wants(approval, now):
                    yield approval
            if len(chunk) < _CHUNK:
                return


def print_list(shown: Sequence[Shown], now: float) -> None:
    """Print a list: a table that fits on a terminal, else one whole line each.

    Args:
        shown: what to list.
        now: seconds since the epoch, by the database's clock.
    """
    if not out.is_terminal:
        for one in shown:
            sys.stdout.write(
                f"{one.id}  {one.state.value:<9}  {_age(now - one.requested_at):>4}  {one.tool}  {one.thread_id}"
                f"  {one.asked_by}  {_why(one)}\n"
            )
        return
    wide = out.width >= _WIDE
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("id", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("age", no_wrap=True, justify="right")
    for name in ("tool", "thread", "asked for", "why") if wide else ("tool", "thread"):
        table.add_column(name, overflow="fold")
    for one in shown:
        cells = [one.id[:_SHORT_ID], one.state.value, _age(now - one.requested_at), one.tool, one.thread_id]
        table.add_row(*(Text(cell) for cell in [*cells, *([one.asked_by, _why(one)] if wide else [])]))
    out.print(table)


def _why(one: Shown) -> str:
    return shortened_again(" ".join("; ".join(one.why).split()), _CELL)


def _age(seconds: float) -> str:
    for unit, sign in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)}{sign}"
    return f"{max(0, int(seconds))}s"
