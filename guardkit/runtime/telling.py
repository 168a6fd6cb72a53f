"""What telemetry is told of an approval, by whichever process sees it change."""

from collections.abc import Sequence

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState, SaidKind
from guardkit.core.values import Json
from guardkit.runtime.events import Attributes, Telemetry


def asked_in(request: ApprovalRequest) -> Attributes:
    """The trace that the question was asked in, for viewers that drop links."""
    parts = (request.traceparent or "").split("-")
    return {names.APPROVAL_TRACE: parts[1]} if len(parts) == 4 else {}


def _where(approval: Approval) -> Attributes:
    """The stages that the last decision was for, and those that are left."""
    said = approval.decisions[-1]
    left = () if approval.state.settled else approval.waiting()
    return {
        names.APPROVAL_STAGES: _listed(said.fits),
        names.APPROVAL_EXEMPT: said.exemption is not None,
        **({names.APPROVAL_WAITING: _listed(left)} if left else {}),
    }


def _listed(stages: Sequence[int]) -> str:
    return ",".join(str(stage + 1) for stage in stages)


def waited(approval: Approval) -> float:
    """Seconds from the question to its settlement; 0 while it is open."""
    settled_at = approval.settled_at
    return 0.0 if settled_at is None else max(settled_at - approval.request.requested_at, 0.0)


def answered(
    telemetry: Telemetry, verb: str, approval: Approval, attributes: Attributes, *, event: str | None = None
) -> None:
    """An answer came in, or none did in time: a span of its own, linked to the question's.

    Args:
        telemetry: what is told.
        verb: of the span.
        approval: as it stands now.
        attributes: what is said beside what is said of every question.
        event: one that is noted on it, with the attributes.
    """

    def said() -> dict[str, Json]:
        last = approval.decisions[-1]
        words: dict[str, Json] = {} if last.reason is None else {names.APPROVAL_REASON: last.reason}
        return words if last.args is None else {**words, names.TOOL_ARGUMENTS: last.args}

    request = approval.request
    facts = {
        names.AGENT: request.agent,
        names.CONVERSATION: request.thread_id,
        names.SESSION: request.thread_id,
        names.TURN: request.turn,
        names.TOOL: request.action.tool,
        names.APPROVAL_ID: request.id,
        names.APPROVAL_OUTCOME: approval.state.value,
    }
    links = [request.traceparent] if request.traceparent else []
    shown = {**facts, **asked_in(request), **attributes}
    if verb == names.DECIDE_APPROVAL:
        shown |= _where(approval)
    span = telemetry.start(f"{verb} {request.action.tool}", shown, kind="consumer", links=links)
    if verb == names.DECIDE_APPROVAL:
        span.show(said)
    if event is not None:
        about = {names.APPROVAL_ID: request.id, names.TOOL: request.action.tool}
        with span.active():
            telemetry.event(event, {**about, **attributes})
    span.end()


def counted(telemetry: Telemetry, approval: Approval, kind: SaidKind) -> None:
    """A decision counts. Measured by the routes that asked, never by whoever answered."""
    request = approval.request
    about = {
        names.POLICY_ID: request.policy,
        names.APPROVAL_ROUTE: ",".join(sorted(request.routes)),
        names.APPROVAL_SAID: kind,
    }
    telemetry.measure(names.ANSWERS, 1, about)


def settled(telemetry: Telemetry, before: Approval, after: Approval) -> None:
    """A change was stored. Measured if it is the one that settled the question."""
    if before.state is not ApprovalState.PENDING or not after.state.settled:
        return
    about = {
        names.APPROVAL_OUTCOME: after.state.value,
        names.POLICY_ID: after.request.policy,
        names.TOOL: after.request.action.tool,
    }
    telemetry.measure(names.APPROVAL_WAIT, waited(after), about)
