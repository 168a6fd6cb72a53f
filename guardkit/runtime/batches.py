"""Several questions decided on together by one person, each for itself.

Each answer is a transaction of its own: what is refused of one cannot undo another, and no transaction holds the locks
of two threads, so that two batches never wait for one another in a circle. They are taken in the order of their ids, so
that two people who decide on the same ones meet at the first and not in the middle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from guardkit.core.approvals import Approval, DecisionKind
from guardkit.core.batches import BatchKind, Seen, batch_mark, check_batch, check_together, is_whole
from guardkit.core.people import Assurance, Directory, Person
from guardkit.core.presentation import present
from guardkit.errors import DecisionRefusedError, GuardkitError, StorageError, UnknownApprovalError
from guardkit.runtime.changing import Changes, DeskStore
from guardkit.runtime.speaking import Speakers


class Decide(Protocol):
    """Takes one decision; `guardkit.runtime.desk.Desk.decide`."""

    def __call__(
        self,
        approval_id: str,
        *,
        identity: str,
        digest: str,
        kind: DecisionKind,
        assurance: Assurance,
        via: str,
        reason: str | None = None,
        delivery: str | None = None,
        version: int | None = None,
        shown: str | None = None,
    ) -> Approval:
        """Take one person's decision, or refuse it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What became of one answer of a batch."""

    seen: Seen
    approval: Approval | None
    """As it stands now; `None` where there is none for this person's eyes."""

    number: int | None = None
    """Which of its decisions the answer is, from 1; `None` where it does not count."""

    error: GuardkitError | None = None
    """Why it does not count. After a `StorageError` it may count, or not: whoever wants to know looks again."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One person's answer to several questions."""

    identity: str
    person: Person | None
    kind: BatchKind
    assurance: Assurance
    via: str
    reason: str | None
    mark: str

    def said_before(self, seen: Seen, now: Approval | None) -> ItemOutcome | None:
        """What the same batch came to before, e.g. at a first click."""
        if now is None or self.person is None:
            return None
        mine = (self.person.id, self.kind, self.via, self.mark)
        for number, said in enumerate(now.decisions, start=1):
            if (said.person, said.kind, said.via, said.delivery) == mine:
                return ItemOutcome(seen=seen, approval=now, number=number)
        return None


class Batches:
    """Decides on several questions together.

    Args:
        store: where approvals are.
        directory: who people are.
        speakers: judges who may look.
        changes: writes down what is refused.
        decide: takes one decision.
    """

    def __init__(
        self,
        store: DeskStore,
        directory: Directory,
        speakers: Speakers,
        changes: Changes,
        decide: Decide,
    ) -> None:
        self._store = store
        self._directory = directory
        self._speakers = speakers
        self._changes = changes
        self._decide = decide

    def decide(
        self,
        items: Sequence[Seen],
        *,
        identity: str,
        kind: BatchKind,
        assurance: Assurance,
        via: str,
        reason: str | None = None,
        delivery: str | None = None,
    ) -> Sequence[ItemOutcome]:
        """Take one person's answer to several questions, each as `Desk.decide` takes one.

        What has changed since it was seen is refused, and so is what was seen in part only; the others go through. The
        same batch again changes nothing and is told the same.

        Args:
            items: the questions as the person saw them, at most 100, of one run or of one kind.
            identity: whom the caller has verified.
            kind: what is said to all of them.
            assurance: how surely the identity is theirs.
            via: the name of the approval channel, or `web`, `cli`, `api`.
            reason: in the person's words; kept with each decision.
            delivery: id of the request that brought it; by default one that names exactly this batch.

        Returns:
            What became of each, in the order of `items`.

        Raises:
            InputError: too many or none, one twice, or neither of one run nor of one kind; nothing changed.
            StorageError: the database could not be read; nothing changed.
        """
        check_batch(items)
        person = self._directory.find(identity)
        mark = delivery or batch_mark(identity if person is None else person.id, kind, reason, items)
        there = self._visible(items, person)
        check_together(list(there.values()))
        asked = _Asked(identity, person, kind, assurance, via, reason, mark)
        done: dict[str, ItemOutcome] = {}
        fault: StorageError | None = None
        for seen in sorted(items, key=lambda one: one.approval):
            outcome = ItemOutcome(seen=seen, approval=None, error=fault)
            if fault is None:
                outcome = self._one(seen, there.get(seen.approval), asked)
            fault = outcome.error if isinstance(outcome.error, StorageError) else fault
            done[seen.approval] = outcome
        return [done[seen.approval] for seen in items]

    def _visible(self, items: Sequence[Seen], person: Person | None) -> dict[str, Approval]:
        if person is None:
            return {}
        now = self._store.now()
        found = self._store.approvals(person.tenant, [one.approval for one in items])
        return {one.request.id: one for one in found if self._speakers.concerns(one, person, now)}

    def _one(self, seen: Seen, approval: Approval | None, asked: _Asked) -> ItemOutcome:
        before = asked.said_before(seen, approval)
        if before is not None:
            return before
        try:
            if approval is not None:
                self._check_whole(approval, asked)
            after = self._decide(
                seen.approval,
                identity=asked.identity,
                digest=seen.digest,
                kind=asked.kind,
                assurance=asked.assurance,
                via=asked.via,
                reason=asked.reason,
                delivery=asked.mark,
                version=seen.version,
                shown=seen.presentation_hash,
            )
        except StorageError as error:
            return ItemOutcome(seen=seen, approval=None, error=error)
        except (DecisionRefusedError, UnknownApprovalError) as error:
            now = None if approval is None else self._store.find(seen.approval)
            return asked.said_before(seen, now) or ItemOutcome(seen=seen, approval=now, error=error)
        return ItemOutcome(seen=seen, approval=after, number=len(after.decisions))

    def _check_whole(self, approval: Approval, asked: _Asked) -> None:
        """Refuse, audited, what nobody sees as a whole beside others."""
        if is_whole(present(approval)):
            return
        who = asked.identity if asked.person is None else asked.person.id
        self._changes.audit_refusal(
            approval, "not_whole", person=who, assurance=asked.assurance.value, via=asked.via
        )
        raise DecisionRefusedError(
            "not_whole", "it is shown in part only beside others", remedy="decide on it by itself"
        )
