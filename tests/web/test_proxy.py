"""Sign-in by a reverse proxy: its word at every request, proved by its secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from guardkit.core.people import Assurance
from guardkit.errors import ConfigurationError, MissingKeyError
from guardkit.web import TrustedProxy, WebSettings, inbox
from guardkit.web.proxy import SECRET
from tests.web.claims import DESK_STAGE, FIRST, SECOND, Claims
from tests.web.visits import KEY, hidden, text_of

PROOF = "what the proxy proves itself by, at length"
SETTINGS = WebSettings(url="https://approvals.corp.example", keys=(KEY,))
ANA = {"X-Forwarded-Email": "ana.silva@corp.example", "X-Guardkit-Proxy": PROOF}


class House:
    def __init__(self, **options: Any) -> None:
        self.claims = Claims()
        self.app = inbox(
            self.claims.desk,
            self.claims.store,
            self.claims.people,
            SETTINGS,
            sign_in=TrustedProxy(secret=SecretStr(PROOF), **options),
        )

    def browser(self, headers: Any = ANA) -> TestClient:
        return TestClient(
            self.app,
            base_url=SETTINGS.origin,
            follow_redirects=False,
            headers={"Sec-Fetch-Site": "same-origin", **headers},
        )


@pytest.mark.promise("P6")
def test_whom_the_proxy_names_is_signed_in_and_decides_as_oidc() -> None:
    house = House()
    approval = house.claims.ask(stages=(DESK_STAGE.model_copy(update={"assurance": Assurance.OIDC}),))
    client = house.browser()
    entered = client.get("/sign-in", params={"after": f"/approvals/{approval.request.id}"})
    assert (entered.status_code, entered.headers["location"]) == (303, f"/approvals/{approval.request.id}")
    assert "Secure" in entered.headers["set-cookie"]
    page = client.get(entered.headers["location"]).text
    client.post(
        f"/approvals/{approval.request.id}/approve",
        data={"token": hidden(page, "token"), "digest": approval.digest, "shown": hidden(page, "shown")},
    )
    (decision,) = house.claims.now(approval).decisions
    assert (decision.person, decision.assurance) == (FIRST.id, Assurance.OIDC)


UNPROVED: dict[str, Any] = {
    "no proof": {"X-Forwarded-Email": "ana.silva@corp.example"},
    "another proof": {**ANA, "X-Guardkit-Proxy": PROOF[:-1]},
    "an empty proof": {**ANA, "X-Guardkit-Proxy": ""},
    "a proof that is not ASCII": {**ANA, "X-Guardkit-Proxy": b"\xfc" * 40},
    "no person": {"X-Guardkit-Proxy": PROOF},
    "an empty person": {**ANA, "X-Forwarded-Email": " "},
    "nobody of the directory": {**ANA, "X-Forwarded-Email": "nobody@corp.example"},
}


@pytest.mark.promise("P6")
@pytest.mark.parametrize("headers", UNPROVED.values(), ids=UNPROVED)
def test_without_the_proxys_proof_nobody_is_signed_in(headers: Any) -> None:
    answer = House().browser(headers).get("/sign-in")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.promise("P6")
def test_a_header_that_the_browser_has_sent_too_signs_nobody_in() -> None:
    twice: Any = [*ANA.items(), ("X-Forwarded-Email", "ben@corp.example")]
    answer = TestClient(House().app, base_url=SETTINGS.origin).get("/sign-in", headers=twice)
    assert answer.status_code == 403


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "headers", [{**ANA, "X-Forwarded-Email": SECOND.email}, UNPROVED["no proof"], UNPROVED["no person"], {}]
)
def test_a_session_is_worth_nothing_without_the_proxys_word(headers: Any) -> None:
    house = House()
    client = house.browser()
    client.get("/sign-in")
    assert "Ana Silva" in text_of(client.get("/").text)
    other = house.browser(headers)
    other.cookies = client.cookies
    assert other.get("/").status_code == 403


def test_a_prefix_makes_an_identity_and_the_assurance_is_the_operators_to_say() -> None:
    house = House(prefix="slack:", identity_header="X-User", assurance=Assurance.CHAT)
    client = house.browser({"X-User": "T1:U1", "X-Guardkit-Proxy": PROOF})
    assert client.get("/sign-in").status_code == 303
    assert "Ana Silva" in text_of(client.get("/").text)


def test_a_proxy_without_a_good_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET, raising=False)
    with pytest.raises(MissingKeyError, match=SECRET):
        TrustedProxy()
    monkeypatch.setenv(SECRET, "short")
    with pytest.raises(ConfigurationError, match="has 5 characters"):
        TrustedProxy()
    monkeypatch.setenv(SECRET, PROOF)
    with pytest.raises(ConfigurationError, match="both the person and the secret"):
        TrustedProxy(identity_header="x-guardkit-proxy")
