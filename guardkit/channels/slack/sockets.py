"""Socket Mode: Slack's payloads over a connection that this process opens."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from guardkit.channels.slack.api import QUIET, Clients, SlackError, call
from guardkit.channels.slack.interactions import Ack
from guardkit.errors import ChannelError, GuardkitError

log = logging.getLogger("guardkit.channels.slack")

_TAKEN = frozenset({"interactive", "slash_commands"})
_WAIT = 10.0
_STEP = 0.02


class Sockets:
    """A connection of Socket Mode.

    Every envelope is acknowledged, or the log says why it is not. Envelopes that Slack sends again are taken like
    others: it may be the first time that they come through.

    Args:
        clients: with the app token.
        app_token: the same.
        take: takes a payload.
        proxy: URL of an HTTP proxy; by default what the environment says.
    """

    def __init__(
        self, clients: Clients, app_token: str, take: Callable[[Mapping[str, Any]], Ack], *, proxy: str | None
    ) -> None:
        self._clients = clients
        self._app_token = app_token
        self._take = take
        self._proxy = proxy
        self._client: SocketModeClient | None = None
        self._running = 0
        self._lock = threading.Lock()

    def open(self) -> None:
        """Connect. Slack is asked for an address once by itself: with a bad token slack_sdk would try forever.

        Raises:
            ChannelError: the token is refused, or there is no connection.
        """
        if self._client is not None:
            return
        opened = call(self._clients.asking, "apps.connections.open")
        client = SocketModeClient(
            self._app_token, logger=QUIET, web_client=self._clients.updating, proxy=self._proxy
        )
        client.wss_uri = opened.text("url")
        client.socket_mode_request_listeners.append(self._received)
        try:
            client.connect()
        except (OSError, SlackClientError, ValueError, RuntimeError) as error:
            _end(client)
            raise ChannelError(f"Socket Mode cannot be connected: {type(error).__name__}") from error
        self._client = client

    def close(self) -> None:
        """Disconnect, once everything that has come in is answered; at the latest after 10 seconds."""
        client, self._client = self._client, None
        if client is None:
            return
        until = time.monotonic() + _WAIT
        while time.monotonic() < until and self._busy(client):
            time.sleep(_STEP)
        _end(client)

    def _busy(self, client: SocketModeClient) -> bool:
        """Whether something is being taken. Between queue and listener lies an instant, so it looks twice."""
        for _ in range(2):
            with self._lock:
                if self._running:
                    return True
            if not cast("Any", client).message_queue.empty():
                return True
            time.sleep(_STEP)
        return False

    def _received(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        with self._lock:
            self._running += 1
        try:
            self._answer(client, request)
        except GuardkitError as error:
            log.warning("an envelope of Slack is not acknowledged: %s", error.code)
        except Exception as error:  # noqa: BLE001  # slack_sdk would log the payload's text with it
            log.error("an envelope of Slack is not acknowledged: %s", type(error).__name__)  # noqa: TRY400  # no text
        finally:
            with self._lock:
                self._running -= 1

    def _answer(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        ack = self._take(cast("Any", request).payload) if request.type in _TAKEN else Ack()
        body = ack.body if request.accepts_response_payload else None
        response = SocketModeResponse(envelope_id=request.envelope_id)
        if body is not None:
            response.payload = dict(body)
        try:
            client.send_socket_mode_response(response)
        finally:
            if ack.after is not None:
                ack.after()


def _end(client: SocketModeClient) -> None:
    """Close a client, in 10 seconds at most.

    A session of slack_sdk 3.48 that begins in the moment in which it is closed takes its end back, and closing would wait
    for it for ever. So it is told again until it has ended.
    """
    closing = threading.Thread(target=client.close, name="guardkit-slack-close", daemon=True)
    closing.start()
    until = time.monotonic() + _WAIT
    while closing.is_alive() and time.monotonic() < until:
        client.current_session_state.terminated = True
        closing.join(_STEP)


def checked(clients: Clients) -> SlackError | None:
    """What Slack says against an app token, or `None`."""
    try:
        call(clients.asking, "apps.connections.open")
    except SlackError as error:
        return error
    return None
