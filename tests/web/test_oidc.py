"""Sign-in at an identity provider: who it says, once, in the browser that began it, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.testclient import TestClient

from guardkit.core.people import Assurance
from guardkit.core.presentation import shown_hash
from guardkit.errors import ConfigurationError
from guardkit.web import OIDC, WebSettings, inbox
from tests.web.claims import DESK_STAGE, FIRST, Claims
from tests.web.provider import CLIENT, Forger, query_of, shared_secret, whole_provider
from tests.web.visits import KEY, URL, text_of

SETTINGS = WebSettings(url=URL, keys=(KEY,))
OIDC_STAGE = DESK_STAGE.model_copy(update={"assurance": Assurance.OIDC})


class House:
    """An inbox whose people sign in at a provider."""

    def __init__(self, issuer: str, **options: Any) -> None:
        self.claims = Claims()
        self.sign_in = OIDC(SETTINGS, issuer=issuer, client_id=CLIENT, **options)
        self.app = inbox(
            self.claims.desk, self.claims.store, self.claims.people, SETTINGS, sign_in=self.sign_in
        )

    def browser(self) -> TestClient:
        return TestClient(
            self.app, base_url=URL, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"}
        )

    def comes_back(self, client: TestClient, after: str = "/") -> Any:
        """Goes to the provider and back: the provider is asked as a browser would, the way back is followed."""
        away = client.get("/sign-in", params={"after": after})
        assert away.status_code == 303, away.text
        answer = httpx.get(away.headers["location"], follow_redirects=False)
        return client.get(answer.headers["location"])


@pytest.fixture
def forger() -> Iterator[Forger]:
    with Forger() as forger:
        yield forger


@pytest.mark.promise("P6")
def test_a_whole_provider_signs_somebody_in_and_the_decision_counts_as_oidc() -> None:
    person = {"sub": "s-ana", "email": "Ana.Silva@corp.example", "email_verified": True}
    with whole_provider(person) as issuer:
        house = House(issuer, client_secret=SecretStr("a secret of the client"))
        approval = house.claims.ask(stages=(OIDC_STAGE,))
        client = house.browser()
        away = client.get("/sign-in", params={"after": f"/approvals/{approval.request.id}"})
        asked = query_of(away.headers["location"])
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        back = httpx.post(away.headers["location"], data={"sub": "s-ana"}, follow_redirects=False)
        entered = client.get(back.headers["location"])
    assert entered.status_code == 200
    assert f'content="0;url=/approvals/{approval.request.id}"' in entered.text
    page = client.get(f"/approvals/{approval.request.id}")
    assert "Ana Silva" in text_of(page.text)
    token = page.text.split('name="token" value="')[1].split('"')[0]
    client.post(
        f"/approvals/{approval.request.id}/approve",
        data={"token": token, "digest": approval.digest, "shown": shown_hash(approval, approval.version)},
    )
    (decision,) = house.claims.now(approval).decisions
    assert (decision.person, decision.assurance) == (FIRST.id, Assurance.OIDC)


def test_the_forger_can_tell_the_truth(forger: Forger) -> None:
    house = House(forger.issuer)
    client = house.browser()
    assert house.comes_back(client).status_code == 200
    assert client.get("/").status_code == 200
    assert "client_secret" not in forger.exchanged[0]
    assert len(forger.exchanged[0]["code_verifier"]) >= 43


def test_an_elliptic_key_will_do_as_well(forger: Forger) -> None:
    forger.header, forger.signs_with = {"alg": "ES256", "kid": "two"}, forger.elliptic
    house = House(forger.issuer)
    assert house.comes_back(house.browser()).status_code == 200


NOW = int(time.time())
FORGED: dict[str, dict[str, Any]] = {
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "another audience": {"claims": {"aud": "somebody-else"}},
    "several audiences without a party": {"claims": {"aud": [CLIENT, "somebody-else"]}},
    "another party": {"claims": {"azp": "somebody-else"}},
    "another nonce": {"claims": {"nonce": "of another sign-in"}},
    "no nonce": {"without": ("nonce",)},
    "expired": {"claims": {"exp": NOW - 3600, "iat": NOW - 7200}},
    "no expiry": {"without": ("exp",)},
    "no subject": {"without": ("sub",)},
    "no issuer": {"without": ("iss",)},
    "no audience": {"without": ("aud",)},
    "issued tomorrow": {"claims": {"iat": NOW + 86400, "exp": NOW + 90000}},
    "signed by nobody": {"header": {"alg": "none"}},
    "signed by a shared secret": {"header": {"alg": "HS256", "kid": "one"}, "signs_with": shared_secret()},
    "unknown key": {"header": {"alg": "RS256", "kid": "three"}},
    "address not verified": {"claims": {"email_verified": False}},
    "address verified by a word": {"claims": {"email_verified": "true"}},
    "address without verification": {"without": ("email_verified",)},
    "no address": {"without": ("email",)},
    "address of another type": {"claims": {"email": ["ana.silva@corp.example"]}},
    "nobody of the directory": {"claims": {"email": "nobody@corp.example"}},
}


@pytest.mark.promise("P6")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_or_unfit_token_signs_nobody_in(forger: Forger, forged: dict[str, Any]) -> None:
    for name, value in forged.items():
        setattr(forger, name, value)
    house = House(forger.issuer)
    client = house.browser()
    answer = house.comes_back(client)
    assert answer.status_code == 403, answer.text
    assert "guardkit-8321" not in client.cookies
    assert client.get("/").status_code == 403
    for text in ("evil.example", "nobody@corp.example"):
        assert text not in answer.text


@pytest.mark.promise("P6")
def test_another_key_under_the_same_name_does_not_count(forger: Forger) -> None:
    forger.signs_with = forger.other
    house = House(forger.issuer)
    assert house.comes_back(house.browser()).status_code == 403


def test_a_new_key_of_the_provider_is_fetched(forger: Forger) -> None:
    clock = [time.time()]
    house = House(forger.issuer, clock=lambda: clock[0])
    assert house.comes_back(house.browser()).status_code == 200
    forger.published, forger.signs_with = [forger.other], forger.other
    looked = forger.looked_at_keys
    assert house.comes_back(house.browser()).status_code == 403, "not more often than every 30 seconds"
    assert forger.looked_at_keys == looked
    clock[0] += 31
    assert house.comes_back(house.browser()).status_code == 200


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("state=", "state=x"),
        lambda url: url.split("&state=")[0],
        lambda url: url.replace("code=c&", ""),
        lambda url: url.replace("code=c", "error=access_denied"),
    ],
    ids=["another state", "no state", "no code", "an error"],
)
def test_a_way_back_that_was_changed_leads_nowhere(forger: Forger, change: Any) -> None:
    house = House(forger.issuer)
    client = house.browser()
    away = client.get("/sign-in")
    back = httpx.get(away.headers["location"], follow_redirects=False).headers["location"]
    assert client.get(change(back)).status_code == 403
    assert forger.exchanged == [], "the code was not even tried"
    assert client.get(back).status_code == 403, "an attempt is over after its first answer"


@pytest.mark.promise("P6")
def test_the_way_back_belongs_to_the_browser_that_began(forger: Forger) -> None:
    house = House(forger.issuer)
    away = house.browser().get("/sign-in")
    back = httpx.get(away.headers["location"], follow_redirects=False).headers["location"]
    assert house.browser().get(back).status_code == 403


def test_an_attempt_gets_too_old(forger: Forger) -> None:
    clock = [time.time()]
    house = House(forger.issuer, clock=lambda: clock[0])
    client = house.browser()
    away = client.get("/sign-in")
    back = httpx.get(away.headers["location"], follow_redirects=False).headers["location"]
    clock[0] += 600
    assert client.get(back).status_code == 403


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", ""])
def test_nobody_is_led_to_another_site(forger: Forger, after: str) -> None:
    house = House(forger.issuer)
    entered = house.comes_back(house.browser(), after)
    assert 'content="0;url=/"' in entered.text
    assert "evil.example" not in entered.text


@pytest.mark.parametrize(("age", "status"), [(None, 403), (7200, 403), (0, 200)])
def test_a_new_sign_in_can_be_demanded(forger: Forger, age: int | None, status: int) -> None:
    forger.claims = {} if age is None else {"auth_time": int(time.time()) - age}
    house = House(forger.issuer, max_age=3600)
    assert house.comes_back(house.browser()).status_code == status
    assert forger.asked[0]["max_age"] == "3600"


def test_another_claim_names_people_by_another_identity(forger: Forger) -> None:
    forger.claims = {"oid": "T1:U1"}
    forger.without = ("email", "email_verified")
    house = House(forger.issuer, claim="oid", prefix="slack:")
    client = house.browser()
    assert house.comes_back(client).status_code == 200
    assert "Ana Silva" in text_of(client.get("/").text)


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"error": "invalid_grant"}, 400),
        JSONResponse({"access_token": "a", "token_type": "Bearer"}),
        JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": "no.token"}),
        JSONResponse({"access_token": "a", "token_type": "Bearer", "id_token": 7}),
    ],
    ids=["refused", "no token", "no JWT", "a number"],
)
def test_a_code_that_is_worth_nothing(forger: Forger, answer: Any) -> None:
    forger.token_answer = answer
    house = House(forger.issuer)
    assert house.comes_back(house.browser()).status_code == 403


@pytest.mark.parametrize(
    "answer",
    [PlainTextResponse("down", 502), PlainTextResponse("<html>"), JSONResponse([])],
    ids=["bad gateway", "no JSON", "no object"],
)
def test_a_provider_that_is_ill_signs_nobody_in(forger: Forger, answer: Any) -> None:
    forger.token_answer = answer
    house = House(forger.issuer)
    assert house.comes_back(house.browser()).status_code == 503


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": None},
    ],
    ids=["another issuer", "an endpoint in the clear", "no endpoint"],
)
def test_metadata_that_cannot_be_trusted(forger: Forger, metadata: dict[str, Any]) -> None:
    forger.metadata = metadata
    assert House(forger.issuer).browser().get("/sign-in").status_code == 503


def test_without_a_provider_nobody_signs_in() -> None:
    with Forger() as gone:
        issuer = gone.issuer
    answer = House(issuer).browser().get("/sign-in")
    assert answer.status_code == 503
    assert "identity provider cannot be reached" in answer.text


@pytest.mark.parametrize("issuer", ["http://idp.example", "ftp://127.0.0.1", "https://", "https://[::1", ""])
def test_an_issuer_in_the_clear_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigurationError, match="OIDC issuer"):
        OIDC(SETTINGS, issuer=issuer, client_id=CLIENT)


def test_a_scope_without_openid_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="lacks openid"):
        OIDC(SETTINGS, issuer="https://idp.example", client_id=CLIENT, scope="email")


def test_such_an_inbox_may_be_served_to_others() -> None:
    settings = WebSettings(url="https://approvals.corp.example", keys=(KEY,))
    claims = Claims()
    sign_in = OIDC(settings, issuer="https://idp.example", client_id=CLIENT)
    app = inbox(claims.desk, claims.store, claims.people, settings, sign_in=sign_in)
    page = TestClient(app, base_url=settings.origin).get("/approvals/none")
    assert page.status_code == 403
    assert 'href="/sign-in?after=/approvals/none"' in page.text
