"""What became of an approval: the audit log's entries on it, and how its run went on."""

from collections.abc import Iterator
from dataclasses import dataclass

from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEntry
from guardkit.core.effects import EffectRecord
from guardkit.core.ports import Store
from guardkit.core.runs import Turn

_WINDOW = 1000
_WINDOWS = 5


@dataclass(frozen=True, slots=True)
class Trail:
    """The audit log's entries on one approval, oldest first."""

    entries: tuple[AuditEntry, ...]
    complete: bool
    """Whether the log was read to its end."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """How the run went on."""

    turn: Turn | None
    effect: EffectRecord | None
    """The execution that the approval was consumed by, if there was one."""


def trail(store: Store, approval: Approval) -> Trail:
    """The audit log's entries on one approval.

    The log is searched by time for the request, and read from there: at most 5,000 entries, so that a page costs the
    same however long the log is.

    Args:
        store: where the log is.
        approval: which approval.
    """
    request = approval.request
    after = _before(store, request.tenant, request.requested_at)
    found: list[AuditEntry] = []
    for _ in range(_WINDOWS):
        window = store.entries(request.tenant, after=after, limit=_WINDOW)
        found.extend(entry for entry in window if _concerns(entry, approval))
        if len(window) < _WINDOW:
            return Trail(tuple(found), complete=True)
        after = window[-1].seq
    return Trail(tuple(found), complete=False)


def aftermath(store: Store, approval: Approval) -> Aftermath:
    """How the run of an approval went on.

    Args:
        store: where runs and effects are.
        approval: which approval.
    """
    request = approval.request
    effects = store.effects(tenant=request.tenant, thread_id=request.thread_id)
    executed = next((effect for effect in effects if effect.approval_id == request.id), None)
    return Aftermath(store.turn(request.tenant, request.thread_id, request.turn), executed)


def _concerns(entry: AuditEntry, approval: Approval) -> bool:
    """Whether an entry is about the approval, its action, or the turn as a whole."""
    request, event = approval.request, entry.event
    if (event.thread_id, event.turn) != (request.thread_id, request.turn):
        return False
    named = event.data.get("approval"), event.data.get("action")
    return named == (None, None) or request.id in named or request.action.id in named


def _before(store: Store, tenant: str, at: float) -> int:
    """The number of an entry that is older than `at`, with none younger before it; 0 for the beginning."""

    def is_older(seq: int) -> bool:
        entry = next(iter(store.entries(tenant, after=seq - 1, limit=1)), None)
        return entry is not None and entry.at < at

    high = next(seq for seq in _powers() if not is_older(seq))
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_older(middle) else (low, middle)
    return low


def _powers() -> Iterator[int]:
    seq = 1
    while True:
        yield seq
        seq *= 2
