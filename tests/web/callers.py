"""Callers of the HTTP API over a claims desk."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from starlette.testclient import TestClient

from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance, Person
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.stages import ApprovalStage
from guardkit.core.tokens import ApiToken, TokenScope, new_token
from tests.web.claims import FIRST, Claims
from tests.web.visits import Inbox

DAY = 86400.0

TOKEN_STAGE = ApprovalStage(
    role="claims-manager",
    groups=("claims-desk",),
    channels=("claims-desk",),
    assurance=Assurance.API_TOKEN,
)
TWO_FINANCE = ApprovalStage(
    groups=("finance-desk",), required=2, channels=("finance",), assurance=Assurance.API_TOKEN
)


class Office:
    """The inbox with its HTTP API, and who calls it."""

    def __init__(self, claims: Claims, **settings: Any) -> None:
        self.claims = claims
        self.inbox = Inbox(claims, **settings)

    def stranger(self) -> TestClient:
        """A client without a token."""
        return TestClient(self.inbox.app, base_url=self.inbox.settings.origin)

    def token(
        self,
        person: Person | None = FIRST,
        *,
        scopes: Sequence[TokenScope] | None = None,
        tenant: str = "acme",
        seconds: float = DAY,
    ) -> tuple[str, ApiToken]:
        """A new token; a service's when there is no person."""
        if scopes is None:
            scopes = [scope for scope in TokenScope if person or scope is not TokenScope.APPROVALS_DECIDE]
        text, made = new_token(
            tenant=tenant if person is None else person.tenant,
            holder="service" if person is None else "person",
            subject="reporting" if person is None else person.id,
            scopes=scopes,
            created_by="ops",
        )
        return text, self.claims.store.add_token(made, seconds)

    def caller(self, person: Person | None = FIRST, **more: Any) -> Caller:
        """Somebody with a new token."""
        return Caller(self, *self.token(person, **more))


class Caller:
    """Somebody who calls with a token."""

    def __init__(self, office: Office, text: str, token: ApiToken) -> None:
        self.text = text
        self.token = token
        self.client = office.stranger()
        self.client.headers["Authorization"] = f"Bearer {text}"
        self._numbers = itertools.count(1)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1{path}", params=query)

    def key(self) -> str:
        """A new Idempotency-Key."""
        return f'"key-of-a-test-{self.token.id}-{next(self._numbers)}"'

    def post(self, path: str, body: Any, key: str | None = None) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": key or self.key()})

    def decide(self, approval: Approval, key: str | None = None, **said: Any) -> Any:
        """Decide on what was shown; approve, unless something else is said."""
        body = {"decision": "approve", **seen(approval), **said}
        return self.post(f"/approvals/{approval.request.id}/decisions", body, key)


def seen(approval: Approval) -> dict[str, Any]:
    """What names an approval as it was shown."""
    return {
        "version": approval.version,
        "digest": approval.digest,
        "presentation_hash": presentation_hash(present(approval)),
    }


def kind_of(answer: Any) -> str:
    """The kind of problem that an answer is."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    return str(problem["type"]).removeprefix("urn:guardkit:problem:")
