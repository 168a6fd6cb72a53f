"""What the flows know about a tool."""

import hashlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from guardkit.core.digest import canonical
from guardkit.core.effects import Reconciled
from guardkit.core.steps import ToolKind, Trust
from guardkit.core.values import Json, JsonObject

UNGUARDED: ContextVar[bool] = ContextVar("guardkit_unguarded", default=False)
"""Whether a unit test lets guarded tools run outside a guarded run."""


class UnfitArgumentsError(ValueError):
    """Arguments that do not fit a tool's schema. Says where, and quotes no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A guarded tool's declaration."""

    name: str
    kind: ToolKind
    trust: Trust
    json_schema: JsonObject
    """JSON schema of the arguments that the model fills in."""

    schema_version: str
    validate: Callable[[Mapping[str, Any]], JsonObject]
    """Raw arguments to validated JSON ones. Raises `ValueError`, pydantic's included, when they do not fit."""

    key: Callable[[Any], str] | None = None
    """Effect key from the validated arguments, which it sees as attributes."""

    timeout: float | None = None
    """Seconds that one execution may take."""

    reconcile: Callable[[str], Reconciled] | None = None
    """Finds out what became of an effect in doubt, by its idempotency key."""

    reads: tuple[str, ...] = ()
    """State fields that the tool also reads; part of the digest."""

    injected: frozenset[str] = frozenset()
    """Parameters that the host fills in, never the model."""

    declared: bool = True
    """Whether a decorator declared it. What is not declared counts as an effect."""

    def effect_key(self, args: JsonObject, action_id: str) -> str:
        """The ledger key of one call: by the declared key, else one per proposed call.

        Raises:
            ValueError: the key function raised or gave no usable key.
        """
        if self.key is None:
            return f"{self.name}:call:{action_id}"
        try:
            key = cast("object", self.key(SimpleNamespace(**args)))
        except Exception as error:
            raise ValueError(f"the key function of {self.name!r} raised {type(error).__name__}") from error
        if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
            raise ValueError(f"the key function of {self.name!r} must give a non-empty string")
        return f"{self.name}:{key}"


def schema_version(json_schema: Json) -> str:
    """The first 16 hex digits of the SHA-256 of a canonical JSON schema."""
    return hashlib.sha256(canonical(json_schema, path="schema")).hexdigest()[:16]


def idempotency_key(tenant: str, key: str) -> str:
    """What the outside is handed as idempotency key: opaque, stable, at most 41 ASCII characters."""
    return "guardkit-" + hashlib.sha256(canonical([tenant, key])).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCodec:
    """How the host's tool outputs are kept. Each function is also given the id of the tool call, if there is one."""

    encode: Callable[[Any, str | None], Json]
    """Raises `ValueError` for what cannot be kept as JSON."""

    decode: Callable[[Json, str | None], Any]
    """From the stored form."""
