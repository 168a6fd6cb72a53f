"""Spans of the past as values, and their ids: they follow from the thread, its runs and the places of the entries."""

from dataclasses import dataclass, field
from typing import TypeAlias

from guardkit.core import telemetry_names as names
from guardkit.core.audit import AuditEntry
from guardkit.core.digest import sha256
from guardkit.core.telemetry_schema import SpanKind
from guardkit.core.values import Json, JsonObject

Attribute: TypeAlias = str | int | float | bool
Shown: TypeAlias = dict[str, Attribute]


@dataclass(frozen=True, slots=True)
class Place:
    """A span's ids."""

    trace_id: int
    span_id: int


@dataclass(slots=True, kw_only=True)
class Retold:
    """A span of the past. Times are seconds since the epoch."""

    name: str
    place: Place
    parent: Place | None = None
    start: float
    end: float
    kind: SpanKind = "internal"
    attributes: Shown
    events: list[tuple[str, float, Shown]] = field(default_factory=list[tuple[str, float, Shown]])
    link: Place | None = None
    """The question that it answers."""

    failed: bool = False

    @property
    def turn(self) -> int:
        """Number of the turn that it is part of."""
        return int(self.attributes[names.TURN])


@dataclass(slots=True)
class Run:
    """One run, as far as it was heard of."""

    started: AuditEntry
    entries: list[AuditEntry] = field(default_factory=list[AuditEntry])
    ended: AuditEntry | None = None

    @property
    def data(self) -> JsonObject:
        """What was written down when it began."""
        return self.started.event.data

    @property
    def end(self) -> float:
        """When it ended, or when the last was heard of it."""
        last = self.ended or (self.entries[-1] if self.entries else self.started)
        return last.at


def place_of(tenant: str, run: Run, entry: AuditEntry, *more: Json) -> Place:
    """The ids of what an entry of a run is told as; `more` tells apart what one entry becomes."""
    of_run: list[Json] = [tenant, run.started.event.thread_id, run.data["run"]]
    return Place(id_number("trace", of_run, 32), id_number("span", [*of_run, entry.seq, *more], 16))


def id_number(what: str, parts: list[Json], digits: int) -> int:
    """An id: never 0, which would stand for none."""
    return int(sha256(f"guardkit.retold.{what}.v1", parts)[:digits], 16) or 1
