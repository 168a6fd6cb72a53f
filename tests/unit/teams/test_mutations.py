"""Activities with a valid token that are anything but what Teams sends: an answer below 500, and nothing changes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from guardkit.channels.http import HttpRequest
from guardkit.core.approvals import Approval
from tests.chaos.mutations import places
from tests.unit.teams.desk import BEN, TeamsDesk

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["approve", "edit", "reject", "msteams", "invoke", "message", "installationUpdate", "personal"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, activity: dict[str, Any]) -> bytes:
    """The activity with some values replaced, removed or moved, or cut as bytes."""
    changed = copy.deepcopy(activity)
    for _ in range(draw(st.integers(1, 3))):
        where = draw(st.sampled_from([place for place in places(changed) if place]))
        *parents, last = where
        node = changed
        for step in parents:
            node = node[step]
        if isinstance(node, dict) and draw(st.booleans()):
            node.pop(last, None)
        else:
            node[last] = draw(VALUES)
    body = json.dumps(changed).encode()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=4)) + body[at:]
    return body


@pytest.mark.promise("P6")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_an_authentic_sender_sends_about_what_is_not_his(
    desk: TeamsDesk, data: st.DataObject
) -> None:
    """Somebody who may decide nothing sends anything: no decision, no error of the server, always a body."""
    approval = desk.ask()
    desk.deliver()
    before = standing(desk, approval)
    verb = data.draw(st.sampled_from(["approve", "reject", "edit", "respond"]))
    activity = desk.click(approval, verb, person=BEN, data={"reason": "x", "f0": "C-1"})
    reply = desk.sends(data.draw(mutated(activity)))
    assert reply.status < 500
    assert isinstance(json.loads(reply.body), dict)
    assert standing(desk, approval) == before


def standing(desk: TeamsDesk, approval: Approval) -> Any:
    return desk.claims.now(approval), desk.store.posts("acme", approval.request.id)


@pytest.mark.promise("P6")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_an_approver_sends_only_a_whole_answer_counts(desk: TeamsDesk, data: st.DataObject) -> None:
    """What counts was about this approval, in this version, of an allowed kind, with arguments that the tool takes."""
    approval = desk.ask(allowed=("edit",))
    activity = desk.click(approval, "edit", data={"reason": "x", "f0": "C-1"})
    reply = desk.sends(data.draw(mutated(activity)))
    assert reply.status < 500
    now = desk.claims.now(approval)
    for said in now.decisions:
        assert (said.kind, said.person, said.digest) == ("edit", "p-ana", approval.digest)
        assert str(now.args["claim_id"]).startswith("C-")


@pytest.mark.promise("P6")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.text(max_size=80) | st.text("abc.=-_", max_size=80).map(lambda text: f"Bearer {text}"))
def test_no_text_is_a_token(desk: TeamsDesk, header: str) -> None:
    approval = desk.ask()
    body = json.dumps(desk.click(approval)).encode()
    assert desk.channel.receive(HttpRequest(headers={"authorization": header}, body=body)).status == 401
    assert desk.claims.now(approval) == approval
