"""Whatever fits the OpenAPI document, and much that does not, is answered as the document says."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings, strategies as st
from requests.structures import CaseInsensitiveDict

from guardkit.core.approvals import Approval
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person
from guardkit.core.runs import StopOrder
from guardkit.core.standing import StandingOffer, StandingWish, standing_id
from guardkit.web.api import document
from guardkit.web.api.operations import OPERATIONS
from tests.conftest import Campaign
from tests.web.callers import TOKEN_STAGE, TWO_FINANCE, Office, seen
from tests.web.claims import FIRST, OUTSIDER, REQUESTER, SECOND, THIRD, Claims

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what other people's modules say when they are imported
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WHO: list[Person | None] = [FIRST, SECOND, THIRD, REQUESTER, OUTSIDER, None]
UNHURRIED = [
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
]
READS = {operation.id for operation in OPERATIONS if operation.method == "GET"} | {"showDocument"}
TRIED = [
    (name, mode)
    for name in (*[one.id for one in OPERATIONS], "showDocument")
    for mode in GenerationMode
    if (name, mode) != ("showDocument", GenerationMode.NEGATIVE)  # nothing about that request can be wrong
]


GLASS = BreakGlass(
    people=("p-ana", "p-ben"),
    valid_for=600.0,
    reason_length=1,
    reviewers=("p-ana", "p-cleo"),
    review_within=600.0,
)


OFFER = StandingOffer(scopes=("thread", "requester"), seconds=30 * 86_400.0, uses=1000)


class Desk:
    """A desk with callers and approvals, for as many requests as one likes."""

    def __init__(self) -> None:
        self.claims = Claims()
        self.office = Office(self.claims)
        self.callers = {None if who is None else who.id: self.office.caller(who, seconds=1e9) for who in WHO}
        self.keys = itertools.count(1)

    def approval(self) -> Approval:
        """A new question to Ana, Ben and Cleo."""
        return self.claims.ask(
            stages=(TOKEN_STAGE, TWO_FINANCE), expires_in=None, break_glass=GLASS, standing=OFFER
        )

    def standing(self) -> str:
        """The id of a new standing approval that Ana gave."""
        approval = self.claims.ask(stages=(TOKEN_STAGE,), expires_in=None, standing=OFFER)
        wish = StandingWish(scope="thread", seconds=60.0, uses=1)
        self.claims.decide(approval, assurance=Assurance.API_TOKEN, standing=wish)
        return standing_id(approval.request.id)

    def send(self, case: Any, who: str | None) -> Any:
        """A request of this caller's, as it was made up."""
        sent = case.as_transport_kwargs(base_url=self.office.inbox.settings.origin)
        client = self.callers[who].client
        sent["headers"] = {
            **dict(sent.get("headers") or {}),
            "Authorization": client.headers["Authorization"],
        }
        kept = {
            name: sent[name]
            for name in ("method", "url", "headers", "params", "json", "content", "data", "cookies")
            if sent.get(name) is not None
        }
        return client.request(**kept, follow_redirects=False)


def aim(case: Any, desk: Desk, name: str, *, plain: bool) -> None:
    """Let a request be about something that is there; a plain one decides nothing but yes."""
    approval = desk.approval()
    if name == "liftStop":
        order = StopOrder(
            id=f"s-{next(desk.keys)}", scope="tenant", tenant="acme", by="ops", why="drill", at=0.0
        )
        case.path_parameters = {"id": desk.claims.store.set_stop(order).id}
    elif name in ("showStanding", "revokeStanding"):
        case.path_parameters = {"id": desk.standing()}
    elif case.path_parameters:
        case.path_parameters = {"id": approval.request.id}
    if name == "showHistory":
        case.query = {**(case.query or {}), "thread": approval.request.thread_id}
        desk.claims.decide(approval, assurance=Assurance.OIDC)
    if name == "closeReview":
        desk.claims.desk.emergencies.break_glass(
            approval.request.id,
            identity="p-ben",
            digest=approval.digest,
            reason="fire",
            assurance=Assurance.OIDC,
            via="test",
        )
    if name == "breakGlass" and isinstance(case.body, dict):
        case.body |= seen(approval)
        case.body.pop("standing", None)  # this question takes none
    if name == "decideTogether" and isinstance(case.body, dict):
        case.body |= {"items": [{"approval": approval.request.id, **seen(approval)}]}
    if name == "decide" and isinstance(case.body, dict):
        case.body |= seen(approval)
        case.body.pop("standing", None)  # this question takes none
        if plain:
            case.body["decision"] = "approve"
        if case.body.get("decision") != "edit":
            case.body.pop("arguments", None)


@pytest.mark.chaos
@pytest.mark.promise("P6", "P11", "P15")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "mode"), TRIED, ids=lambda one: getattr(one, "value", one))
def test_answers_are_what_the_document_says(campaign: Campaign, name: str, mode: GenerationMode) -> None:
    found: Any = schemathesis.openapi.from_dict(document()).get_all_operations()
    operation = next(one.ok() for one in found if one.ok().definition.raw["operationId"] == name)
    desk = Desk()
    answered: set[int] = set()

    def try_one(case: Any, who: str | None, about: str, fresh_key: bool) -> None:
        real = about != "anything"
        if real:
            who = {"withdraw": "p-req", "showStats": None}.get(name, "p-ana")
            aim(case, desk, name, plain=about == "plain")
        if (real or fresh_key) and name not in READS and isinstance(case.headers, dict | CaseInsensitiveDict):
            case.headers["Idempotency-Key"] = f'"a-new-key-{next(desk.keys):09d}"'
        before = list(desk.claims.store.listed(limit=100_000)), list(desk.claims.store.stops())
        answer = desk.send(case, who)
        answered.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400 or name in READS:
            after = list(desk.claims.store.listed(limit=100_000)), list(desk.claims.store.stops())
            assert after == before, "what is refused changes nothing"

    run = given(
        case=operation.as_strategy(generation_mode=mode),
        who=st.sampled_from([None if who is None else who.id for who in WHO]),
        about=st.sampled_from(("plain", "real", "anything")),
        fresh_key=st.booleans(),
    )(try_one)
    limits = settings(
        max_examples=campaign.trials if campaign.full else 25,
        suppress_health_check=UNHURRIED,
        deadline=None,
        database=None,
    )
    seed(campaign.seed)(limits(run))()
    assert answered
    if mode is GenerationMode.POSITIVE:
        assert answered & {200, 201}, "some of them were fine"
