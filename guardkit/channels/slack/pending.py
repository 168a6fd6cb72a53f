"""What waits for somebody, as the answer to a slash command that they alone see."""

from guardkit.channels.card import compose
from guardkit.channels.host import ChannelHost
from guardkit.channels.slack.api import SlackError
from guardkit.channels.slack.people import WORDS, People, Unverified
from guardkit.channels.slack.rich import date, inert, line, link, numbered, rich, words
from guardkit.core.approvals import Approval
from guardkit.core.values import JsonObject

LISTED = 20
"""Approvals that are listed at most; the inbox has all."""

_NOBODY = "The directory does not know you, so nothing waits for you here."
_NOT_SAID = "Slack did not say who you are. Please try again."


class Pending:
    """Lists one's own pending approvals.

    Args:
        host: the process.
        people: finds out who somebody is.
    """

    def __init__(self, host: ChannelHost, people: People) -> None:
        self._host = host
        self._people = people

    def listed(self, user: str) -> JsonObject:
        """The answer to the command.

        Args:
            user: Slack's id of whoever asks.

        Raises:
            StorageError: the database cannot be reached.
        """
        try:
            identity = self._people.verified(user)
        except SlackError:
            return _told(_NOT_SAID)
        if isinstance(identity, Unverified):
            self._host.refusals.note(identity.reason)
            return _told(WORDS[identity.reason])
        person = self._host.directory.find(identity)
        if person is None:
            return _told(_NOBODY)
        waiting = self._host.desk.waiting(person)
        if not waiting:
            return _told("Nothing waits for you.")
        lines = [self._line(approval) for approval in waiting[:LISTED]]
        if len(waiting) > LISTED:
            lines.append(line(words(f"and {len(waiting) - LISTED} more, in the inbox")))
        head = line(words(f"{len(waiting)} wait for you", "bold"))
        return _answer(f"{len(waiting)} wait for you", rich(head, *lines))

    def _line(self, approval: Approval) -> JsonObject:
        card = compose(approval, link=self._host.link(approval), who=self._host.who)
        shown = ", ".join(f"{row.label} {row.text}" for row in card.args if row.prominent)
        pieces = [words(card.title, "bold"), words(f"  {shown[:200]}  " if shown else "  ")]
        if approval.request.expires_at is not None:
            pieces += [words("until "), date(approval.request.expires_at), words("  ")]
        if card.link is not None:
            pieces.append(link(card.link, "open"))
        return line(*pieces)


def _told(said: str) -> JsonObject:
    return _answer(said, rich(line(words(said))))


def _answer(text: str, block: JsonObject) -> JsonObject:
    return {
        "response_type": "ephemeral",
        "text": inert(text),
        "blocks": [*numbered([block], "gk.pending")],
    }
