"""The workspace of a local Slack: who is in it, where they talk, what was written."""

import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from guardkit.core.values import JsonObject
from guardkit.testing.slack.values import Conversation, Ephemeral, Message, Person, SlackRefusal


class Workspace:
    """People, conversations and messages. Every method may be called from any thread.

    Args:
        clock: seconds since the epoch; message timestamps come from it.

    Attributes:
        team_id: the workspace's id.
        domain: the workspace's name in addresses.
        app_id: the app's id.
        bot: the app's own user.
        bot_id: the id that messages of the app carry as `bot_id`.
        lock: held while anything changes; hold it to read several things as of one moment.
    """

    team_id = "T0GUARDKIT"
    domain = "guardkit-test"
    app_id = "A0GUARDKIT"
    bot_id = "B0GUARDKIT"

    def __init__(self, clock: Callable[[], float]) -> None:
        self.bot = Person(id="U0GUARDBOT", name="guardkit", email=None, team_id=self.team_id, is_bot=True)
        self.lock = threading.RLock()
        self._clock = clock
        self._people: dict[str, Person] = {self.bot.id: self.bot}
        self._conversations: dict[str, Conversation] = {}
        self._messages: dict[tuple[str, str], Message] = {}
        self._ephemerals: list[Ephemeral] = []
        self._count = 0
        self._stamp = (0, 0)

    def fresh(self, prefix: str) -> str:
        """An id that nothing has yet."""
        with self.lock:
            self._count += 1
            return f"{prefix}{self._count:09d}"

    def names(self) -> Iterator[str]:
        """Ids for blocks and actions that came without."""
        while True:
            yield self.fresh("k")

    def stamp(self) -> str:
        """A message timestamp, later than every one before."""
        with self.lock:
            second, micro = self._stamp
            now = int(self._clock())
            self._stamp = (now, 0) if now > second else (second, micro + 1)
            return f"{self._stamp[0]}.{self._stamp[1]:06d}"

    def put_person(self, person: Person) -> None:
        """Add somebody, or change them."""
        with self.lock:
            self._people[person.id] = person

    def put_conversation(self, conversation: Conversation) -> None:
        """Add a conversation, or change it."""
        with self.lock:
            self._conversations[conversation.id] = conversation

    def people(self) -> tuple[Person, ...]:
        """Everybody, the bot included."""
        with self.lock:
            return tuple(self._people.values())

    def person(self, id: str) -> Person | None:
        """Somebody by id."""
        with self.lock:
            return self._people.get(id)

    def conversation(self, id: str) -> Conversation | None:
        """A conversation by id."""
        with self.lock:
            return self._conversations.get(id)

    def direct(self, user: str) -> Conversation:
        """The direct messages between the app and somebody; opened if they are not yet.

        Raises:
            SlackRefusal: there is no such person, they left, or they are a bot.
        """
        with self.lock:
            person = self._people.get(user)
            if person is None:
                raise SlackRefusal("user_not_found")
            if person.deleted:
                raise SlackRefusal("user_disabled")
            if person.is_bot:
                raise SlackRefusal("cannot_dm_bot")
            for conversation in self._conversations.values():
                if conversation.user == user:
                    return conversation
            made = Conversation(
                id=self.fresh("D"), name="", private=True, members=frozenset({user, self.bot.id}), user=user
            )
            self._conversations[made.id] = made
            return made

    def visible(self, name: str) -> Conversation:
        """A conversation that the app can see, by id or name.

        Raises:
            SlackRefusal: `channel_not_found`, as also for a private conversation without the app.
        """
        with self.lock:
            found = self._conversations.get(name) or next(
                (one for one in self._conversations.values() if one.name and one.name == name.lstrip("#")),
                None,
            )
            if found is None or (found.private and self.bot.id not in found.members):
                raise SlackRefusal("channel_not_found")
            return found

    def writable(self, name: str, *, uninvited: bool = False) -> Conversation:
        """A conversation that the app may write to.

        Args:
            name: an id or a name; a person's id stands for their direct messages.
            uninvited: whether the app may write to public channels that it is not in.

        Raises:
            SlackRefusal: `channel_not_found`, `not_in_channel` or `is_archived`.
        """
        with self.lock:
            if name in self._people:
                try:
                    return self.direct(name)
                except SlackRefusal as refusal:
                    raise SlackRefusal("channel_not_found") from refusal
            found = self.visible(name)
            if found.archived:
                raise SlackRefusal("is_archived")
            if self.bot.id not in found.members and not uninvited:
                raise SlackRefusal("not_in_channel")
            return found

    def post(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        blocks: Iterable[JsonObject] = (),
        metadata: JsonObject | None = None,
        thread_ts: str | None = None,
    ) -> Message:
        """Write a message."""
        with self.lock:
            message = Message(
                channel=channel,
                ts=self.stamp(),
                user=user,
                text=text,
                blocks=tuple(blocks),
                metadata=metadata,
                thread_ts=thread_ts,
            )
            self._messages[channel, message.ts] = message
            return copy.deepcopy(message)

    def update(
        self,
        message: Message,
        text: str,
        *,
        blocks: Iterable[JsonObject],
        metadata: JsonObject | None,
        marked: bool,
    ) -> Message:
        """Replace what a message says.

        Args:
            message: the message as it is.
            text: its new text.
            blocks: its new blocks; without any, it has none afterwards.
            metadata: its new metadata.
            marked: whether people see "(edited)" from now on.
        """
        with self.lock:
            changed = replace(
                message,
                text=text,
                blocks=tuple(blocks),
                metadata=metadata,
                edits=message.edits + 1,
                edited=message.edited or marked,
            )
            self._messages[message.channel, message.ts] = changed
            return copy.deepcopy(changed)

    def delete(self, message: Message) -> None:
        """Take a message away."""
        with self.lock:
            self._messages[message.channel, message.ts] = replace(message, blocks=(), text="", deleted=True)

    def message(self, channel: str, ts: str) -> Message | None:
        """A message as it is now; `None` for one that was never there or was deleted."""
        with self.lock:
            found = self._messages.get((channel, ts))
            return copy.deepcopy(found) if found is not None and not found.deleted else None

    def messages(self, channel: str | None = None) -> tuple[Message, ...]:
        """The messages of a conversation, or of all, oldest first."""
        with self.lock:
            return tuple(
                copy.deepcopy(message)
                for message in self._messages.values()
                if channel in (None, message.channel) and not message.deleted
            )

    def whisper(self, ephemeral: Ephemeral) -> None:
        """Show something to one person."""
        with self.lock:
            self._ephemerals.append(ephemeral)

    def ephemerals(self, user: str | None = None) -> tuple[Ephemeral, ...]:
        """What one person alone was shown, or all of them, oldest first."""
        with self.lock:
            return tuple(copy.deepcopy(one) for one in self._ephemerals if user in (None, one.user))
