"""What people are told in a messenger when their answer does not count. None of it repeats what somebody sent."""

from guardkit.errors import DecisionRefusedError, GuardkitError, UnknownApprovalError

_REFUSALS: dict[str, str] = {
    "already_settled": "This is already decided or withdrawn. Your answer changed nothing.",
    "already_decided": "You have already answered this. It now waits for others.",
    "digest_mismatch": "The action was edited since this message was written. Look at it as it is now, then decide.",
    "expired": "The time to decide is over. Your answer changed nothing.",
    "conflict": "Others are deciding at this moment. Your answer changed nothing; please try again.",
    "requester": "You started or steered what led to this action, or nobody has verified who did, so others have to decide.",
    "not_an_approver": "You are not among the approvers of a stage that is waiting.",
    "inactive": "The directory does not list you as active. Nothing was decided.",
    "assurance_too_low": "The policy asks for a surer way to know who you are. Please decide in the web inbox.",
    "edit_invalid": "The tool does not accept these values. Nothing was changed.",
    "not_allowed": "The policy does not allow this kind of decision here.",
    "reason_required": "Please say why. The reason is kept with the decision.",
    "reason_invalid": "The reason is too long, or holds characters that cannot be kept.",
}


def refusal(error: GuardkitError) -> str:
    """One or two sentences for whoever tried.

    Args:
        error: why the answer does not count.
    """
    if isinstance(error, DecisionRefusedError):
        return _REFUSALS.get(error.reason, "Your answer does not count. Nothing was changed.")
    if isinstance(error, UnknownApprovalError):
        return "There is no such approval for you."
    return "Your answer could not be taken. Nothing was changed; please try again."
