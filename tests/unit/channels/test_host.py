"""What a channel is given: who may answer, and an audit log that strangers cannot flood."""

from __future__ import annotations

import pytest

from guardkit.channels.host import EVERYBODY, ChannelHost, Refusals
from guardkit.core.people import Person, Roster
from guardkit.core.stages import Escalation, Exemption
from guardkit.errors import ChannelError
from guardkit.policy import PeopleDirectory
from tests.web.claims import DESK_STAGE, FINANCE_STAGE, FIRST, REQUESTER, SECOND, THIRD, Claims, Clock

EVERYONE = (FIRST, SECOND, THIRD, REQUESTER)


def host(claims: Claims, directory=None, name: str = "finance", **more) -> ChannelHost:
    return ChannelHost(
        name=name,
        desk=claims.desk,
        store=claims.store,
        directory=directory or PeopleDirectory(EVERYONE),
        **more,
    )


@pytest.mark.promise("P5")
def test_those_who_may_answer_are_written_to_and_nobody_else() -> None:
    claims = Claims()
    gone = Person(id="p-gone", tenant="acme", groups=("finance-desk",), active=False)
    foreign = Person(id="p-far", tenant="other", groups=("finance-desk",))
    directory = PeopleDirectory((*EVERYONE, gone, foreign))
    approval = claims.ask(stages=(DESK_STAGE, FINANCE_STAGE))
    desk = host(claims, directory, "claims-desk")
    assert list(desk.approvers(approval, 0)) == [FIRST]  # the requester holds the role too, and is excluded
    assert list(host(claims, directory).approvers(approval, 1)) == [SECOND, THIRD]
    with pytest.raises(ChannelError, match="nobody may answer in stage 2"):
        desk.approvers(approval, 1)  # another channel's people


@pytest.mark.promise("P5")
def test_those_who_may_answer_later_are_written_to_by_their_own_channel_and_then() -> None:
    claims = Claims()
    step = Escalation(after=60.0, groups=("finance-desk",), channels=("finance",))
    approval = claims.ask(stages=(DESK_STAGE.model_copy(update={"escalations": (step,)}),))
    desk, finance = host(claims, name="claims-desk"), host(claims)
    with pytest.raises(ChannelError, match="nobody may answer"):
        finance.approvers(approval, 0)
    claims.clock.now = approval.request.requested_at + 60
    assert list(finance.approvers(approval, 0)) == [SECOND, THIRD]
    assert list(desk.approvers(approval, 0)) == [FIRST]


@pytest.mark.promise("P5")
def test_stages_that_wait_at_once_have_their_own_people_and_times() -> None:
    claims = Claims()
    step = Escalation(after=60.0, groups=("claims-desk",), channels=("finance",))
    late = FINANCE_STAGE.model_copy(update={"required": 1, "escalations": (step,)})
    approval = claims.ask(stages=(DESK_STAGE, late), order="together")
    assert list(host(claims, name="claims-desk").approvers(approval, 0)) == [FIRST]
    assert list(host(claims).approvers(approval, 1)) == [SECOND, THIRD]
    claims.clock.now = approval.request.requested_at + 60
    after = claims.decide(approval, SECOND)
    assert after.waiting() == (0,)
    assert list(host(claims).approvers(approval, 1)) == [FIRST, SECOND, THIRD]


@pytest.mark.promise("P5")
def test_whoever_asked_is_written_to_where_the_policy_exempts_them() -> None:
    claims = Claims()
    exempt = Exemption(reason="the only one at night", approvers=("req@corp.example",))
    approval = claims.ask(stages=(DESK_STAGE,), exemptions=(exempt,))
    desk = host(claims, name="claims-desk")
    assert list(desk.approvers(approval, 0)) == [FIRST, REQUESTER]
    others = exempt.model_copy(update={"approvers": ("ben@corp.example",)})
    assert list(desk.approvers(claims.ask(stages=(DESK_STAGE,), exemptions=(others,)), 0)) == [FIRST]


def test_a_person_who_is_named_and_in_the_group_is_written_to_once() -> None:
    claims = Claims()
    stage = FINANCE_STAGE.model_copy(update={"approvers": ("BEN@corp.example", "p-cleo")})
    approval = claims.ask(stages=(stage,))
    assert list(host(claims).approvers(approval, 0)) == [SECOND, THIRD]


def test_a_directory_that_cannot_list_people_serves_named_ones_only() -> None:
    claims = Claims()
    assert not isinstance(claims.people, Roster)
    found = host(claims, claims.people)
    named = claims.ask(
        stages=(FINANCE_STAGE.model_copy(update={"groups": (), "approvers": ("p-ben", "nobody")}),)
    )
    assert list(found.approvers(named, 0)) == [SECOND]
    with pytest.raises(ChannelError, match="cannot list people") as raised:
        found.approvers(claims.ask(stages=(FINANCE_STAGE,)), 0)
    assert "people_of" in (raised.value.remedy or "")
    nobody = claims.ask(stages=(FINANCE_STAGE.model_copy(update={"groups": (), "approvers": ("nobody",)}),))
    with pytest.raises(ChannelError, match="nobody may answer in stage 1"):
        found.approvers(nobody, 0)


def test_people_are_called_by_name_and_approvals_by_their_page() -> None:
    claims = Claims()
    approval = claims.ask()
    found = host(claims, inbox="https://inbox.example/")
    assert found.who("ANA.silva@corp.example") == "Ana Silva"
    assert found.who("no\u202ebody") == "no⟨U+202E⟩body"
    assert found.link(approval) == f"https://inbox.example/approvals/{approval.request.id}"
    named = f"https://inbox.example/approvals/{approval.request.id}?delivery=d%2F1"
    assert found.link(approval, "d/1") == named
    assert host(claims).link(approval) is None


def refused(claims: Claims, tenant: str = EVERYBODY) -> list[dict]:
    return [
        entry.event.data for entry in claims.store.entries(tenant) if entry.event.kind == "channel.refused"
    ]


@pytest.mark.promise("P6")
def test_a_refusal_is_in_the_chain_of_whom_it_concerns() -> None:
    claims = Claims()
    approval = claims.ask()
    refusals = host(claims).refusals
    refusals.note("bad_signature")
    refusals.note("stranger", approval=approval)
    assert refused(claims) == [{"channel": "finance", "why": "bad_signature"}]
    (entry,) = refused(claims, "acme")
    assert entry == {"channel": "finance", "why": "stranger", "approval": approval.request.id}


def test_many_refusals_are_counted_instead_of_written() -> None:
    claims, clock = Claims(), Clock(0.0)
    refusals = Refusals(claims.store, "finance", clock)
    for _ in range(1000):
        refusals.note("bad_signature")
    assert len(refused(claims)) == 20
    clock.now += 3.0
    refusals.note("bad_signature")
    assert refused(claims)[20:] == [{"channel": "finance", "why": "bad_signature", "left_out": 980}]
    clock.now += 3600.0
    for _ in range(30):
        refusals.note("bad_signature")
    assert len(refused(claims)) == 41, "a quiet hour makes room for no more than 20 at once"
