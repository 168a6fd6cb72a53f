"""Asking again: what people are told who have been asked before. A message that changes notifies nobody."""

from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.runs import Post

WAITS = "It still waits for an answer."
OTHERS_TOO = "Nobody has answered yet. From now on others may answer too."


def since(post: Post) -> int:
    """The `Approval.version` with which a copy was written, as its address says."""
    found = (post.address or {}).get("since")
    return found if isinstance(found, int) else 0


def last_edit(approval: Approval) -> int | None:
    """The `Approval.version` that the last edit made."""
    edits = [at for at, said in enumerate(approval.decisions, start=1) if said.kind == "edit"]
    return edits[-1] if edits else None


def edited_by(host: ChannelHost, approval: Approval, edit: int) -> str:
    """One sentence about an edit.

    Args:
        host: knows people's names.
        approval: the approval.
        edit: the version that the edit made.
    """
    return f"Edited by {host.speaker(approval.decisions[edit - 1])}."


def asked_again(host: ChannelHost, approval: Approval, edit: int) -> str:
    """What those are told who have to answer again because of an edit.

    Args:
        host: knows people's names.
        approval: the approval.
        edit: the version that the edit made.
    """
    return f"{edited_by(host, approval, edit)} It is asked again: look at it as it is now."
