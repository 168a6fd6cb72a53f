"""Decisions that come from Slack: who has decided, and what they are told when it does not count."""

from dataclasses import dataclass

from guardkit.channels.card import compose
from guardkit.channels.host import ChannelHost
from guardkit.channels.slack.api import SlackError
from guardkit.channels.slack.people import WORDS, People, Unverified
from guardkit.channels.slack.tickets import Ticket
from guardkit.channels.words import refusal
from guardkit.core.approvals import Approval, ApprovalState, DecisionKind
from guardkit.core.people import Assurance
from guardkit.core.presentation import shown_hash
from guardkit.core.values import JsonObject
from guardkit.core.versions import shown_digest
from guardkit.errors import DecisionRefusedError, GuardkitError, UnknownApprovalError

_NOT_SAID = "Slack did not say who you are. Nothing was changed; please try again."
_STALE = frozenset({"already_settled", "already_decided", "digest_mismatch", "expired"})
_BY_PEOPLE = (
    ApprovalState.APPROVED,
    ApprovalState.CONSUMED,
    ApprovalState.REJECTED,
    ApprovalState.RESPONDED,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A decision that does not count."""

    words: str
    """For whoever tried."""

    reason: str = ""
    """The desk's reason, where it was the desk's."""

    @property
    def stale(self) -> bool:
        """Whether messages may show less than is known."""
        return self.reason in _STALE


class Deciding:
    """Hands proposals to the desk.

    Args:
        host: the process.
        people: finds out who somebody is.
    """

    def __init__(self, host: ChannelHost, people: People) -> None:
        self._host = host
        self._people = people

    def decide(
        self,
        approval: Approval,
        ticket: Ticket,
        *,
        user: str,
        kind: DecisionKind,
        reason: str | None = None,
        args: JsonObject | None = None,
    ) -> Refused | None:
        """Take one person's decision.

        Args:
            approval: the question.
            ticket: the version that was shown, and the delivery that was answered.
            user: Slack's id of a member of this workspace.
            kind: what was said.
            reason: in the person's words.
            args: edited arguments.

        Returns:
            Why it does not count, or `None` when it does and is stored.

        Raises:
            StorageError: the database cannot be reached; nothing changed.
        """
        identity = self._identity(approval, user)
        if isinstance(identity, Refused):
            return identity
        digest = shown_digest(approval, ticket.version)
        if digest is None:
            self._host.refusals.note("unknown_version", approval=approval)
            return Refused(refusal(UnknownApprovalError("no such version")))
        try:
            self._host.desk.decide(
                approval.request.id,
                identity=identity,
                digest=digest,
                kind=kind,
                assurance=Assurance.CHAT,
                via=self._via(approval, ticket),
                reason=reason,
                args=args,
                delivery=ticket.delivery,
                shown=shown_hash(approval, ticket.version),
                overtaken=True,
            )
        except (DecisionRefusedError, UnknownApprovalError) as error:
            return self._refused(approval, error)
        return None

    def may(self, approval: Approval, ticket: Ticket, *, user: str, kind: DecisionKind) -> Refused | None:
        """Why a form for a decision would be in vain, or `None`. What is refused is audited.

        Raises:
            StorageError: the database cannot be reached.
        """
        identity = self._identity(approval, user)
        if isinstance(identity, Refused):
            return identity
        error = self._hindrance(approval, ticket, identity, kind)
        if error is None:
            return None
        reason = error.reason if isinstance(error, DecisionRefusedError) else "other_tenant"
        self._host.refusals.note(reason, approval=approval)
        return self._refused(approval, error)

    def concerns(self, approval: Approval, user: str) -> bool:
        """Whether somebody may see an approval. While Slack does not say who they are, they may not.

        Args:
            approval: the question.
            user: Slack's id of a member of this workspace.
        """
        try:
            identity = self._people.verified(user)
        except SlackError:
            return False
        person = None if isinstance(identity, Unverified) else self._host.directory.find(identity)
        if person is None:
            return False
        try:
            self._host.desk.see(approval.request.id, person)
        except UnknownApprovalError:
            return False
        return True

    def _hindrance(
        self, approval: Approval, ticket: Ticket, identity: str, kind: DecisionKind
    ) -> DecisionRefusedError | UnknownApprovalError | None:
        person = self._host.directory.find(identity)
        if person is None:
            return DecisionRefusedError("not_an_approver", "nobody is known by this identity")
        if person.tenant != approval.request.tenant:
            return UnknownApprovalError("there is no such approval")
        error = self._host.desk.refusal(approval, person, Assurance.CHAT)
        if error is not None:
            return error
        if shown_digest(approval, ticket.version) != approval.digest:
            return DecisionRefusedError("digest_mismatch", "the action has changed since it was shown")
        if kind not in approval.request.allowed:
            return DecisionRefusedError("not_allowed", "not among the allowed decisions")
        return None

    def _via(self, approval: Approval, ticket: Ticket) -> str:
        """The channel whose message was answered: Slack hands clicks to any channel of the same app."""
        posts = self._host.store.posts(approval.request.tenant, approval.request.id)
        answered = (post.channel for post in posts if post.delivery == ticket.delivery)
        return self._host.name if ticket.delivery is None else next(answered, self._host.name)

    def _identity(self, approval: Approval, user: str) -> str | Refused:
        try:
            identity = self._people.verified(user)
        except SlackError:
            self._host.refusals.note("unverified", approval=approval)
            return Refused(_NOT_SAID)
        if isinstance(identity, Unverified):
            self._host.refusals.note(identity.reason, approval=approval)
            return Refused(WORDS[identity.reason])
        return identity

    def _refused(self, approval: Approval, error: GuardkitError) -> Refused:
        reason = error.reason if isinstance(error, DecisionRefusedError) else ""
        if reason == "already_settled":
            now = self._host.store.find(approval.request.id) or approval
            card = compose(now, who=self._host.who)
            named = now.state in _BY_PEOPLE and now.decisions
            by = f" by {self._host.speaker(now.decisions[-1])}" if named else ""
            status = f"{card.status}{by}" if now.state.settled else "over"
            return Refused(f"This is already {status}. Your answer changed nothing.", reason)
        return Refused(refusal(error), reason)
