"""What somebody did in Slack, whatever transport has brought it, and what to answer."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guardkit.channels.host import ChannelHost
from guardkit.channels.slack.api import call
from guardkit.channels.slack.blocks import ACTIONS
from guardkit.channels.slack.checks import check_view
from guardkit.channels.slack.copies import Copies
from guardkit.channels.slack.deciding import Deciding, Refused
from guardkit.channels.slack.forms import Forms
from guardkit.channels.slack.modals import notice_modal
from guardkit.channels.slack.payloads import (
    Click,
    Command,
    MalformedError,
    Origin,
    Submission,
    read,
)
from guardkit.channels.slack.pending import Pending
from guardkit.channels.slack.people import WORDS, People
from guardkit.channels.slack.rich import inert, line, numbered, rich, words
from guardkit.channels.slack.sending import Sender
from guardkit.channels.slack.tickets import Ticket
from guardkit.channels.slack.workspace import Workspace
from guardkit.channels.words import refusal
from guardkit.core.approvals import Approval, DecisionKind
from guardkit.core.values import JsonObject
from guardkit.errors import ChannelError, GuardkitError, UnknownApprovalError

log = logging.getLogger("guardkit.channels.slack")

_KINDS: dict[str, DecisionKind] = {action: kind for kind, action in ACTIONS.items()}
_NOT_OPENED = "The form could not be opened in time. Nothing was changed; please click again."
_UNKNOWN = refusal(UnknownApprovalError("there is no such approval"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """What to answer Slack, within 3 seconds."""

    body: JsonObject | None = None
    status: int = 200
    """For HTTP; Socket Mode acknowledges all the same."""

    after: Callable[[], None] | None = None
    """What is done once the answer is on its way. Raises nothing."""


class Interactions:
    """Takes what people do.

    Args:
        host: the process.
        workspace: whose app this is.
        copies: what is in Slack.
        people: finds out who somebody is.
        sender: brings copies up to date.
    """

    def __init__(
        self, host: ChannelHost, workspace: Workspace, copies: Copies, people: People, sender: Sender
    ) -> None:
        self._host = host
        self._workspace = workspace
        self._copies = copies
        self._people = people
        self._sender = sender
        self._deciding = Deciding(host, people)
        self._forms = Forms(host, self._deciding)
        self._pending = Pending(host, people)

    def take(self, payload: Mapping[str, Any]) -> Ack:
        """Take one authentic payload. What is refused changes nothing and is audited.

        Args:
            payload: of an interaction or a slash command.

        Raises:
            StorageError: the database cannot be reached; nothing changed, and nothing must be acknowledged.
        """
        try:
            found = read(payload)
        except MalformedError:
            return self._refuse("malformed", status=400)
        if found is None:
            return Ack()
        foreign = self._foreign(found.origin)
        if foreign is not None:
            return self._refuse(foreign)
        if found.origin.user_team not in (None, self._workspace.team):
            return self._strange(found)
        match found:
            case Click():
                return self._click(found)
            case Submission():
                if found.app not in (None, self._workspace.app):
                    return self._refuse("wrong_app")
                return self._submitted(found)
            case Command():
                return Ack(body=self._pending.listed(found.origin.user))

    def _foreign(self, origin: Origin) -> str | None:
        if origin.team != self._workspace.team:
            return "wrong_team"
        if origin.app != self._workspace.app:
            return "wrong_app"
        return None

    def _refuse(self, why: str, *, approval: Approval | None = None, status: int = 200) -> Ack:
        self._host.refusals.note(why, approval=approval)
        return Ack(status=status)

    def _strange(self, found: Click | Submission | Command) -> Ack:
        self._host.refusals.note("stranger")
        if isinstance(found, Click):
            return Ack(after=self._later(found, WORDS["stranger"]))
        if isinstance(found, Submission):
            return Ack(body={"response_action": "update", "view": notice_modal(WORDS["stranger"])})
        return Ack()

    def _click(self, click: Click) -> Ack:
        kind = _KINDS.get(click.action)
        if kind is None:
            return Ack()
        ticket = Ticket.parse(click.value)
        if ticket is None:
            return self._refuse("malformed", status=400)
        approval = self._host.store.find(ticket.approval_id)
        if approval is None:
            self._host.refusals.note("unknown_approval")
            return Ack(after=self._later(click, _UNKNOWN))
        post = self._copies.at(approval, click.channel, click.ts)
        if post is None:
            if not self._workspace.wrote(app=click.app, bot=click.bot):
                return self._refuse("foreign_message", approval=approval)
            if self._deciding.concerns(approval, click.origin.user):
                post = self._copies.adopt(
                    approval,
                    channel=click.channel,
                    ts=click.ts,
                    version=min(ticket.version, approval.version),
                    recipients=self._recipients(click),
                )
        delivery = None if post is None else post.delivery
        seen = Ticket(approval_id=ticket.approval_id, version=ticket.version, delivery=delivery)
        if kind != "approve" or approval.request.needs_comment(kind):
            return self._open(click, approval, seen, kind)
        return self._answered(
            click, approval, self._deciding.decide(approval, seen, user=click.origin.user, kind=kind)
        )

    def _recipients(self, click: Click) -> tuple[str, ...]:
        """For whom the message that was clicked on can have been written."""
        identity = self._people.listed(click.origin.user)
        person = None if identity is None else self._host.directory.find(identity)
        return (click.channel,) if person is None else (click.channel, person.id)

    def _answered(self, click: Click, approval: Approval, refused: Refused | None) -> Ack:
        if refused is None:
            return Ack()
        stale = approval.request.id if refused.stale else None
        return Ack(after=self._later(click, refused.words, refresh=stale))

    def _open(self, click: Click, approval: Approval, ticket: Ticket, kind: DecisionKind) -> Ack:
        """Open a modal. A trigger lives 3 seconds, so Slack is asked who somebody is only after that."""
        user = click.origin.user
        if self._people.listed(user) is not None:
            refused = self._deciding.may(approval, ticket, user=user, kind=kind)
            if refused is not None:
                return self._answered(click, approval, refused)
            view = self._forms.first(approval, ticket, kind)
            return self._shown(click, view)
        if kind != "edit":
            return self._shown(click, self._forms.first(approval, ticket, kind))
        try:
            view_id = self._views_open(click, notice_modal("One moment …"))
        except ChannelError:
            return Ack(after=self._later(click, _NOT_OPENED))

        def fill() -> None:
            refused = self._deciding.may(approval, ticket, user=user, kind=kind)
            view = notice_modal(refused.words) if refused else self._forms.first(approval, ticket, kind)
            check_view(view)
            call(self._workspace.clients.updating, "views.update", {"view_id": view_id, "view": view})

        return Ack(after=_quietly(fill))

    def _shown(self, click: Click, view: JsonObject) -> Ack:
        try:
            self._views_open(click, view)
        except ChannelError:
            return Ack(after=self._later(click, _NOT_OPENED))
        return Ack()

    def _views_open(self, click: Click, view: JsonObject) -> str | None:
        check_view(view)
        opened = call(
            self._workspace.clients.asking, "views.open", {"trigger_id": click.trigger, "view": view}
        )
        return opened.text("view", "id")

    def _submitted(self, submission: Submission) -> Ack:
        result = self._forms.next(submission)
        approval = result.approval
        if result.note is not None:
            self._host.refusals.note(result.note, approval=approval)
        if approval is None or not result.stale:
            return Ack(body=result.body)
        return Ack(body=result.body, after=_quietly(lambda: self._sender.refresh(approval.request.id)))

    def _later(self, click: Click, said: str, *, refresh: str | None = None) -> Callable[[], None]:
        """Tell somebody something that they alone see, and bring stale messages up to date."""

        def tell() -> None:
            message: JsonObject = {
                "channel": click.channel,
                "user": click.origin.user,
                "text": inert(said),
                "blocks": [*numbered([rich(line(words(said)))], "gk.told")],
            }
            call(self._workspace.clients.updating, "chat.postEphemeral", message)

        def bring_up_to_date() -> None:
            if refresh is not None:
                self._sender.refresh(refresh)

        def both() -> None:
            _quietly(tell)()
            _quietly(bring_up_to_date)()

        return both


def _quietly(do: Callable[[], None]) -> Callable[[], None]:
    """The answer has gone: what fails now is only logged."""

    def quiet() -> None:
        try:
            do()
        except ChannelError as error:
            log.warning("after an answer to Slack: %s", error.message)
        except GuardkitError as error:
            log.warning("after an answer to Slack: %s", error.code)

    return quiet
