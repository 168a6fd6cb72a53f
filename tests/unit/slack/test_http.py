"""Requests by HTTP: only Slack's own, each once, well formed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from guardkit.channels.http import HttpRequest
from guardkit.channels.slack.receiving import LARGEST
from guardkit.core.approvals import Approval, ApprovalState
from tests.unit.slack.office import Office

pytestmark = [pytest.mark.promise("P6", "P15")]


def click(office: Office) -> str:
    """The body of a click of Ana's that Slack has not sent yet."""
    payload = json.loads(json.dumps(office.click(office.bo).payload))
    payload["user"]["id"] = office.ana.id
    return urlencode({"payload": json.dumps(payload)})


def untouched(office: Office, approval: Approval) -> None:
    assert office.claims.now(approval).version == 0
    assert office.claims.now(approval).state is ApprovalState.PENDING


def test_a_request_that_slack_signed_counts(office: Office) -> None:
    approval = office.ask()
    assert office.slack.send(click(office)).status == 200
    assert office.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0="},
        {"X-Slack-Signature": "v0=ünicode"},
        {"X-Slack-Request-Timestamp": "abc"},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "9" * 5000},
        {"X-Slack-Request-Timestamp": "-1"},
    ],
)
def test_a_forged_request_is_refused(office: Office, headers: dict[str, str]) -> None:
    approval = office.ask()
    body = click(office)
    signed = {name.lower(): value for name, value in {**office.slack.signed(body), **headers}.items()}
    reply = office.channel.receive(HttpRequest(headers=signed, body=body.encode()))
    assert reply.status == 401
    assert office.refused() == ["bad_signature"]
    untouched(office, approval)


@pytest.mark.parametrize("missing", ["x-slack-signature", "x-slack-request-timestamp"])
def test_a_request_without_a_signature_is_refused(office: Office, missing: str) -> None:
    approval = office.ask()
    body = click(office)
    signed = {name.lower(): value for name, value in office.slack.signed(body).items()}
    del signed[missing]
    assert office.channel.receive(HttpRequest(headers=signed, body=body.encode())).status == 401
    assert office.refused() == ["bad_signature"]
    untouched(office, approval)


def test_another_secret_signs_nothing(office: Office) -> None:
    approval = office.ask()
    body = click(office)
    assert office.slack.send(body, office.slack.signed(body, secret="guessed")).status == 401
    untouched(office, approval)


@pytest.mark.parametrize("change", ["altered", "truncated", "prefixed", "not text"])
def test_what_was_changed_after_it_was_signed_is_refused(office: Office, change: str) -> None:
    approval = office.ask()
    body = click(office)
    signed = {name.lower(): value for name, value in office.slack.signed(body).items()}
    sent = {
        "altered": body.replace("gk_approve", "gk_reject").encode(),
        "truncated": body[:-1].encode(),
        "prefixed": b"x=1&" + body.encode(),
        "not text": b"\xff" + body.encode(),
    }[change]
    assert office.channel.receive(HttpRequest(headers=signed, body=sent)).status == 401
    assert office.refused() == ["bad_signature"]
    untouched(office, approval)


@pytest.mark.promise("P2")
def test_a_request_is_taken_once(office: Office) -> None:
    approval = office.ask()
    body = click(office)
    headers = office.slack.signed(body)
    assert office.slack.send(body, headers).status == 200
    assert office.slack.send(body, headers).status == 401
    assert office.refused() == ["replayed"]
    assert len(office.claims.now(approval).decisions) == 1


@pytest.mark.promise("P2")
def test_a_request_is_taken_once_by_all_channels_of_the_app(office: Office) -> None:
    office.ask()
    body = click(office)
    signed = {name.lower(): value for name, value in office.slack.signed(body).items()}
    request = HttpRequest(headers=signed, body=body.encode())
    other = office.new_channel(name="finance")
    other.attach(replace(office.host(), name="finance"))
    assert [channel.receive(request).status for channel in (office.channel, other)] == [200, 401]


@pytest.mark.parametrize("seconds", [-301, -100_000, 400, 100_000])
def test_an_old_or_future_request_is_refused(office: Office, seconds: int) -> None:
    approval = office.ask()
    body = click(office)
    assert office.slack.send(body, office.slack.signed(body, timestamp=time.time() + seconds)).status == 401
    assert office.refused() == ["bad_signature"]
    untouched(office, approval)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "payload=",
        "payload=%7B",
        "payload=[]",
        "payload=1e999",
        "payload=%7B%22a%22%3A1%2C%22a%22%3A2%7D",
        "payload=%7B%7D",
        "payload=%FF%FE",
        "payload=" + "[" * 50_000,
        "payload=%7B%7D&payload=%7B%7D",
        "payload",
        "nothing=here",
        "&".join(f"x{n}=1" for n in range(200)),
    ],
)
def test_a_form_that_cannot_be_read_is_told_so(office: Office, body: str) -> None:
    answered = office.slack.send(body)
    assert answered.status == 400
    assert office.refused() == ["malformed"]


def test_a_request_that_is_too_large_is_not_read(office: Office) -> None:
    assert office.slack.send("x=" + "a" * LARGEST).status == 400
    assert office.refused() == ["too_large"]
    assert office.slack.send("x=" + "a" * 1024 * 1024 * 2).status in (413, None)


@pytest.mark.parametrize("kind", ["text/plain", "", "multipart/form-data; boundary=x"])
def test_only_forms_and_json_are_read(office: Office, kind: str) -> None:
    body = "payload=%7B%7D"
    assert office.slack.send(body, {**office.slack.signed(body), "Content-Type": kind}).status == 400
    assert office.refused() == ["malformed"]


def json_headers(office: Office, body: str) -> dict[str, str]:
    return {**office.slack.signed(body), "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("value", "status", "answer"),
    [
        ({"type": "url_verification", "challenge": "c"}, 200, {"challenge": "c"}),
        ({"type": "event_callback", "event": {}}, 200, None),
        ({"type": "url_verification"}, 200, None),
        ({}, 400, None),
        ([], 400, None),
    ],
)
def test_slack_s_own_questions_are_answered(office: Office, value: Any, status: int, answer: Any) -> None:
    body = json.dumps(value)
    answered = office.slack.send(body, json_headers(office, body))
    assert (answered.status, answered.response) == (status, answer)


def test_a_challenge_is_answered_to_slack_alone(office: Office) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "c"})
    headers = {**json_headers(office, body), "X-Slack-Signature": "v0=0"}
    assert office.slack.send(body, headers).status == 401


def test_a_check_of_the_certificate_is_answered(office: Office) -> None:
    for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, None):
        assert office.slack.send("ssl_check=1&token=x", headers).status == 200
    assert office.refused() == []


def test_without_a_signing_secret_there_is_no_address(wired: Office) -> None:
    body = "payload=%7B%7D"
    signed = {name.lower(): value for name, value in wired.slack.signed(body).items()}
    assert wired.channel.receive(HttpRequest(headers=signed, body=body.encode())).status == 404


def test_while_the_database_is_away_nothing_is_acknowledged(office: Office) -> None:
    """The person sees Slack's warning, and clicks again."""
    approval = office.ask()
    office.store.settles = False
    failed = office.click(office.ana)
    assert (failed.acknowledged, failed.status) == (False, 503)
    untouched(office, approval)
    office.store.settles = True
    assert office.click(office.ana).acknowledged
    assert office.claims.now(approval).state is ApprovalState.APPROVED
