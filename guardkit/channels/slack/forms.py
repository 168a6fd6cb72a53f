"""What modals ask for, and what their submissions do."""

from dataclasses import dataclass

from guardkit.channels.card import shortened_again
from guardkit.channels.host import ChannelHost
from guardkit.channels.slack.blocks import SIZE, size
from guardkit.channels.slack.deciding import Deciding, Refused
from guardkit.channels.slack.modals import (
    CONFIRM,
    EDIT,
    LONGEST,
    REASON,
    REASON_BLOCK,
    confirm_modal,
    edit_modal,
    errors,
    fits,
    form_of,
    length,
    notice_modal,
    reason_modal,
)
from guardkit.channels.slack.payloads import Submission
from guardkit.channels.slack.tickets import Ticket
from guardkit.channels.words import refusal
from guardkit.core.answers import changes_between, read_fields, with_changes
from guardkit.core.approvals import Approval, DecisionKind
from guardkit.core.digest import canonical
from guardkit.core.fields import fields_of
from guardkit.core.presentation import schema_order
from guardkit.core.rows import Change, changes
from guardkit.core.values import JsonObject
from guardkit.core.versions import shown_digest
from guardkit.core.visible import human
from guardkit.errors import CanonicalError, DecisionRefusedError, UnknownApprovalError

_TOO_LARGE = "These values are too large for a form in Slack. Please edit them in the inbox."
_UNKNOWN = refusal(UnknownApprovalError("there is no such approval"))
_ABOUT_WORDS = frozenset({"reason_invalid", "reason_required"})
_REASONS: dict[str, DecisionKind] = {
    f"{REASON}:approve": "approve",
    f"{REASON}:reject": "reject",
    f"{REASON}:respond": "respond",
}
_CUT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a submission has come to."""

    body: JsonObject | None = None
    """What Slack is answered."""

    note: str | None = None
    """What the audit log is told, where the desk has not told it already."""

    approval: Approval | None = None
    stale: bool = False
    """Whether messages show less than is known."""


class Forms:
    """Modals, one after another.

    Args:
        host: the process.
        deciding: takes decisions.
    """

    def __init__(self, host: ChannelHost, deciding: Deciding) -> None:
        self._host = host
        self._deciding = deciding

    def first(self, approval: Approval, ticket: Ticket, kind: DecisionKind) -> JsonObject:
        """The modal in which somebody begins a decision that needs more than a click.

        Args:
            approval: the question.
            ticket: as which it was shown.
            kind: the decision.
        """
        if kind != "edit":
            return reason_modal(kind, ticket, _title(approval))
        fields = fields_of(approval.request.args_schema, approval.args)
        form = edit_modal(fields, ticket, _title(approval)) if fits(fields) else None
        if form is None or size([form]) > 4 * SIZE:
            return notice_modal(_TOO_LARGE, self._host.link(approval, ticket.delivery))
        return form

    def next(self, submission: Submission) -> Result:
        """Take a submitted modal.

        Raises:
            StorageError: the database cannot be reached; nothing changed.
        """
        kind = _REASONS.get(submission.callback)
        if kind is None and submission.callback not in (EDIT, CONFIRM):
            return Result()
        head, _, rest = submission.metadata.partition("\n")
        ticket = Ticket.parse(head)
        if ticket is None:
            return Result(body=_told(_UNKNOWN), note="malformed")
        approval = self._host.store.find(ticket.approval_id)
        if approval is None:
            return Result(body=_told(_UNKNOWN), note="unknown_approval")
        if kind is not None:
            return self._reason(submission, approval, ticket, kind)
        if submission.callback == EDIT:
            return self._edited(submission, approval, ticket)
        return self._confirmed(submission, approval, ticket, rest)

    def _reason(
        self, submission: Submission, approval: Approval, ticket: Ticket, kind: DecisionKind
    ) -> Result:
        said = submission.values.get(REASON_BLOCK, "").strip()
        refused = self._deciding.decide(
            approval, ticket, user=submission.origin.user, kind=kind, reason=said or None
        )
        return _ended(approval, refused)

    def _edited(self, submission: Submission, approval: Approval, ticket: Ticket) -> Result:
        if approval.state.settled or shown_digest(approval, ticket.version) != approval.digest:
            reason = "already_settled" if approval.state.settled else "digest_mismatch"
            words = refusal(DecisionRefusedError(reason, "the form is of an earlier version"))
            return Result(body=_told(words), note=reason, approval=approval, stale=True)
        schema, order = approval.request.args_schema, schema_order(approval.request.args_schema)
        fields = fields_of(schema, approval.args)
        reading = read_fields(schema, approval.args, form_of(fields, submission.values))
        if not reading.ok:
            return Result(body=errors(reading.fields, reading.problems))
        carried = f"{ticket.value}\n{canonical(changes_between(approval.args, reading.args)).decode()}"
        shown = tuple(_shorter(one) for one in changes(approval.args, reading.args, order))
        comment = approval.request.needs_comment("edit")
        view = confirm_modal(shown, carried, _title(approval), comment=comment)
        if length(carried) > LONGEST or size([view]) > SIZE:
            view = notice_modal(_TOO_LARGE, self._host.link(approval, ticket.delivery))
        return Result(body={"response_action": "update", "view": view})

    def _confirmed(self, submission: Submission, approval: Approval, ticket: Ticket, carried: str) -> Result:
        try:
            args = with_changes(approval.args, carried)
        except CanonicalError:
            return Result(body=_told(_UNKNOWN), note="malformed", approval=approval)
        said = submission.values.get(REASON_BLOCK, "").strip()
        refused = self._deciding.decide(
            approval, ticket, user=submission.origin.user, kind="edit", args=args, reason=said or None
        )
        return _ended(approval, refused)


def _ended(approval: Approval, refused: Refused | None) -> Result:
    if refused is not None and refused.reason in _ABOUT_WORDS:
        return Result(body={"response_action": "errors", "errors": {REASON_BLOCK: refused.words}})
    return _settled(approval, refused)


def _settled(approval: Approval, refused: Refused | None) -> Result:
    if refused is None:
        return Result(body={"response_action": "clear"})
    return Result(body=_told(refused.words), approval=approval, stale=refused.stale)


def _told(words: str) -> JsonObject:
    return {"response_action": "update", "view": notice_modal(words)}


def _title(approval: Approval) -> str:
    return human(approval.request.action.tool)


def _shorter(change: Change) -> Change:
    return change.model_copy(
        update={
            "before": None if change.before is None else shortened_again(change.before, _CUT),
            "after": None if change.after is None else shortened_again(change.after, _CUT),
        }
    )
