"""An approval as it was in an earlier version, which somebody still has before them."""

from guardkit.core.approvals import Approval, after_decisions, edited_digest


def shown_digest(approval: Approval, version: int) -> str | None:
    """The digest of what an approval asked for in an earlier version, or `None` when it has not had that version.

    A button carries the version that was shown. Each decision makes a version, and only an edit changes the digest.
    """
    if not 0 <= version <= approval.version:
        return None
    edits = [said for said in approval.decisions[:version] if said.args is not None]
    if not edits or edits[-1].args is None:
        return approval.request.digest
    return edited_digest(approval.request, edits[-1].args)


def as_shown(approval: Approval, version: int) -> Approval | None:
    """An open approval as it was in an earlier version, or `None` when it has not had that version.

    Args:
        approval: as it stands, undecided.
        version: the `Approval.version` that was shown.
    """
    digest = shown_digest(approval, version)
    if digest is None:
        return None
    edits = [said.args for said in approval.decisions[:version] if said.args is not None]
    args = edits[-1] if edits else approval.request.action.args
    then = {"args": args, "digest": digest, "version": version}
    return after_decisions(approval, version).model_copy(update=then)
