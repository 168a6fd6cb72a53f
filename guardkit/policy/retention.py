"""Retention files: how long each kind of what is stored is kept. What a file does not name is kept for ever."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer

from guardkit.core.digest import sha256
from guardkit.core.durations import format_duration
from guardkit.core.retention import RetentionKind
from guardkit.errors import RetentionError
from guardkit.policy.document import Line, Name, Version
from guardkit.policy.durations import parse_duration
from guardkit.policy.loading import Located, read_file
from guardkit.policy.sections import Section, mistake, parse_section

FOREVER = "forever"
_LONGEST_YEARS = 100


def _read(value: object) -> float:
    if value == FOREVER:
        return math.inf
    if isinstance(value, str):
        try:
            return parse_duration(value, longest_years=_LONGEST_YEARS)
        except ValueError as error:
            raise mistake(str(error), remedy="write it like 30d, 12h or 3650d, or forever") from None
    raise mistake("a length of time is text with units", remedy="write it like 30d, 12h or 3650d, or forever")


def _written(seconds: float) -> str:
    return FOREVER if math.isinf(seconds) else format_duration(seconds)


Period: TypeAlias = Annotated[float, BeforeValidator(_read), PlainSerializer(_written, return_type=str)]
"""Seconds, written as text with units; `forever` for ever."""


class TenantPeriods(Section):
    """How long what is of a tenant is kept."""

    checkpoints: Period | None = None
    """Checkpoints of finished threads, from the thread's last activity on."""

    inputs: Period | None = None
    """What the turns of finished threads were opened with, likewise."""

    approvals: Period | None = None
    """Questions to people, from when they were settled on."""

    deliveries: Period | None = None
    """Messages to people, from when they went out on."""

    effects: Period | None = None
    """Keys and results of finished effects, from when they were settled on."""

    replies: Period | None = None
    """Answers to requests with an idempotency key, from when the key stopped to stand for them on."""


class Periods(TenantPeriods):
    """How long what is stored is kept."""

    requests: Period | None = None
    """Hashes of signed requests, from when they could not pass any more on."""


class Retention(Section):
    """How long what is stored is kept, for everybody and for single tenants."""

    retention: Name
    """Its name."""

    version: Version
    owner: Line
    """Who answers for it."""

    keep: Periods = Periods()
    """For every tenant that is not named below."""

    tenants: Mapping[Annotated[str, Field(min_length=1, max_length=128)], TenantPeriods] = Field(
        default_factory=dict[str, TenantPeriods]
    )
    """Other periods for single tenants. What a tenant's entry does not name is as for everybody."""

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the canonical file."""
        return sha256("guardkit.retention.v1", self.model_dump(mode="json", exclude_none=True))

    def period(self, kind: RetentionKind, tenant: str) -> float | None:
        """Seconds for which a kind is kept; `None` for ever."""
        own: float | None = getattr(self.tenants.get(tenant), kind.value, None)
        seconds: float | None = getattr(self.keep, kind.value) if own is None else own
        return None if seconds is None or math.isinf(seconds) else seconds

    @classmethod
    def from_file(cls, path: str | Path) -> "Retention":
        """The retention that a YAML file says.

        Raises:
            RetentionError: with file, line and remedy.
        """
        return parse_section(cls, read_file(Path(path), RetentionError), RetentionError)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Retention":
        """The retention that a mapping says, of the same form as the file.

        Raises:
            RetentionError: with field and remedy.
        """
        return parse_section(cls, Located(data=dict(data)), RetentionError)
