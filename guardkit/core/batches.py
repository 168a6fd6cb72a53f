"""Deciding on several questions together: which ones may be, and what each answer is bound to.

Together is how people look and answer, not how answers count: each question keeps its own decision, signature, digest
and audit entry, and what is refused of one leaves the others alone.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from guardkit.core.approvals import Approval
from guardkit.core.digest import sha256
from guardkit.core.presentation import Presentation
from guardkit.core.values import Json, Value
from guardkit.errors import InputError

BATCH_LIMIT = 100
"""The most questions that are decided on together."""

BatchKind: TypeAlias = Literal["approve", "reject"]
"""What may be said of several at once. Edits and answers are each about one question."""

_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", strict=True)]


class Seen(Value):
    """One question as somebody saw it before they decided on several."""

    approval: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,64}$", strict=True)]
    version: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    """`Approval.version` that was shown."""

    digest: _Hash
    """`Approval.digest` that was shown."""

    presentation_hash: _Hash
    """Hash of all that was shown of it."""


def is_whole(shown: Presentation) -> bool:
    """Whether a presentation shows every value that will be used, none of them in part."""
    rows = (*shown.args, *shown.reads)
    return not any(row.sha256 is not None or row.index is None for row in rows) and not any(
        change.cut for change in shown.changes
    )


def are_of_one_run(approvals: Iterable[Approval]) -> bool:
    """Whether one turn of one thread has asked all of them."""
    asked = {(one.request.tenant, one.request.thread_id, one.request.turn) for one in approvals}
    return len(asked) <= 1


def are_of_one_kind(approvals: Iterable[Approval]) -> bool:
    """Whether all are about the same tool, and the same agent asked them for the same rules of the same policy."""
    return len({_kind(one) for one in approvals}) <= 1


def check_together(approvals: Sequence[Approval]) -> None:
    """See that questions may be decided on together.

    Raises:
        InputError: they are neither of one run nor of one kind.
    """
    if not are_of_one_run(approvals) and not are_of_one_kind(approvals):
        raise InputError(
            f"these {len(approvals)} approvals are neither of one run nor of one kind",
            remedy="decide together on what one run asks, or on one tool, asked by one agent for the same rules",
        )


def grouped(approvals: Sequence[Approval]) -> Sequence[Sequence[Approval]]:
    """Questions in groups that may be decided on together, in the order in which they are given."""
    if are_of_one_run(approvals):
        return [approvals] if approvals else []
    groups: dict[tuple[str, ...], list[Approval]] = {}
    for one in approvals:
        groups.setdefault(_kind(one), []).append(one)
    return list(groups.values())


def check_batch(items: Sequence[Seen]) -> None:
    """See that the number of questions is one that is decided on together, and that none is named twice.

    Raises:
        InputError: it is not, or one is.
    """
    if not 1 <= len(items) <= BATCH_LIMIT:
        raise InputError(
            f"{len(items)} approvals are too {'many' if items else 'few'} for one batch",
            remedy=f"1 to {BATCH_LIMIT}",
        )
    if len({one.approval for one in items}) < len(items):
        raise InputError("an approval is named twice in one batch", remedy="name each once")


def batch_mark(person: str, kind: BatchKind, reason: str | None, items: Sequence[Seen]) -> str:
    """Names one batch: the same answer to the same questions has the same mark, so a second click is recognised.

    Args:
        person: who decides, as the caller has verified them.
        kind: what is said.
        reason: in the person's words.
        items: what was seen.
    """
    seen: list[Json] = [one.model_dump(mode="json") for one in sorted(items, key=lambda one: one.approval)]
    return f"batch-{sha256('guardkit.batch.v1', [person, kind, reason, seen])[:32]}"


def _kind(approval: Approval) -> tuple[str, ...]:
    request = approval.request
    return (request.tenant, request.action.tool, request.agent, request.policy, *sorted(request.rules))
