"""A delegate never adds a person, whoever delegates to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalState, Order
from guardkit.core.consuming import still_holds
from guardkit.core.deciding import decide
from guardkit.core.people import Assurance, Delegation, Person, count_as_one
from guardkit.core.runs import RunRef
from guardkit.core.stages import ApprovalStage
from guardkit.errors import DecisionRefusedError
from guardkit.policy.people import PeopleDirectory
from guardkit.policy.quorum import Seats, seats_filled
from guardkit.runtime.speaking import Speakers
from guardkit.testing.contracts import samples

pytestmark = pytest.mark.promise("P5")

NAMES = ("ann", "bob", "cay", "dan", "eve")
STARTED = "eve"

delegations = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.sampled_from([(0.0, 50.0), (0.0, 5.0), (5.0, 50.0)]),
    ).filter(lambda one: one[0] != one[1]),
    max_size=6,
)
groups = st.lists(st.sampled_from([(), ("desk",), ("desk", "top"), ("top",)]), min_size=5, max_size=5)
stages = st.lists(
    st.builds(
        ApprovalStage,
        groups=st.sampled_from([("desk",), ("top",), ("desk", "top")]),
        required=st.integers(1, 3),
        reject_quorum=st.sampled_from([1, 2, 3]),
        channels=st.just(("desk",)),
        delegation=st.booleans(),
    ),
    min_size=1,
    max_size=2,
)


def _people(
    groups: Sequence[tuple[str, ...]], given: Sequence[tuple[str, str, tuple[float, float]]], now: float
) -> list[Person]:
    return [
        Person(
            id=name,
            groups=own,
            delegations=tuple(
                Delegation(to=to, since=now + since, until=now + until)
                for who, to, (since, until) in given
                if who == name
            ),
        )
        for name, own in zip(NAMES, groups, strict=True)
    ]


@given(
    groups=groups,
    given_to=delegations,
    stages=stages,
    clicks=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(["approve", "approve", "approve", "reject"])),
        max_size=12,
    ),
    order=st.sampled_from(["in_turn", "together"]),
)
def test_a_delegate_never_adds_a_person(
    groups: Sequence[tuple[str, ...]],
    given_to: Sequence[tuple[str, str, tuple[float, float]]],
    stages: Sequence[ApprovalStage],
    clicks: Sequence[tuple[str, Literal["approve", "reject"]]],
    order: Order,
) -> None:
    run = RunRef(tenant="default", thread_id="t", turn=1, run_id="r", token=1)
    asked = samples.request(run, stages=tuple(stages), order=order)
    approval = Approval.opened(asked.model_copy(update={"excluded": (STARTED,)}))
    now = asked.requested_at
    people = _people(groups, given_to, now)
    known = {person.id: person for person in people}
    speakers = Speakers(PeopleDirectory(people))
    for who, kind in clicks:
        now += 1.0
        try:
            seat = speakers.seat(approval, known[who], now)
        except DecisionRefusedError:
            continue
        said = ApprovalDecision(
            approval_id=asked.id,
            digest=approval.digest,
            kind=kind,
            reason="because",
            person=who,
            on_behalf_of=None if seat.absent is None else seat.absent.id,
            assurance=Assurance.OIDC,
            via="test",
            stage=seat.stages[0],
            seats=seat.stages if len(seat.stages) > 1 else (),
            decided_at=now,
        )
        approval = decide(approval, said, known[who], absent=seat.absent, others=seat.others)
        if approval.state.settled:
            break
    voices = [voice for said in approval.decisions for voice in said.voices]
    assert len(voices) == len(set(voices)), "a person has two voices"
    assert STARTED not in voices
    for place, later in enumerate(approval.decisions):
        for earlier in approval.decisions[:place]:
            if asked.delegable:
                assert not any(
                    count_as_one(known[one], known[other], later.decided_at)
                    for one in later.voices
                    for other in earlier.voices
                )
    entitled = [
        Seats(frozenset(one.id for one in people if one.id != STARTED and stage.admits(one)), stage.required)
        for stage in stages
    ]
    assert len(approval.standing()) <= seats_filled(entitled), "delegates made more people than there are"
    if approval.state is ApprovalState.APPROVED:
        assert still_holds(approval, known, now) is None
