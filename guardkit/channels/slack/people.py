"""Who has clicked, and where somebody is written to."""

from dataclasses import dataclass

from guardkit.channels.host import ChannelHost
from guardkit.channels.slack.api import SlackError, call
from guardkit.channels.slack.workspace import Workspace
from guardkit.core.people import Person
from guardkit.core.runs import Contact
from guardkit.errors import ChannelError

WORDS: dict[str, str] = {
    "stranger": "You belong to another workspace, so your answer does not count here.",
    "guest": "Guests of this workspace cannot decide.",
    "bot": "Apps cannot decide.",
    "deleted": "This account is deactivated, so its answer does not count.",
    "no_email": "Slack does not say which e-mail address is yours, so nobody knows who you are.",
    "unconfirmed_email": "Your e-mail address is not confirmed in Slack, so it does not say who you are.",
    "other_account": "The directory lists another Slack account for you. Please use that one.",
    "unknown_user": "Slack does not know this account.",
}
"""What people are told who cannot be verified, by a stable reason."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """Somebody whose answer does not count, whatever it is."""

    reason: str
    """Stable, one of `WORDS`."""


class People:
    """Finds the person behind a Slack user, and the Slack user of a person.

    Args:
        host: the process, for its directory and its contacts.
        workspace: whose users they are.
    """

    def __init__(self, host: ChannelHost, workspace: Workspace) -> None:
        self._host = host
        self._workspace = workspace

    def listed(self, user: str) -> str | None:
        """The identity of a user whom the directory lists by it; no call is made."""
        identity = self._workspace.identity(user)
        return None if self._host.directory.find(identity) is None else identity

    def verified(self, user: str) -> str | Unverified:
        """The identity by which the directory may know a user: listed there, or else the e-mail address.

        An address counts only for full members of the workspace who confirmed it, and not where the directory names
        another Slack account of the same person.

        Raises:
            SlackError: Slack does not answer.
        """
        listed = self.listed(user)
        if listed is not None:
            return listed
        try:
            said = call(self._workspace.clients.asking, "users.info", {"user": user})
        except SlackError as error:
            if error.said in ("user_not_found", "user_not_visible"):
                return Unverified("unknown_user")
            raise

        def flag(name: str) -> bool:
            return said.value("user", name) is True

        if flag("is_stranger") or said.text("user", "team_id") != self._workspace.team:
            return Unverified("stranger")
        if flag("deleted"):
            return Unverified("deleted")
        if flag("is_bot") or flag("is_workflow_bot"):
            return Unverified("bot")
        if flag("is_restricted") or flag("is_ultra_restricted"):
            return Unverified("guest")
        if said.value("user", "is_email_confirmed") is False:
            return Unverified("unconfirmed_email")
        address = said.text("user", "profile", "email")
        if address is None:
            return Unverified("no_email")
        person = self._host.directory.find(address)
        if person is not None and self._accounts(person):
            return Unverified("other_account")
        return address

    def conversation(self, person: Person) -> str:
        """The direct messages with a person; opened if they are not yet.

        Raises:
            ChannelError: the person has no Slack identity and no e-mail address; `SlackError`: Slack knows nobody by
                it, or does not answer.
        """
        key = f"person:{person.id}"
        known = self._host.store.contact(person.tenant, self._host.name, key)
        reference = {} if known is None else known.reference
        users = self._accounts(person)
        user = users[0] if users else None
        there, whose = reference.get("conversation"), reference.get("user")
        if isinstance(there, str) and (user is None or user == whose):
            return there
        found = user or self._by_address(person)
        opened = call(self._workspace.clients.updating, "conversations.open", {"users": found})
        channel = opened.text("channel", "id")
        if channel is None:
            raise SlackError("conversations.open", None, unsure=False)
        self._host.store.keep_contact(
            Contact(
                tenant=person.tenant,
                channel=self._host.name,
                key=key,
                reference={"user": found, "conversation": channel},
            )
        )
        return channel

    def forget(self, person: Person) -> None:
        """Look for a person's conversation anew the next time."""
        self._host.store.forget_contact(person.tenant, self._host.name, f"person:{person.id}")

    def _accounts(self, person: Person) -> list[str]:
        start = self._workspace.identity("")
        return [one.removeprefix(start) for one in person.identities if one.startswith(start)]

    def _by_address(self, person: Person) -> str:
        address = person.email
        if address is None:
            raise ChannelError(
                f"channel {self._host.name!r} has to write to somebody without a Slack identity or e-mail address",
                remedy=f"list identity {self._workspace.identity('<user>')} or email in the directory",
            )
        said = call(self._workspace.clients.updating, "users.lookupByEmail", {"email": address})
        user = said.text("user", "id")
        if user is None:
            raise SlackError("users.lookupByEmail", None, unsure=False)
        return user
