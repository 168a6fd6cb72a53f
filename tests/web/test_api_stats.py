"""Measuring the desk over the HTTP API."""

from __future__ import annotations

import pytest

from tests.web.callers import TOKEN_STAGE, TWO_FINANCE, Office, kind_of
from tests.web.claims import FIRST, OUTSIDER, SECOND, THIRD, Claims


@pytest.fixture
def office(claims: Claims) -> Office:
    return Office(claims)


@pytest.mark.promise("P14")
def test_a_service_measures_its_tenant(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TWO_FINANCE,))
    for person in (SECOND, THIRD):
        office.caller(person).decide(claims.now(approval))
    assert office.caller(FIRST).decide(claims.ask(stages=(TOKEN_STAGE,))).status_code == 200
    claims.clock.now += 60
    found = office.caller(None).get("/stats", days=1).json()
    assert found["counts"]["approve"] == 3
    assert found["requests"] == {"compared": 1, "agreed": 1}
    assert {one["person"] for one in found["approvers"]} == {"p-ana", "p-ben", "p-cleo"}
    claims.clock.now += 2 * 86400
    assert office.caller(None).get("/stats", days=1).json()["approvers"] == []
    other = office.caller(None, tenant="other").get("/stats", days=30).json()
    assert (other["approvers"], other["counts"]["approve"]) == ([], 0)


@pytest.mark.promise("P13", "P15")
def test_who_may_not_and_what_cannot_be_is_refused(office: Office) -> None:
    for person in (FIRST, OUTSIDER):
        assert kind_of(office.caller(person).get("/stats")) == "services_only"
    for days in ("0", "401", "x", "-1"):
        assert kind_of(office.caller(None).get("/stats", days=days)) == "invalid"
