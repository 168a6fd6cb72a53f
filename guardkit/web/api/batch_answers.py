"""What callers send and are told about several approvals at once."""

from typing import Annotated

from pydantic import Field

from guardkit.core.batches import BATCH_LIMIT, BatchKind, Seen
from guardkit.core.values import Value
from guardkit.web.api.answers import DecisionTaken
from guardkit.web.api.problems import Problem
from guardkit.web.api.requests import Comment


class NewBatch(Value):
    """What a person says of several approvals, bound to what was on their screen."""

    decision: BatchKind
    comment: Comment | None = None
    """Kept with each decision. Required with `reject`."""

    items: Annotated[tuple[Seen, ...], Field(min_length=1, max_length=BATCH_LIMIT)]
    """Each approval once, as it was shown: all of one run, or all of one kind."""


class BatchItem(Value):
    """What became of one of them."""

    approval: str
    taken: DecisionTaken | None
    """The decision that counts; `null` where none does."""

    problem: Problem | None
    """Why none does; `null` where one does."""


class BatchTaken(Value):
    """What became of each, in the order of the request."""

    items: tuple[BatchItem, ...]
