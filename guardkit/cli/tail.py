"""Following the audit log, from the command line."""

import contextlib
import heapq
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.markup import escape
from rich.text import Text

from guardkit.cli.base import STYLES, err, out, store
from guardkit.cli.readers import until_nobody_reads, wait
from guardkit.core.audit import AuditEntry
from guardkit.core.ports import Store
from guardkit.core.values import JsonObject, Value
from guardkit.core.wording import Tone, fit, in_words
from guardkit.errors import InputError
from guardkit.policy.durations import parse_duration

_PAGE = 500
_KNOWN = 10_000
_POSITION = TypeAdapter(dict[str, int])


class Line(Value):
    """One entry of the audit log as `guardkit tail --json` prints it."""

    tenant: str
    seq: int
    """Its place in the tenant's audit log: 1 for the first, without gaps."""

    at: float
    """When it was written down: seconds since the epoch, by the database's clock."""

    thread_id: str | None
    turn: int | None
    kind: str
    says: str
    """In words, for people; may change from release to release."""

    tone: Tone
    facts: JsonObject
    """The audit event's data."""


def tail(
    thread: Annotated[str | None, typer.Option(help="Only this thread.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only threads of this agent.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Begin earlier: 15m, 2h, 3d, or a date and time.")
    ] = None,
    position: Annotated[
        Path | None, typer.Option(help="Keep in this file how far it came, and go on from there.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: a JSON object a line.")] = False,
) -> None:
    """Show what happens as it happens, one line each, until interrupted."""
    with store() as found, until_nobody_reads():
        follower = Follower(found, tenant, _start(found, since, position))
        wanted = Wanted(found, thread=thread, agent=agent)
        try:
            while True:
                for entry in follower.new():
                    if wanted(entry):
                        _show(entry, as_json=as_json)
                    follower.position[entry.tenant] = entry.seq
                sys.stdout.flush()
                _keep(position, follower.position)
                wait(every)
        finally:
            _keep(position, follower.position)


class Follower:
    """Reads what is new in the chains, each in its order and without a gap.

    An entry's number is given under the lock of its chain's head, which is held until the commit: whoever sees a
    number sees all before it. So a number per tenant is a position, however many write at once.

    Args:
        store: where the log is.
        tenant: whose chain; every tenant's when `None`.
        position: the last number that is known, by tenant; a tenant that is not named is read from its beginning.
    """

    def __init__(self, store: Store, tenant: str | None, position: Mapping[str, int]) -> None:
        self._store = store
        self._tenant = tenant
        self.position = dict(position)
        """How far it was read; whoever has dealt with an entry moves it on."""

    def new(self) -> Iterator[AuditEntry]:
        """What was written since the position; the chains of several tenants are merged by time."""
        heads = self._store.heads()
        grown: list[Iterator[AuditEntry]] = []
        for tenant, newest in heads.items():
            known = self.position.setdefault(tenant, 0)
            if self._tenant not in (None, tenant):
                self.position[tenant] = newest
            elif newest < known:
                _warn(
                    f"the log of {tenant!r} ends at {newest}, before {known}: an older database was restored"
                )
                self.position[tenant] = newest
            elif newest > known:
                grown.append(self._chain(tenant, known))
        return heapq.merge(*grown, key=lambda entry: entry.at)

    def _chain(self, tenant: str, known: int) -> Iterator[AuditEntry]:
        while page := self._store.entries(tenant, after=known, limit=_PAGE):
            for entry in page:
                if entry.seq != known + 1:
                    _warn(
                        f"the log of {tenant!r} lacks {known + 1} to {entry.seq - 1}: run guardkit audit verify"
                    )
                known = entry.seq
                yield entry


class Wanted:
    """Whether an entry is one of those that were asked for. Stops that cover them are.

    Args:
        store: knows the agents of threads.
        thread: a thread's id.
        agent: an agent's name.
    """

    def __init__(self, store: Store, *, thread: str | None, agent: str | None) -> None:
        self._store = store
        self._thread = thread
        self._agent = agent
        self._agents: dict[tuple[str, str, int | None], str | None] = {}

    def __call__(self, entry: AuditEntry) -> bool:
        """Whether it is."""
        if self._thread is None and self._agent is None:
            return True
        event = entry.event
        if event.kind.startswith("stop.") and event.data.get("scope") in ("everything", "tenant"):
            return True
        if event.kind.startswith("stop.") and event.data.get("scope") == "agent":
            return self._agent in (None, event.data.get("target"))
        if self._thread not in (None, event.thread_id):
            return False
        return self._agent is None or self._agent_of(entry) == self._agent

    def _agent_of(self, entry: AuditEntry) -> str | None:
        event = entry.event
        if event.thread_id is None:
            return None
        key = (entry.tenant, event.thread_id, event.turn)
        if key not in self._agents:
            if len(self._agents) >= _KNOWN:
                self._agents.clear()
            turn = self._store.turn(*key)
            self._agents[key] = None if turn is None else turn.agent.removesuffix("@embedded")
        return self._agents[key]


def _start(found: Store, since: str | None, position: Path | None) -> dict[str, int]:
    if position is not None and position.exists():
        try:
            return _POSITION.validate_json(position.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(
                f"{position} cannot be read as a position: {type(error).__name__}",
                remedy="remove it to begin anew",
            ) from None
    heads = dict(found.heads())
    if since is None:
        return heads
    at = instant("--since", since, found.now())
    return {tenant: found.before(tenant, at) for tenant in heads}


def instant(option: str, text: str, now: float) -> float:
    """Seconds since the epoch of `15m` ago, or of a date and time (UTC unless it says otherwise).

    Raises:
        InputError: it is neither; names the option.
    """
    with contextlib.suppress(ValueError):
        return now - parse_duration(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{option} {text!r} is no time", remedy="15m, 2h, 3d or 2026-11-28T18:00:00"
        ) from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _keep(path: Path | None, position: Mapping[str, int]) -> None:
    """Replace the file with the position in one step: whoever kills this process leaves the old or the new one."""
    if path is None:
        return
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(json.dumps(position, sort_keys=True) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _show(entry: AuditEntry, *, as_json: bool) -> None:
    event = entry.event
    says, tone = in_words(event.kind, event.data)
    if as_json:
        line = Line(
            tenant=entry.tenant, seq=entry.seq, at=entry.at, thread_id=event.thread_id, turn=event.turn,
            kind=event.kind, says=says, tone=tone, facts=event.data,
        )  # fmt: skip
        sys.stdout.write(Line.model_validate(fit(line.model_dump(mode="json"))).model_dump_json() + "\n")
        return
    at = f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    thread = (
        "" if event.thread_id is None else f" {event.thread_id}" + (f"#{event.turn}" if event.turn else "")
    )
    tool = f"{event.data['tool']}: " if event.data.get("tool") else ""
    where, what = str(fit(f"{entry.tenant}{thread}")), str(fit(tool))
    if out.is_terminal:
        line = Text.assemble((at, "dim"), "  ", (where, "cyan"), "  ", what, (says, STYLES[tone]))
        out.print(line, soft_wrap=True)
    else:
        sys.stdout.write(f"{at}  {where}  {what}{says}\n")


def _warn(text: str) -> None:
    err.print(f"[bold red]warning[/] {escape(text)}", soft_wrap=True)
