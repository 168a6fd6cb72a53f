"""Forged and borrowed tokens: none of them changes anything, each of them is audited."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guardkit.channels.http import HttpRequest
from guardkit.core.approvals import Approval
from tests.unit.teams.desk import TeamsDesk
from tests.unit.teams.microsoft import APP, ISSUER, KEYS, OTHER_TENANT, TENANT, Microsoft

Change = Callable[[dict[str, Any]], dict[str, Any]]


def same(activity: dict[str, Any]) -> dict[str, Any]:
    return activity


def claims(microsoft: Microsoft, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": APP, "serviceurl": microsoft.service_url, "exp": now + 600, **changes}


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_hmac(microsoft: Microsoft) -> str:
    """HS256 with the public key as secret, the classic confusion of algorithms; PyJWT refuses to make one."""
    public = KEYS["known"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'known'})}.{part(claims(microsoft))}"
    return f"{signed}.{part(hmac.digest(public, signed.encode(), 'sha256'))}"


def unsigned(microsoft: Microsoft) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT', 'kid': 'known'})}.{part(claims(microsoft))}."


FORGED: dict[str, tuple[Callable[[Microsoft], str], Change, int, str]] = {
    "01-no-exp": (lambda m: m.token(exp=None), same, 401, "token_claim_missing"),
    "02-expired-beyond-skew": (lambda m: m.token(exp=int(time.time()) - 400), same, 401, "token_expired"),
    "03-not-yet-valid": (lambda m: m.token(nbf=int(time.time()) + 400), same, 401, "token_not_yet_valid"),
    "04-other-audience": (
        lambda m: m.token(aud="11111111-2222-4333-8444-000000000000"),
        same,
        401,
        "token_audience",
    ),
    "05-audience-as-uri": (lambda m: m.token(aud=f"api://{APP}"), same, 401, "token_audience"),
    "06-several-audiences": (lambda m: m.token(aud=[APP, "other"]), same, 401, "token_audience"),
    "07-no-audience": (lambda m: m.token(aud=None), same, 401, "token_claim_missing"),
    "08-other-issuer": (lambda m: m.token(iss="https://api.botframework.example"), same, 401, "token_issuer"),
    "09-entra-of-our-tenant": (
        lambda m: m.token(iss=f"https://login.microsoftonline.com/{TENANT}/v2.0"),
        same,
        401,
        "token_issuer",
    ),
    "10-entra-of-other-tenant": (
        lambda m: m.token(iss=f"https://sts.windows.net/{OTHER_TENANT}/"),
        same,
        401,
        "token_issuer",
    ),
    "11-no-issuer": (lambda m: m.token(iss=None), same, 401, "token_claim_missing"),
    "12-no-service": (lambda m: m.token(serviceurl=None), same, 401, "token_names_no_service"),
    "13-service-is-a-number": (lambda m: m.token(serviceurl=7), same, 401, "token_names_no_service"),
    "14-service-of-another": (
        lambda m: m.token(serviceurl="https://smba.trafficmanager.net/emea"),
        same,
        401,
        "token_other_service",
    ),
    "15-body-without-service": (
        lambda m: m.token(),
        lambda a: {**a, "serviceUrl": None},
        401,
        "token_other_service",
    ),
    "16-body-with-empty-service": (
        lambda m: m.token(),
        lambda a: {**a, "serviceUrl": ""},
        401,
        "token_other_service",
    ),
    "17-both-services-empty": (
        lambda m: m.token(serviceurl="/"),
        lambda a: {**a, "serviceUrl": "/"},
        401,
        "token_names_no_service",
    ),
    "18-hmac-with-public-key": (with_hmac, same, 401, "token_algorithm"),
    "19-no-signature": (unsigned, same, 401, "token_algorithm"),
    "20-other-key-same-id": (
        lambda m: m.token(key="other", headers={"kid": "known"}),
        same,
        401,
        "token_signature",
    ),
    "21-unknown-key-id": (lambda m: m.token(headers={"kid": "nobody"}), same, 401, "token_key"),
    "22-no-key-id": (lambda m: m.token(headers={"kid": None}), same, 401, "token_key"),
    "23-key-of-another-channel": (lambda m: m.token(key="foreign"), same, 401, "token_not_endorsed"),
    "24-no-bearer": (lambda m: "", same, 401, "no_token"),
    "25-three-dots": (lambda m: "a.b.c", same, 401, "token_malformed"),
    "26-key-inside-the-token": (
        lambda m: m.token(key="other", headers={"kid": "known", "jwk": {"kty": "RSA"}}),
        same,
        401,
        "token_signature",
    ),
    "27-wrong-recipient": (
        lambda m: m.token(),
        lambda a: {**a, "recipient": {"id": "28:11111111-2222-4333-8444-000000000000"}},
        403,
        "wrong_recipient",
    ),
    "28-no-recipient": (lambda m: m.token(), lambda a: {**a, "recipient": {}}, 403, "wrong_recipient"),
    "29-wrong-channel": (lambda m: m.token(), lambda a: {**a, "channelId": "webchat"}, 403, "wrong_channel"),
    "30-no-channel": (lambda m: m.token(), lambda a: {**a, "channelId": None}, 403, "wrong_channel"),
    "31-other-tenant": (
        lambda m: m.token(),
        lambda a: {
            **a,
            "channelData": {"tenant": {"id": OTHER_TENANT}},
            "conversation": {**a["conversation"], "tenantId": OTHER_TENANT},
        },
        403,
        "wrong_tenant",
    ),
    "32-two-tenants": (
        lambda m: m.token(),
        lambda a: {**a, "channelData": {"tenant": {"id": OTHER_TENANT}}},
        403,
        "wrong_tenant",
    ),
    "33-no-tenant": (
        lambda m: m.token(),
        lambda a: {**a, "channelData": {}, "conversation": {"id": "19:x"}},
        403,
        "wrong_tenant",
    ),
    "34-foreign-service": (
        lambda m: m.token(serviceurl="https://attacker.trafficmanager.net/teams"),
        lambda a: {**a, "serviceUrl": "https://attacker.trafficmanager.net/teams"},
        403,
        "wrong_service",
    ),
    "35-service-with-our-host-as-user": (
        lambda m: m.token(serviceurl="https://smba.trafficmanager.net@evil.example/teams"),
        lambda a: {**a, "serviceUrl": "https://smba.trafficmanager.net@evil.example/teams"},
        403,
        "wrong_service",
    ),
    "36-service-without-tls": (
        lambda m: m.token(serviceurl="http://smba.trafficmanager.net/teams"),
        lambda a: {**a, "serviceUrl": "http://smba.trafficmanager.net/teams"},
        403,
        "wrong_service",
    ),
}


@pytest.mark.promise("P6")
@pytest.mark.parametrize("number", FORGED)
def test_a_forged_request_changes_nothing(desk: TeamsDesk, number: str) -> None:
    make, change, status, why = FORGED[number]
    approval = desk.ask()
    before = everything(desk, approval)
    reply = desk.sends(change(desk.click(approval)), make(desk.microsoft))
    assert (reply.status, json.loads(reply.body)) == (status, {"error": {"code": why}})
    assert everything(desk, approval) == before
    assert desk.refusals() == [why]
    assert desk.microsoft.calls == []


def everything(desk: TeamsDesk, approval: Approval) -> tuple[Any, ...]:
    decided = (desk.claims.audited("approval.decided"), desk.claims.audited("approval.refused"))
    return desk.claims.now(approval), desk.store.posts("acme", approval.request.id), decided


@pytest.mark.promise("P6")
def test_clocks_may_differ_by_less_than_five_minutes(desk: TeamsDesk) -> None:
    approval = desk.ask()
    token = desk.microsoft.token(exp=int(time.time()) - 240)
    assert desk.sends(desk.click(approval), token).status == 200
    assert desk.claims.now(approval).state == "approved"


def test_a_slash_at_the_end_of_a_service_is_no_difference(desk: TeamsDesk) -> None:
    approval = desk.ask()
    token = desk.microsoft.token(serviceurl=f"{desk.microsoft.service_url}/")
    assert desk.sends(desk.click(approval), token).status == 200
    assert desk.claims.now(approval).state == "approved"


@pytest.mark.promise("P6")
def test_a_flood_of_forged_requests_is_counted_not_listed(desk: TeamsDesk) -> None:
    for _ in range(60):
        assert desk.sends(b"{}", "a.b.c").status == 401
    assert len(desk.refusals()) < 30
    assert desk.microsoft.key_requests <= 1


@pytest.mark.promise("P6")
def test_invented_key_ids_do_not_make_guardkit_ask_for_keys_each_time(desk: TeamsDesk) -> None:
    for number in range(5):
        desk.sends(b"{}", desk.microsoft.token(headers={"kid": f"k{number}"}))
    assert desk.microsoft.key_requests == 1


@pytest.mark.promise("P6")
def test_without_keys_nothing_is_taken_and_the_sender_may_come_back(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.microsoft.keys_broken = True
    reply = desk.sends(desk.click(approval))
    assert (reply.status, json.loads(reply.body)) == (503, {"error": {"code": "keys_unavailable"}})
    assert desk.claims.now(approval).state == "pending"
    assert desk.refusals() == ["keys_unavailable"]


@pytest.mark.promise("P6")
def test_the_header_may_not_come_twice(desk: TeamsDesk) -> None:
    """A server hands on no header that was sent twice, so there is none."""
    assert desk.channel.receive(HttpRequest(headers={}, body=b"{}")).status == 401
