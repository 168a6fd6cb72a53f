"""What holds for an action that was decided under one policy and is about to run under another."""

from guardkit.core.approvals import ApprovalRequest
from guardkit.core.decisions import Decision, strictest
from guardkit.policy.policy import Policy


def while_paused(frozen: Decision, today: Decision) -> Decision:
    """The effective decision: the strictest of the one frozen when people were asked and today's."""
    return strictest([frozen, today])


def still_stands(request: ApprovalRequest, today: Policy) -> bool:
    """Whether an approval given on this request still counts: its rules and routes are the same in today's policy."""
    return today.route_hash(request.action.tool, request.routes) == request.route_hash
