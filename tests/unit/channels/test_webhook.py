"""The webhook: signed as Standard Webhooks says, judged by that project's own library."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook as Receiver, WebhookVerificationError

from guardkit.channels.host import ChannelHost
from guardkit.channels.webhook import SECRET, Webhook
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError, ConfigurationError
from guardkit.policy import PeopleDirectory
from guardkit.testing.contracts import ApprovalChannelContract
from tests.web.claims import ARGS, FIRST, Claims

KEY = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, no more").decode()


class Sink:
    """A receiver on loopback."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = outer.answers.pop(0) if outer.answers else 204
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("location", f"{outer.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


def attached(claims: Claims, url: str, **more: Any) -> Webhook:
    channel = Webhook(url, secret=SecretStr(KEY))
    channel.attach(
        ChannelHost(
            name="hook", desk=claims.desk, store=claims.store, directory=PeopleDirectory((FIRST,)), **more
        )
    )
    return channel


class TestContract(ApprovalChannelContract):
    @pytest.fixture
    def channel(self, sink: Sink, claims: Claims) -> Webhook:
        return attached(claims, sink.url)


def deliver(claims: Claims, channel: Webhook) -> list[Delivery]:
    sent = list(claims.store.deliveries())
    for delivery in sent:
        approval = claims.store.find(delivery.approval_id)
        assert approval is not None
        assert channel.send(delivery, approval) == presentation_hash(present(approval))
    return sent


def test_questions_and_outcomes_arrive_signed(claims: Claims, sink: Sink) -> None:
    channel = attached(claims, sink.url, inbox="https://inbox.example")
    approval = claims.ask()
    (asked,) = deliver(claims, channel)
    claims.decide(approval, kind="edit", args={**ARGS, "amount": "900.00"})
    deliver(claims, channel)
    assert sink.taken[0][0]["webhook-id"] == asked.id
    told = [json.loads(body) for _, body in sink.taken]
    assert [one["type"] for one in told] == ["approval.asked", "approval.settled"]
    page = f"https://inbox.example/approvals/{approval.request.id}"
    assert told[0]["data"]["card"]["link"] == f"{page}?delivery={asked.id}"
    assert told[0]["data"]["digest"] == approval.digest
    assert told[1]["data"]["state"] == "approved"
    assert told[1]["data"]["card"]["said"][0]["label"] == "Ana Silva"


def test_the_standard_library_of_webhooks_accepts_it_and_nothing_else(sink: Sink) -> None:
    import time

    claims = Claims()
    claims.clock.now = time.time()  # the library judges the time too, by the machine's clock
    channel = attached(claims, sink.url)
    claims.ask()
    deliver(claims, channel)
    headers, body = sink.taken[0]
    assert Receiver(KEY).verify(body, headers)["type"] == "approval.asked"
    other = "whsec_" + base64.b64encode(b"another key of thirty-two bytes !!").decode()
    for changed, key, sent in (
        ({**headers, "webhook-id": "another"}, KEY, body),
        ({**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, KEY, body),
        (headers, KEY, body.replace(b"1250.00", b"9250.00")),
        (headers, other, body),
    ):
        with pytest.raises(WebhookVerificationError):
            Receiver(key).verify(sent, changed)


def test_the_same_message_keeps_its_id_over_attempts(claims: Claims, sink: Sink) -> None:
    channel = attached(claims, sink.url)
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    sink.answers = [503, 204]
    with pytest.raises(ChannelError, match="answered 503"):
        channel.send(delivery, approval)
    channel.send(delivery, approval)
    assert {headers["webhook-id"] for headers, _ in sink.taken} == {delivery.id}


@pytest.mark.parametrize(
    ("answer", "says"),
    [(302, "answered 302"), (400, "answered 400"), (410, "no more messages"), (0, "cannot be reached")],
)
def test_what_is_not_taken_is_a_channel_error(claims: Claims, sink: Sink, answer: int, says: str) -> None:
    channel = attached(claims, sink.url)
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    sink.answers = [answer]
    with pytest.raises(ChannelError, match=says):
        channel.send(delivery, approval)
    assert len(sink.taken) == 1, "redirects are not followed"


def test_nobody_there_is_a_channel_error(claims: Claims, sink: Sink) -> None:
    channel = attached(claims, sink.url)
    sink.close()
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    with pytest.raises(ChannelError, match="cannot be reached: ConnectError"):
        channel.send(delivery, approval)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.example/a",
        "ftp://127.0.0.1",
        "https://u:p@hooks.example",
        "https://",
        "https://[::1",
    ],
)
def test_a_url_that_would_leak_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="webhook url"):
        Webhook(url)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", KEY.removeprefix("whsec_"), "whsec_*"])
def test_a_secret_that_is_none_is_refused(
    claims: Claims, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv(SECRET, secret)
    channel = Webhook("https://hooks.example/a")
    with pytest.raises(ConfigurationError, match=SECRET):
        channel.attach(
            ChannelHost(name="hook", desk=claims.desk, store=claims.store, directory=claims.people)
        )


def test_a_channel_that_was_not_attached_sends_nothing(claims: Claims, sink: Sink) -> None:
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    with pytest.raises(ChannelError, match="was not attached"):
        Webhook(sink.url, secret=SecretStr(KEY)).send(delivery, approval)
    assert sink.taken == []
