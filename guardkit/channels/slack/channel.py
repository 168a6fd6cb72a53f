"""Slack as an approval channel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.channels.slack.settings import (
    APP_TOKEN,
    SIGNING_SECRET,
    Secret,
    Settings,
    bot_token,
    hidden,
    secret,
)
from guardkit.core.approvals import Approval
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError, ConfigurationError

if TYPE_CHECKING:
    from guardkit.channels.host import ChannelHost
    from guardkit.channels.slack.desk import SlackDesk
    from guardkit.channels.slack.interactions import Ack

_THREADS = 4


class Slack:
    """Asks people in Slack, and takes their answers.

    Answers come back by Socket Mode when there is an app token, by HTTP when there is a signing secret, or through
    somebody's own Bolt app; see `register`. Secrets are read when the channel is attached: in the inbox, or in a worker
    that sends or takes answers; the agent's process needs none.

    Args:
        conversation: id of the conversation that is written to, e.g. `C0123`; `None` to write to each approver
            personally, as Slack identity `slack:<team>:<user>` or e-mail address of the directory.
        name: the name by which policies call the channel.
        token: the bot token; by default `SLACK_BOT_TOKEN`.
        app_token: the app-level token for Socket Mode; by default `SLACK_APP_TOKEN`.
        signing_secret: what Slack signs requests with; by default `SLACK_SIGNING_SECRET`.
        app_id: the app's id; by default Slack is asked for it. Payloads of other apps are refused.
        base_url: where Slack's API is.
        confirm: whether Slack asks again before an approval is sent.
        values: arguments, reads and changes that a message shows at most of each.
        proxy: URL of an HTTP proxy; by default what the environment says.

    Raises:
        ConfigurationError: an argument cannot be used.
    """

    def __init__(
        self,
        conversation: str | None = None,
        *,
        name: str = "slack",
        token: Secret = None,
        app_token: Secret = None,
        signing_secret: Secret = None,
        app_id: str | None = None,
        base_url: str = "https://slack.com/api/",
        confirm: bool = True,
        values: int = 30,
        proxy: str | None = None,
    ) -> None:
        self.name = name
        self.settings = Settings(
            conversation=conversation,
            app_id=app_id,
            base_url=base_url,
            confirm=confirm,
            values=values,
            proxy=proxy,
            token=hidden(token),
            app_token=hidden(app_token),
            signing_secret=hidden(signing_secret),
        )
        self.settings.check()
        self._desk: SlackDesk | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Name and conversation; no secret."""
        return f"Slack({self.settings.conversation!r}, name={self.name!r})"

    def attach(self, host: ChannelHost) -> None:
        """Begin to work in this process: Slack is asked once who the token is.

        Raises:
            ConfigurationError: the extra or the token is missing, or the token is refused.
            ChannelError: Slack does not answer.
        """
        try:
            from guardkit.channels.slack.desk import SlackDesk  # noqa: PLC0415  # needs the extra
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("slack_sdk"):
                raise
            raise ConfigurationError(
                "the Slack channel needs slack_sdk", remedy="pip install guardkit[slack]"
            ) from error
        self._desk = SlackDesk.of(
            self.settings,
            host,
            token=bot_token(self.settings.token),
            app_token=secret(self.settings.app_token, APP_TOKEN),
            signing_secret=secret(self.settings.signing_secret, SIGNING_SECRET),
            later=self._later,
        )

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Ask, bring messages up to date, or tell the outcome; returns the hash of what was shown.

        Raises:
            ChannelError: some of it did not go out; names the remedy where there is one.
        """
        return self._attached().sender.send(delivery, approval)

    def take(self, payload: Mapping[str, Any]) -> Ack:
        """Take an authentic payload of Slack, whatever transport has brought it.

        Args:
            payload: of an interaction or a slash command.

        Returns:
            What to answer, and what to do after it.

        Raises:
            ChannelError: the channel is not attached.
            MissingKeyError: it is a decision, and this process holds no decision key; nothing changed.
            StorageError: the database cannot be reached; nothing changed, and nothing must be acknowledged.
        """
        return self._attached().interactions.take(payload)

    def receive(self, request: HttpRequest) -> HttpReply:
        """Take a request of Slack; 404 without a signing secret.

        Raises:
            ChannelError: the channel is not attached.
            StorageError: the database cannot be reached; nothing changed.
        """
        receiver = self._attached().receiver
        return HttpReply(status=404) if receiver is None else receiver.receive(request)

    @property
    def listens(self) -> bool:
        """Whether there is an app token, so that `open` connects by Socket Mode.

        Raises:
            ConfigurationError: it is no app token.
        """
        return secret(self.settings.app_token, APP_TOKEN) is not None

    def open(self) -> None:
        """Connect by Socket Mode, if there is an app token.

        Raises:
            ChannelError: Slack refuses the app token, or there is no connection.
        """
        sockets = self._attached().sockets
        if sockets is not None:
            sockets.open()

    def close(self) -> None:
        """Disconnect. What has come in is finished first."""
        if self._desk is not None and self._desk.sockets is not None:
            self._desk.sockets.close()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def _attached(self) -> SlackDesk:
        if self._desk is None:
            raise ChannelError(
                f"the Slack channel {self.name!r} is not attached to a process that verifies people",
                remedy="run it by guard.worker(…) or guard.app(…)",
            )
        return self._desk

    def _later(self, do: Callable[[], None]) -> None:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="guardkit-slack")
            self._pool.submit(do)
