"""A delegation that begins while a stage waits: the delegate is asked then, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guardkit.core.audit import AuditEvent
from guardkit.core.people import Delegation, Person
from guardkit.core.stages import ApprovalStage
from guardkit.runtime.delegations import Delegations
from tests.unit.email_channel.desk import MAIL_STAGE, Mailing, Roll, attached, claims_desk
from tests.unit.email_channel.mailserver import MailServer
from tests.web.claims import BYSTANDER, FIRST, START, Claims, People

pytestmark = pytest.mark.promise("P5")

STAGE: ApprovalStage = MAIL_STAGE.model_copy(update={"delegation": True})


@pytest.fixture
def mailing() -> Iterator[Mailing]:
    claims = claims_desk()
    claims.store.append("acme", [AuditEvent(kind="run.started")])
    with MailServer() as server:
        yield Mailing(claims, server, attached(claims, server.port))


def away(claims: Claims, since: float, to: Person = BYSTANDER, person: Person = FIRST, **more: Any) -> None:
    """Somebody is away from so many seconds after the start."""
    one = Delegation(to=to.id, since=START + since, until=START + 86400.0)
    claims.people.change(claims.people.people[person.id], delegations=(one,), **more)


def test_the_delegate_is_written_to_when_the_delegation_begins(mailing: Mailing) -> None:
    claims = mailing.claims
    looks = [Delegations(claims.store, claims.people) for _ in range(2)]
    away(claims, 100.0)
    approval = claims.ask(stages=(STAGE,))
    assert mailing.deliver() == []
    asked = list(mailing.server.recipients)
    assert BYSTANDER.email not in asked
    assert [one.look() for one in looks] == [0, 0], "it has not begun"
    claims.clock.now += 200
    assert [one.look() for one in looks] == [1, 0], "whichever worker looks first"
    assert mailing.deliver() == []
    assert mailing.server.recipients == [*asked, BYSTANDER.email], "and nobody else once more"
    assert Delegations(claims.store, claims.people).look() == 0, "a worker that knows nothing"
    assert mailing.deliver() == []
    after = mailing.decide(approval, BYSTANDER)
    assert (after.state.value, after.decisions[0].on_behalf_of) == ("approved", FIRST.id)


@pytest.mark.parametrize(
    ("since", "stage", "more"),
    [
        (-10.0, STAGE, {}),
        (100.0, MAIL_STAGE, {}),
        (100.0, STAGE, {"active": False}),
        (90_000.0, STAGE, {}),
    ],
    ids=["asked-with-the-others", "not-allowed", "left", "not-begun"],
)
def test_nobody_is_asked_without_a_cause(
    mailing: Mailing, since: float, stage: ApprovalStage, more: dict[str, Any]
) -> None:
    claims = mailing.claims
    if since < 90_000:
        away(claims, since, **more)
    claims.ask(stages=(stage,))
    mailing.deliver()
    before = list(mailing.server.recipients)
    claims.clock.now += 200
    assert Delegations(claims.store, claims.people).look() == 0
    mailing.deliver()
    assert mailing.server.recipients == before


def test_the_requester_is_nobodys_delegate(mailing: Mailing) -> None:
    claims = mailing.claims
    away(claims, 100.0, to=claims.people.people["p-req"])
    claims.ask(stages=(STAGE,))
    mailing.deliver()
    claims.clock.now += 200
    assert Delegations(claims.store, claims.people).look() == 0


def test_a_directory_that_lists_nobody_knows_of_no_delegation() -> None:
    claims = Claims(people=People(FIRST, BYSTANDER))
    claims.store.append("acme", [AuditEvent(kind="run.started")])
    away(claims, 100.0)
    claims.ask(stages=(STAGE,))
    claims.clock.now += 200
    assert Delegations(claims.store, claims.people).look() == 0


def test_it_looks_once_a_minute() -> None:
    now = [0.0]
    claims = Claims(people=Roll(FIRST))
    looking = Delegations(claims.store, claims.people, clock=lambda: now[0])
    assert looking.due()
    looking.look()
    assert not looking.due()
    now[0] = 61.0
    assert looking.due()
