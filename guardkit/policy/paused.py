"""What holds for an action that was decided under one policy and is about to run under another."""

from guardkit.core.approvals import ApprovalRequest
from guardkit.core.decisions import Decision, Escalate, strictest
from guardkit.policy.policy import Policy


def while_paused(frozen: Decision, today: Decision) -> Decision:
    """The effective decision: the strictest of the one frozen when people were asked and today's."""
    return strictest([frozen, today])


def still_stands(request: ApprovalRequest, today: Policy) -> bool:
    """Whether an approval given on this request still counts: its rules and routes are the same in today's policy."""
    tool, routes = request.action.tool, request.routes
    return today.route_hash(tool, routes) == request.route_hash or (
        request.terms is not None and request.terms.hold_in(today.terms(tool, routes), request.rules)
    )


def asks_the_same(request: ApprovalRequest, decision: Escalate, today: Policy) -> bool:
    """Whether what today's policy demands has been asked by this request, on the same routes or more.

    It has not where a rule that applies is new or changed. One that was there and applies only today, or only did then,
    asks nothing new: a condition that changes its mind undoes no answer.
    """
    if not set(decision.routes) <= set(request.routes) or not still_stands(request, today):
        return False
    terms = today.terms(request.action.tool, request.routes)
    return request.terms is not None and request.terms.hold_in(terms, decision.rules)
