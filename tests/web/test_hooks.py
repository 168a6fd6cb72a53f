"""Where messengers deliver answers: requests of no browser, each channel at its own address."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.errors import ChannelError, StorageError
from guardkit.testing import FakeChannel
from guardkit.web import OneTimeLink, WebSettings, inbox
from guardkit.web.hooks import BODY_LIMIT
from tests.web.claims import Claims
from tests.web.visits import KEY, URL


class Hook(FakeChannel):
    """A channel that says what it was given."""

    def __init__(self) -> None:
        super().__init__("desk")
        self.taken: list[HttpRequest] = []
        self.unattached = False

    def receive(self, request: HttpRequest) -> HttpReply:
        self.taken.append(request)
        if self.unattached:
            raise ChannelError("not attached")
        if request.body == b"down":
            raise StorageError("the database cannot be reached")
        return HttpReply.of(202, {"taken": len(self.taken)})


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def messenger(hook: Hook) -> TestClient:
    claims = Claims()
    settings = WebSettings(url=URL, keys=(KEY,))
    app = inbox(
        claims.desk,
        claims.store,
        claims.people,
        settings,
        sign_in=OneTimeLink(settings),
        channels={"desk": hook, "silent": FakeChannel("silent")},
    )
    return TestClient(app, base_url=URL)


def test_a_channel_gets_the_bytes_and_headers_that_were_sent(messenger: TestClient, hook: Hook) -> None:
    answer = messenger.post("/hooks/desk", content=b"\xff\x00", headers={"X-Signature": "s"})
    assert (answer.status_code, answer.json()) == (202, {"taken": 1})
    assert messenger.post("/hooks/desk/a/b", content=b"").status_code == 202
    first, second = hook.taken
    assert (first.path, first.body, first.headers["x-signature"]) == ("", b"\xff\x00", "s")
    assert second.path == "a/b"


def test_a_header_that_is_sent_twice_is_left_out(messenger: TestClient, hook: Hook) -> None:
    twice: Any = [("X-Signature", "one"), ("X-Signature", "two"), ("X-Once", "1")]
    messenger.post("/hooks/desk", headers=twice)
    assert "x-signature" not in hook.taken[0].headers
    assert hook.taken[0].headers["x-once"] == "1"


@pytest.mark.parametrize("name", ["silent", "nobody"])
def test_only_channels_that_take_answers_have_an_address(
    messenger: TestClient, hook: Hook, name: str
) -> None:
    assert messenger.post(f"/hooks/{name}").status_code == 404
    assert hook.taken == []


def test_only_posts_are_taken(messenger: TestClient, hook: Hook) -> None:
    assert messenger.get("/hooks/desk").status_code == 405
    assert hook.taken == []


def test_what_is_too_large_is_not_read(messenger: TestClient, hook: Hook) -> None:
    assert messenger.post("/hooks/desk", content=b"x" * BODY_LIMIT).status_code == 202
    assert messenger.post("/hooks/desk", content=b"x" * (BODY_LIMIT + 1)).status_code == 413
    assert len(hook.taken) == 1


def test_without_a_database_the_messenger_may_try_again(messenger: TestClient) -> None:
    assert messenger.post("/hooks/desk", content=b"down").status_code == 503


def test_a_channel_that_is_not_attached_yet_is_attached_before_it_is_asked() -> None:
    claims, hook = Claims(), Hook()
    hook.unattached = True
    settings = WebSettings(url=URL, keys=(KEY,))
    tried: list[bool] = []

    def attach() -> bool:
        tried.append(True)
        return False

    app = inbox(
        claims.desk,
        claims.store,
        claims.people,
        settings,
        sign_in=OneTimeLink(settings),
        channels={"desk": hook},
        attach=attach,
    )
    messenger = TestClient(app, base_url=URL)
    assert [messenger.post("/hooks/desk").status_code for _ in range(2)] == [503, 503]
    assert tried == [True], "a messenger that does not answer is not asked at every request"


def test_another_host_name_reaches_no_channel(messenger: TestClient, hook: Hook) -> None:
    assert messenger.post("/hooks/desk", headers={"Host": "evil.example"}).status_code == 400
    assert hook.taken == []


def test_forms_of_the_inbox_still_need_their_own_page(messenger: TestClient) -> None:
    assert messenger.post("/sign-out").status_code == 403
