"""The hash-chained audit log.

Each entry's hash covers the hash before it, so an edit, a removal, an insertion or a reordering breaks the chain from
there on. A cut-off tail can only be seen against a signed head that is kept outside the database. Of what may be a person's the
hash covers a salted commitment, so that it can be erased; see `guardkit.core.disclosure`.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from pydantic import Field

from guardkit.core.digest import sha256
from guardkit.core.disclosure import Salts, commitments, erasable
from guardkit.core.values import Json, JsonObject, Value
from guardkit.errors import CanonicalError

GENESIS = "0" * 64
"""What the first entry of a tenant's chain points back to."""


class AuditEvent(Value):
    """Something that happened, before it has its place in the chain. Holds no user text."""

    kind: str
    """E.g. `action.decided`, `approval.requested`, `approval.decided`, `effect.claimed`, `turn.ended`."""

    thread_id: str | None = None
    turn: int | None = None
    data: JsonObject = Field(default_factory=dict)


class AuditEntry(Value):
    """An event in its place."""

    tenant: str
    seq: int
    """1 for the first of a tenant, without gaps."""

    at: float
    """Seconds since the epoch, by the database's clock."""

    event: AuditEvent
    previous: str
    hash: str
    salts: Salts | None = None
    """Of the values that can be erased; `None` where the hash covers all of the event, as older releases wrote it."""


class AuditHead(Value):
    """How far a chain reaches; signed and kept outside the database."""

    tenant: str
    seq: int
    hash: str
    at: float
    key_id: str = ""
    signature: str = ""

    def signed_part(self) -> JsonObject:
        """All fields but the signature itself."""
        return self.model_dump(mode="json", exclude={"signature"})


class AuditReport(Value):
    """What verification found. `entries` counts from the first of the chain, also where the check began later."""

    tenant: str
    entries: int
    intact: bool
    first_bad: int | None = None
    """`seq` of the first entry that does not hold, if any."""

    problem: str | None = None
    covered: int = 0
    """`seq` up to which a signed head vouches for the chain; what follows could be cut off unseen."""

    erased: int = 0
    """Values that were erased; each is announced by an entry `person.erased`."""


ERASURE = "person.erased"
"""The entry that announces how many values of its chain were erased."""


def entry_hash(
    tenant: str, seq: int, at: float, event: AuditEvent, previous: str, salts: Salts | None = None
) -> str:
    """The hash of an entry."""
    if salts is not None:
        held = commitments(event.data, salts)
        plain: JsonObject = {name: value for name, value in event.data.items() if name not in held}
        said: list[Json] = [event.kind, event.thread_id, event.turn, plain, held]
        return sha256("guardkit.audit.v2", [tenant, seq, at, said, previous])
    fields: list[Json] = [tenant, seq, at, event.model_dump(mode="json"), previous]
    return sha256("guardkit.audit.v1", fields)


def chain(tenant: str, head: tuple[int, str], at: float, events: Iterable[AuditEvent]) -> list[AuditEntry]:
    """Give events their place after `head` = (seq, hash) of the last entry, `(0, GENESIS)` if there is none."""
    seq, previous = head
    entries: list[AuditEntry] = []
    for event in events:
        seq += 1
        salts = Salts(salt=secrets.token_hex(16)) if erasable(event.data) else None
        digest = entry_hash(tenant, seq, at, event, previous, salts)
        entries.append(
            AuditEntry(
                tenant=tenant, seq=seq, at=at, event=event, previous=previous, hash=digest, salts=salts
            )
        )
        previous = digest
    return entries


def _matches(entry: AuditEntry) -> bool:
    try:
        made = entry_hash(entry.tenant, entry.seq, entry.at, entry.event, entry.previous, entry.salts)
        return entry.hash == made
    except CanonicalError:  # only what was never hashed has no canonical form
        return False


def verify(
    tenant: str,
    entries: Iterable[AuditEntry],
    heads: Iterable[AuditHead] = (),
    *,
    start: AuditHead | None = None,
) -> AuditReport:
    """Check a chain, in `seq` order, against itself and against heads whose signatures were checked.

    Args:
        tenant: whose chain it is.
        entries: all entries from the first; those that follow `start` where one is given.
        heads: signed heads from outside the database, in any order.
        start: a head up to which the chain was checked before.
    """
    count, previous, covered = (0, GENESIS, 0) if start is None else (start.seq, start.hash, start.seq)
    outside = {(head.seq, head.hash) for head in heads if head.seq > count}
    signed = {seq for seq, _ in outside}
    farthest = max(signed, default=0)
    erased = announced = 0

    def bad(seq: int, problem: str) -> AuditReport:
        return AuditReport(
            tenant=tenant, entries=count, intact=False, first_bad=seq, problem=problem, covered=covered
        )

    for entry in entries:
        count += 1
        if entry.tenant != tenant:
            return bad(count, "belongs to another tenant")
        if entry.seq != count:
            return bad(count, f"found entry {entry.seq} in its place")
        if entry.previous != previous:
            return bad(count, "does not follow the entry before it")
        if not _matches(entry):
            return bad(count, "was changed after it was written")
        erased += 0 if entry.salts is None else len(entry.salts.erased)
        announced += _announced(entry.event)
        previous = entry.hash
        if count in signed:
            outside.discard((count, entry.hash))
            if any(seq == count for seq, _ in outside):
                return bad(count, "differs from a signed head")
            covered = count
    if farthest > count:
        return bad(count + 1, f"is missing: a signed head covers {farthest} entries")
    if start is None and erased > announced:
        return AuditReport(
            tenant=tenant,
            entries=count,
            intact=False,
            problem=f"{erased} values were erased, and entries announce {announced}",
            covered=covered,
            erased=erased,
        )
    return AuditReport(tenant=tenant, entries=count, intact=True, covered=covered, erased=erased)


def _announced(event: AuditEvent) -> int:
    values = event.data.get("values")
    return values if event.kind == ERASURE and isinstance(values, int) and values > 0 else 0


class Heads(Protocol):
    """Signed heads of audit chains, kept outside the database."""

    def tenants(self) -> Sequence[str]:
        """Tenants of which a head is kept."""
        ...

    def of(self, tenant: str) -> Sequence[AuditHead]:
        """All heads of a tenant, oldest first.

        Raises:
            AuditError: what is kept is not what was put there.
        """
        ...

    def put(self, head: AuditHead) -> None:
        """Keep a head. It outlives a crash when this returns."""
        ...
