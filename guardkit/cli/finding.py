"""Finding one approval by what somebody has typed of its id."""

import re

from guardkit.core.approvals import Approval
from guardkit.errors import UnknownApprovalError
from guardkit.sql import SQLStore

SHORTEST = 4
"""Digits of an id that are typed at least."""

_PREFIX = re.compile(rf"[0-9a-f]{{{SHORTEST},64}}")
_CANDIDATES = 10
_SHOWN = 32


class AmbiguousApprovalError(UnknownApprovalError):
    """Several approvals have an id that begins like this.

    Attributes:
        candidates: ids that do, at most ten.
    """

    code = "ambiguous_approval"

    def __init__(self, prefix: str, candidates: tuple[str, ...]) -> None:
        some = "at least " if len(candidates) == _CANDIDATES else ""
        super().__init__(
            f"{some}{len(candidates)} approvals begin with {prefix}", remedy=f"one of {', '.join(candidates)}"
        )
        self.candidates = candidates


def found(store: SQLStore, text: str, *, tenant: str | None = None) -> Approval:
    """The one approval with this id, or whose id begins so.

    Args:
        store: where approvals are.
        text: the id, or at least four digits of its beginning.
        tenant: whose approvals may be meant by a part of the id; everybody's when `None`.

    Raises:
        AmbiguousApprovalError: there are several.
        UnknownApprovalError: there is none.
    """
    approval = store.find(text)
    if approval is None and _PREFIX.fullmatch(text):
        candidates = tuple(store.ids_beginning(text, tenant=tenant, limit=_CANDIDATES))
        if len(candidates) > 1:
            raise AmbiguousApprovalError(text, candidates)
        approval = store.find(candidates[0]) if candidates else None
    if approval is None:
        short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise UnknownApprovalError(
            f"no approval {short!r}",
            remedy=f"see guardkit approvals list; {SHORTEST} digits or more of an id are enough",
        )
    return approval
