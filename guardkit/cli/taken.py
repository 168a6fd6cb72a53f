"""A decision that counts, for machines."""

from guardkit.core.approvals import ApprovalState, DecisionKind
from guardkit.core.rows import Change
from guardkit.core.values import Value


class Taken(Value):
    """A decision that counts, as `--json` prints it."""

    approval: str
    decision: DecisionKind
    person: str
    on_behalf_of: str | None
    """For whom, if a delegate said it for somebody who is away."""

    stage: int
    """1 for the first."""

    at: float
    """Seconds since the epoch, by the database's clock."""

    state: ApprovalState
    """Where the approval stands with it; `pending` while others have to agree."""

    version: int
    digest: str
    """The digest of the arguments as they stand with it."""

    presentation_hash: str
    """Hash of what was decided on."""

    changes: tuple[Change, ...]
    """With `edit`: what it changed."""

    standing: str | None = None
    """With `--standing`: id of the standing approval, once everybody who is needed has said it."""
