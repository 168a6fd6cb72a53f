"""A Slack on this machine, for tests."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Self
from urllib.parse import urlencode

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.access import DEFAULT_SCOPES
from guardkit.testing.slack.acting import Acting
from guardkit.testing.slack.http import HOST, HttpAnswer, HttpRequest, HttpServer
from guardkit.testing.slack.methods import Methods
from guardkit.testing.slack.posting import check_request_url, post, signature_headers
from guardkit.testing.slack.response_urls import ResponseUrls
from guardkit.testing.slack.scene import Scene
from guardkit.testing.slack.socket_mode import SocketMode
from guardkit.testing.slack.values import (
    Ack,
    Call,
    Conversation,
    Envelope,
    Interaction,
    Message,
    OpenView,
    Person,
    SlackRefusal,
)


class SlackServer(Scene):
    """A workspace with one app, to which slack_sdk's own clients connect over loopback sockets.

    Use it as a context manager. Give `base_url` to `slack_sdk.WebClient`; give that client and `app_token` to
    `slack_sdk.socket_mode.SocketModeClient`. Every method may be called from any thread.

    Args:
        scopes: what the bot token may do.
        clock: seconds since the epoch; triggers, response URLs, timestamps and signatures go by it.
        trigger_seconds: how long a trigger can be used.
        ack_seconds: how long the app may take to acknowledge; goes by real time.
        messages_per_second: the rate limit of each conversation; `None` for no limit.
        burst: how many messages may come at once, under a rate limit.
        seed: decides which connection of Socket Mode gets which envelope.
    """

    def __init__(
        self,
        *,
        scopes: Iterable[str] = DEFAULT_SCOPES,
        clock: Callable[[], float] = time.time,
        trigger_seconds: float = 3.0,
        ack_seconds: float = 3.0,
        messages_per_second: float | None = None,
        burst: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__(scopes, clock, trigger_seconds)
        self._ack_seconds = ack_seconds
        self._faults.limit(messages_per_second, burst)
        self._response_urls = ResponseUrls(self.workspace, clock)
        self._sockets = SocketMode(self.workspace.app_id, seed)
        self._methods = Methods(self.workspace, self._access, self._modals, self._faults, self._sockets.url)
        self._acting = Acting(
            self.workspace, self._modals, self._response_urls, self._deliver, lambda: self._origin
        )
        self._request_url: str | None = None
        self._ended = threading.Event()
        self._http = HttpServer(self._respond)
        self._origin = f"http://{HOST}:{self._http.port}"

    def __enter__(self) -> Self:
        self._http.open()
        self._sockets.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections, and wait until every thread has ended."""
        self._ended.set()
        self._sockets.close()
        self._http.close()

    # --- where the app is

    @property
    def base_url(self) -> str:
        """The address of the Web API, for `slack_sdk.WebClient(base_url=…)`."""
        return f"{self._origin}/api/"

    @property
    def request_url(self) -> str | None:
        """Where interactions go while no connection of Socket Mode is open."""
        return self._request_url

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        if url is not None:
            check_request_url(url)
        self._request_url = url

    # --- what came in and went out

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call of the Web API, oldest first."""
        return self._methods.calls

    @property
    def envelopes(self) -> tuple[Envelope, ...]:
        """Everything that went out by Socket Mode, oldest first."""
        return self._sockets.envelopes

    @property
    def connections(self) -> tuple[str, ...]:
        """The names of the open connections of Socket Mode, oldest first."""
        return self._sockets.connections

    def wait_for_connections(self, count: int = 1, seconds: float = 10.0) -> None:
        """Wait until so many connections of Socket Mode get envelopes.

        Raises:
            TimeoutError: that did not come within the time.
        """
        if not self._sockets.wait(count, seconds):
            raise TimeoutError(f"{count} connections did not come within {seconds} seconds")

    def disconnect(self, reason: str = "refresh_requested", connection: str | None = None) -> None:
        """Tell the app's connections of Socket Mode to connect anew; see `SocketMode.disconnect`.

        Args:
            reason: `warning`, `refresh_requested` or `link_disabled`.
            connection: which; `None` for all.

        Raises:
            ValueError: there is no such reason or connection.
        """
        self._sockets.disconnect(reason, connection)

    # --- what people do

    def click(
        self,
        person: Person,
        on: Message | OpenView,
        action_id: str,
        *,
        block_id: str | None = None,
        values: Mapping[str, Json] | None = None,
        as_seen: bool = False,
    ) -> Interaction:
        """Press a button, and wait for the app's acknowledgement.

        Args:
            person: who.
            on: a message or a view.
            action_id: which button.
            block_id: in which block, where several hold such a button.
            values: what the person chose in other inputs there, by action id or block id.
            as_seen: whether the person still sees the message as it is given here, although it changed meanwhile.

        Raises:
            CannotActError: the button is not there, or the person cannot see it.
        """
        return self._acting.click(
            person, on, action_id, block_id=block_id, values=values or {}, as_seen=as_seen
        )

    def submit(self, person: Person, view: OpenView, values: Mapping[str, Json] | None = None) -> Interaction:
        """Submit a modal, wait for the acknowledgement, and do what it says.

        Args:
            person: who.
            view: the view in front of them.
            values: what they enter, by action id or block id: text, the value of an option, a list of values, a date.

        Raises:
            CannotActError: the view is not in front of them, or Slack would not let them submit it like this.
        """
        return self._acting.submit(person, view, values or {})

    def dismiss(self, person: Person, view: OpenView) -> Interaction | None:
        """Close a modal without submitting it.

        Returns:
            What came of the notice to the app; `None` when the view does not ask for one.

        Raises:
            CannotActError: the view is not in front of the person.
        """
        return self._acting.dismiss(person, view)

    def command(
        self, person: Person, command: str, text: str = "", conversation: Conversation | None = None
    ) -> Interaction:
        """Send a slash command, and show what the acknowledgement says.

        Args:
            person: who.
            command: with its slash.
            text: what follows it.
            conversation: where; the direct messages with the app unless given.

        Raises:
            CannotActError: the person cannot use the command there.
        """
        return self._acting.command(person, command, text, conversation or self.direct(person))

    def shortcut(self, person: Person, message: Message, callback_id: str) -> Interaction:
        """Use a shortcut of the app on a message, and wait for the acknowledgement.

        Raises:
            CannotActError: the person cannot see the message.
        """
        return self._acting.shortcut(person, message, callback_id)

    def signed(
        self, body: str, *, timestamp: float | str | None = None, secret: str | None = None
    ) -> dict[str, str]:
        """The headers of a request of Slack, for a body.

        Args:
            body: exactly as it will be sent.
            timestamp: seconds since the epoch, or any text; now unless given.
            secret: what it is signed with; the signing secret unless given.
        """
        moment = self._clock() if timestamp is None else timestamp
        return signature_headers(
            body,
            timestamp=moment if isinstance(moment, str) else str(int(moment)),
            secret=self.signing_secret if secret is None else secret,
        )

    def send(self, body: str, headers: Mapping[str, str] | None = None) -> Ack:
        """POST anything to the request URL, as an attacker or a proxy might.

        Args:
            body: what is sent.
            headers: with which headers; rightly signed unless given.

        Raises:
            ValueError: there is no request URL.
        """
        if self._request_url is None:
            raise ValueError("set request_url first")
        return post(
            self._request_url,
            body,
            self.signed(body) if headers is None else headers,
            seconds=self._ack_seconds,
        )

    def push(self, payload: JsonObject, *, kind: str = "interactive", accepts_response: bool = True) -> Ack:
        """Send an envelope with any payload over Socket Mode, and wait for its acknowledgement.

        Args:
            payload: whatever should be in it.
            kind: the envelope's type: `interactive`, `slash_commands`, or anything.
            accepts_response: whether the acknowledgement may carry an answer.
        """
        return self._sockets.deliver(
            kind, payload, accepts_response=accepts_response, seconds=self._ack_seconds
        )

    # --- how requests and deliveries go

    def _respond(self, request: HttpRequest) -> HttpAnswer:
        if request.path.startswith("/actions/"):
            return self._respond_to_response_url(request)
        method = request.path.removeprefix("/api/")
        try:
            body = self._methods.call(method, request.token, request.arguments)
            answer = HttpAnswer(body=body, scopes=",".join(sorted(self._access.scopes)))
        except SlackRefusal:
            if self._faults.lost(method):
                return HttpAnswer(body=None, lost=True)
            raise
        self._ended.wait(self._faults.delay_of(method))
        return HttpAnswer(body=None, lost=True) if self._faults.lost(method) else answer

    def _respond_to_response_url(self, request: HttpRequest) -> HttpAnswer:
        try:
            self._response_urls.use(request.path, request.arguments)
        except SlackRefusal as refusal:
            gone = refusal.error in ("invalid_url", "expired_url", "used_url")
            return HttpAnswer(body={"ok": False, "error": refusal.error}, status=404 if gone else 400)
        return HttpAnswer(body={"ok": True})

    def _deliver(self, kind: str, payload: JsonObject, *, accepts_response: bool) -> Ack:
        url = self._request_url
        if url is None or self._sockets.connections:
            return self._sockets.deliver(
                kind, payload, accepts_response=accepts_response, seconds=self._ack_seconds
            )
        form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        body = urlencode(form)
        return post(url, body, self.signed(body), seconds=self._ack_seconds)
