"""What of an audit entry can be erased later: values of which the chain holds a salted commitment and not the value.

A commitment is SHA-256 over a salt, the name and the canonical value, as in RFC 9901 (selective disclosure), section 4.2.4. Salt and value are kept beside
the chain. Once both are destroyed, the commitment tells nothing, and the chain still holds.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping

from pydantic import Field

from guardkit.core.digest import canonical
from guardkit.core.values import Json, JsonObject, Value
from guardkit.errors import InputError

ERASED = "(erased)"
"""What stands in the place of a value that was erased."""

OPEN = frozenset(
    "action agent anew anomaly approval approvals argument assurance attempt before began_at case certificate check checks "
    "claims continued count decision delivery digest due_at entries expires_at from given_with hold holder kind level lost "
    "measure of overdue past policy policy_version process rounds route routes rows rules run scope scopes score "
    "seconds stage stages state status steps standing stop threads to token tool turn until uses uses_left usual values verdict version via without".split()
)
"""Names of values that say nothing of a person; the chain holds them as they are. What is not named here can be erased."""


class Salts(Value):
    """What opens the commitments of an entry."""

    salt: str | None = None
    """Of all values, until one of them is erased: 32 hexadecimal digits."""

    salts: dict[str, str] = Field(default_factory=dict[str, str])
    """Then of each that is left, by name."""

    erased: dict[str, str] = Field(default_factory=dict[str, str])
    """Commitments of those that were erased, by name."""

    def of(self, name: str) -> str | None:
        """The salt of a value; `None` where there is none."""
        if self.salt is None:
            return self.salts.get(name)
        return hmac.new(self.salt.encode(), name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def erasable(data: JsonObject) -> list[str]:
    """The names of an event's values that the chain holds a commitment of: texts, and what has texts in it."""
    return [name for name, value in data.items() if name not in OPEN and _speaks(value)]


def _speaks(value: Json) -> bool:
    if isinstance(value, list):
        return any(map(_speaks, value))
    return isinstance(value, str | dict)


def commitments(data: JsonObject, salts: Salts) -> dict[str, Json]:
    """What the chain holds of the values that can be erased, by name; `None` for one that does not open.

    Raises:
        CanonicalError: a value has no canonical form.
    """
    found: dict[str, Json] = {}
    # The salt of all of them is gone once one is erased.
    mixed = salts.salt is not None and bool(salts.salts or salts.erased)
    for name in {*erasable(data), *salts.salts, *salts.erased}:
        if mixed:
            found[name] = None
        elif name in salts.erased:
            found[name] = salts.erased[name] if data.get(name) == ERASED and name not in salts.salts else None
        else:
            salt = salts.of(name)
            found[name] = None if salt is None or name not in data else _committed(salt, name, data[name])
    return found


def _committed(salt: str, name: str, value: Json) -> str:
    return hashlib.sha256(canonical(["guardkit.audit-value.v1", salt, name, value])).hexdigest()


def without(data: JsonObject, salts: Salts, names: Collection[str]) -> tuple[JsonObject, Salts]:
    """An event's values and salts with some of them erased.

    Raises:
        InputError: one of the names can not be erased.
    """
    before = commitments(data, salts)
    if unknown := sorted(set(names) - set(before)):
        raise InputError(f"{unknown[0]!r} of an audit entry cannot be erased")
    erased = {name: str(before[name]) for name in before if name in names or name in salts.erased}
    left: Mapping[str, str | None] = {name: salts.of(name) for name in before if name not in erased}
    kept = Salts(salts={name: salt for name, salt in left.items() if salt is not None}, erased=erased)
    return {**data, **dict.fromkeys(erased, ERASED)}, kept
