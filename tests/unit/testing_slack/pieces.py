"""Blocks and views to send, and an app that listens, by Socket Mode or by HTTP."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from slack_sdk import WebClient
from slack_sdk.http_retry.handler import RetryHandler
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web import SlackResponse

from guardkit.testing.slack import Message, SlackServer

Piece = dict[str, Any]
Reply = Callable[[Piece], Piece | None]


def plain(text: str) -> Piece:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Piece:
    return {"type": "mrkdwn", "text": text}


def button(action_id: str = "approve", **more: Any) -> Piece:
    return {"type": "button", "action_id": action_id, "text": plain("Approve"), "value": "v1", **more}


def actions(*elements: Piece, **more: Any) -> Piece:
    return {"type": "actions", "elements": list(elements) or [button()], **more}


def section(text: str = "text", **more: Any) -> Piece:
    return {"type": "section", "text": plain(text), **more}


def question(element: Piece | None = None, **more: Any) -> Piece:
    return {
        "type": "input",
        "block_id": "reason",
        "label": plain("Reason"),
        "element": element or {"type": "plain_text_input", "action_id": "text"},
        **more,
    }


def modal(*blocks: Piece, **more: Any) -> Piece:
    return {
        "type": "modal",
        "title": plain("Reject"),
        "submit": plain("Send"),
        "blocks": list(blocks) or [question()],
        **more,
    }


def web_client(
    slack: SlackServer, *, retry_handlers: Sequence[RetryHandler] = (), timeout: int = 10
) -> WebClient:
    return WebClient(
        token=slack.bot_token,
        base_url=slack.base_url,
        retry_handlers=list(retry_handlers),
        timeout=timeout,
    )


def data(response: SlackResponse) -> Any:
    """What an answer holds, as JSON."""
    return response.data


def posted(slack: SlackServer, channel: str, text: str = "Approve?", **more: Any) -> Message:
    """A message of the app as it is stored, with a button unless other blocks are given."""
    answer = web_client(slack).chat_postMessage(channel=channel, text=text, **{"blocks": [actions()], **more})
    found = slack.workspace.message(str(answer["channel"]), str(answer["ts"]))
    assert found is not None
    return found


class App:
    """What an app received, in the order of arrival."""

    def __init__(self) -> None:
        self.received: queue.Queue[Piece] = queue.Queue()

    def next(self) -> Piece:
        return self.received.get(timeout=10)


@contextmanager
def listening(slack: SlackServer, reply: Reply | None = None, *, ack: bool = True) -> Iterator[App]:
    """An app with slack_sdk's Socket Mode client; `reply` makes what its acknowledgements carry."""
    app = App()

    def handle(client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        app.received.put(request.payload)
        if ack:
            answer = reply(request.payload) if reply is not None else None
            client.send_socket_mode_response(
                SocketModeResponse(envelope_id=request.envelope_id, payload=answer)
            )

    client = SocketModeClient(app_token=slack.app_token, web_client=web_client(slack))
    client.socket_mode_request_listeners.append(handle)
    before = len(slack.connections)
    try:
        client.connect()
        slack.wait_for_connections(before + 1)
        yield app
    finally:
        end(client)


def end(client: SocketModeClient) -> None:
    """Close a client, once it has finished connecting anew, and without its pause of a second."""
    with client.connect_operation_lock:
        client.closed = True
    client.enqueue_message("{}")
    # A session that begins in this moment takes its end back: it is told again until it has ended.
    closing = threading.Thread(target=client.close)
    closing.start()
    while closing.is_alive():
        client.current_session_state.terminated = True
        closing.join(0.02)


class HttpApp(App):
    """What came by HTTP, raw."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[tuple[bytes, dict[str, str]]] = []


@contextmanager
def serving(slack: SlackServer, reply: Callable[[bytes], tuple[int, bytes]]) -> Iterator[HttpApp]:
    """An app with a request URL; `reply` makes status and body."""
    app = HttpApp()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            app.bodies.append((body, dict(self.headers.items())))
            status, content = reply(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    slack.request_url = f"http://127.0.0.1:{server.server_port}/slack"
    try:
        yield app
    finally:
        slack.request_url = None
        server.shutdown()
        thread.join()
        server.server_close()


def answer(payload: Piece) -> tuple[int, bytes]:
    return 200, json.dumps(payload).encode()
