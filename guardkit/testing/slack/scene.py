"""What a test sets up in a local Slack, what it reads there, and what it lets go wrong."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from guardkit.testing.slack.access import Access
from guardkit.testing.slack.faults import Faults
from guardkit.testing.slack.modals import Modals
from guardkit.testing.slack.values import Conversation, Ephemeral, Message, OpenView, Person
from guardkit.testing.slack.workspace import Workspace


class Scene:
    """A workspace with one app, without its sockets.

    Args:
        scopes: what the bot token may do.
        clock: seconds since the epoch.
        trigger_seconds: how long a trigger can be used.

    Attributes:
        workspace: people, conversations and messages.
    """

    def __init__(self, scopes: Iterable[str], clock: Callable[[], float], trigger_seconds: float) -> None:
        self.workspace = Workspace(clock)
        self._clock = clock
        self._access = Access(scopes)
        self._faults = Faults(clock)
        self._modals = Modals(self.workspace, clock, trigger_seconds)

    # --- what an app is configured with

    @property
    def bot_token(self) -> str:
        """The token of the bot, `xoxb-…`."""
        return self._access.bot_token

    @property
    def app_token(self) -> str:
        """The token for Socket Mode, `xapp-…`."""
        return self._access.app_token

    @property
    def signing_secret(self) -> str:
        """What requests to the request URL are signed with."""
        return "local-signing-secret-of-guardkit"

    @property
    def app_id(self) -> str:
        """The app's id."""
        return self.workspace.app_id

    @property
    def team_id(self) -> str:
        """The workspace's id."""
        return self.workspace.team_id

    @property
    def bot(self) -> Person:
        """The app's own user."""
        return self.workspace.bot

    # --- who and what there is

    def person(
        self,
        name: str,
        email: str | None = None,
        *,
        id: str | None = None,
        team_id: str | None = None,
        deleted: bool = False,
        is_restricted: bool = False,
        is_ultra_restricted: bool = False,
        is_bot: bool = False,
        is_stranger: bool = False,
    ) -> Person:
        """Add somebody, or replace who has this id.

        Args:
            name: their name; also the base of their user name.
            email: their address.
            id: their id; a fresh one unless given.
            team_id: their workspace; this one unless given, and another one for a stranger.
            deleted: whether their account was closed.
            is_restricted: whether they are a guest of several channels.
            is_ultra_restricted: whether they are a guest of one channel.
            is_bot: whether they are a bot.
            is_stranger: whether they are of another workspace.
        """
        person = Person(
            id=id or self.workspace.fresh("U"),
            name=name,
            email=email,
            team_id=team_id or ("T0STRANGER" if is_stranger else self.team_id),
            deleted=deleted,
            is_restricted=is_restricted,
            is_ultra_restricted=is_ultra_restricted,
            is_bot=is_bot,
            is_stranger=is_stranger,
        )
        self.workspace.put_person(person)
        return person

    def deactivate(self, person: Person) -> Person:
        """Close somebody's account; gives them as they are now."""
        changed = replace(person, deleted=True)
        self.workspace.put_person(changed)
        return changed

    def conversation(
        self,
        name: str,
        *members: Person,
        id: str | None = None,
        private: bool = False,
        archived: bool = False,
        shared: bool = False,
        with_bot: bool = True,
    ) -> Conversation:
        """Add a channel, or replace the one with this id.

        Args:
            name: its name, without `#`.
            members: who is in it.
            id: its id; a fresh one unless given.
            private: whether only members see it.
            archived: whether nobody can write to it.
            shared: whether another workspace takes part.
            with_bot: whether the app was invited.
        """
        ids = {person.id for person in members} | ({self.bot.id} if with_bot else set[str]())
        conversation = Conversation(
            id=id or self.workspace.fresh("C"),
            name=name,
            private=private,
            members=frozenset(ids),
            archived=archived,
            shared=shared,
        )
        self.workspace.put_conversation(conversation)
        return conversation

    def direct(self, person: Person) -> Conversation:
        """The direct messages between the app and somebody."""
        return self.workspace.direct(person.id)

    def say(self, person: Person, conversation: Conversation, text: str) -> Message:
        """Let somebody write a message."""
        return self.workspace.post(conversation.id, person.id, text)

    # --- what happened

    def messages(self, conversation: Conversation | str | None = None) -> tuple[Message, ...]:
        """The messages of a conversation, or of all, as they are now, oldest first."""
        if isinstance(conversation, Conversation):
            return self.workspace.messages(conversation.id)
        return self.workspace.messages(conversation)

    def ephemerals(self, person: Person | None = None) -> tuple[Ephemeral, ...]:
        """What one person alone was shown, or all of them, oldest first."""
        return self.workspace.ephemerals(None if person is None else person.id)

    @property
    def views(self) -> tuple[OpenView, ...]:
        """Every view that was opened, as it is now, oldest first."""
        return self._modals.all()

    def view(self, person: Person) -> OpenView | None:
        """The view that somebody has in front of them."""
        return self._modals.top(person.id)

    # --- what goes wrong

    def lose_response(self, method: str, times: int = 1) -> None:
        """Let the next calls of a method work, and drop the connections before the answers."""
        self._faults.lose(method, times)

    def fail(self, method: str, error: str, times: int = 1) -> None:
        """Let the next calls of a method be refused, without effect."""
        self._faults.fail(method, error, times)

    def delay(self, method: str, seconds: float) -> None:
        """Let the answers of a method come late, after the call had its effect; zero ends that."""
        self._faults.delay(method, seconds)

    def limit(self, messages_per_second: float | None = 1.0, burst: int = 5) -> None:
        """Set the rate limit of messages in each conversation; `None` takes it away."""
        self._faults.limit(messages_per_second, burst)

    def revoke_token(self) -> None:
        """Let both tokens be refused with `token_revoked`."""
        self._access.refuse("token_revoked")

    def refuse_token(self, error: str | None) -> None:
        """Let both tokens be refused, such as with `account_inactive` or `token_expired`; `None` ends that."""
        self._access.refuse(error)

    def grant(self, *scopes: str) -> None:
        """Set what the bot token may do."""
        self._access.grant(scopes)

    def expire_triggers(self) -> None:
        """Let the lifetime of every trigger be over."""
        self._modals.expire()
