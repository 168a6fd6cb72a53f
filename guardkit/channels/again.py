"""Asking again: what people are told who have been asked before. A message that changes notifies nobody."""

from guardkit.channels.card import Card, compose
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.presentation import utc
from guardkit.core.reviews import due_of
from guardkit.core.runs import Post

WAITS = "It still waits for an answer."
OTHERS_TOO = "Nobody has answered yet. From now on others may answer too."


def review_card(host: ChannelHost, approval: Approval) -> Card:
    """What those are shown who have to review a broken glass.

    Args:
        host: knows people's names, and where the inbox is.
        approval: the approval whose glass was broken.
    """
    card = compose(approval, link=host.review_link(approval), who=host.who)
    return card.model_copy(update={"choices": (), "notice": review_notice(approval)})


def review_notice(approval: Approval) -> str:
    """What those have to do who review a broken glass."""
    due = due_of(approval)
    until = "" if due is None else f" The review is due {utc(due)}."
    return f"One person approved this alone, in an emergency. You are among those who review it.{until}"


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
