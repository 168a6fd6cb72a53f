"""Payloads and requests with anything in them: no exception, no 5xx, no change."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from guardkit.channels.http import HttpRequest
from guardkit.testing.slack import SlackServer
from tests.chaos.mutations import places, put
from tests.unit.slack.captured import Taken
from tests.unit.slack.office import Office

pytestmark = pytest.mark.promise("P6", "P15")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=40)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def taken() -> Iterator[Taken]:
    with SlackServer(trigger_seconds=600) as slack:
        office = Office(slack)
        yield Taken(office)
        office.channel.close()


def changes_nothing(taken: Taken, payload: Any, data: st.DataObject, keep: tuple[str, ...]) -> None:
    """Takes the payload with up to four values replaced, those below `keep` excepted."""
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(places(payload)))
        if path and path[0] not in keep:
            payload = put(payload, path, data.draw(VALUES))
    ack = taken.office.channel.take(payload)
    assert ack.status in (200, 400)
    if ack.after is not None:
        ack.after()
    assert taken.office.claims.now(taken.approval).version == 0


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_payloads_never_raise_and_never_widen(taken: Taken, data: st.DataObject) -> None:
    """From another workspace, so that nothing of it may count, whatever else is in it."""
    payload = copy.deepcopy(data.draw(st.sampled_from(taken.payloads)))
    if "team" in payload:
        payload["team"] = {"id": "T0OTHER"}
    else:
        payload["team_id"] = "T0OTHER"
    changes_nothing(taken, payload, data, keep=("team", "team_id"))


@given(data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_payloads_count_for_nobody_else(taken: Taken, data: st.DataObject) -> None:
    """One of Bo's, who may not decide: no change of what it holds makes it count."""
    payload = copy.deepcopy(data.draw(st.sampled_from(taken.payloads)))
    if "user" in payload:
        payload["user"]["id"] = taken.office.bo.id
    changes_nothing(taken, payload, data, keep=("user",))


@given(
    body=st.binary(max_size=400),
    headers=st.dictionaries(st.text(max_size=30), st.text(max_size=80), max_size=4),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_requests_that_slack_did_not_sign_are_refused(
    taken: Taken, body: bytes, headers: dict[str, str]
) -> None:
    office = taken.office
    for more in ({}, {"x-slack-signature": "v0=1", "x-slack-request-timestamp": "1"}):
        reply = office.channel.receive(HttpRequest(headers={**headers, **more}, body=body))
        assert reply.status == 401
    assert office.claims.now(taken.approval).version == 0


@given(
    body=st.one_of(
        st.text(max_size=300),
        VALUES.map(lambda one: urlencode({"payload": json.dumps(one)})),
        st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=5).map(urlencode),
    ),
    kind=st.sampled_from(["application/x-www-form-urlencoded", "application/json", "text/plain"]),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_signed_requests_with_anything_in_them_are_answered(taken: Taken, body: str, kind: str) -> None:
    office = taken.office
    body = body.encode(errors="replace").decode()
    headers = {name.lower(): one for name, one in office.slack.signed(body).items()}
    reply = office.channel.receive(HttpRequest(headers={**headers, "content-type": kind}, body=body.encode()))
    assert reply.status in (200, 400, 401)  # 401: the same example again is a replay
    assert office.claims.now(taken.approval).version == 0
