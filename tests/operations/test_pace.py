"""Approvals in less time than reading takes."""

from __future__ import annotations

from hypothesis import given, strategies as st

from guardkit.core.approvals import ApprovalDecision, DecisionKind
from guardkit.core.people import Assurance
from guardkit.core.runs import RunRef
from guardkit.core.values import JsonObject
from guardkit.runtime.pace import Pace, reading_seconds
from guardkit.testing.contracts import samples

RUN = RunRef(tenant="default", thread_id="t", turn=1, run_id="r", token=1)
REQUEST = samples.request(RUN).model_copy(update={"requested_at": 1000.0})
WORDS: JsonObject = {"claim_id": "C-1", "note": "word " * 299}
"""With the tool's name, the two names and the number: 303 words."""


def decided(at: float, kind: DecisionKind = "approve", person: str = "ada") -> ApprovalDecision:
    return ApprovalDecision(
        approval_id=REQUEST.id,
        digest=REQUEST.digest,
        kind=kind,
        person=person,
        assurance=Assurance.OIDC,
        via="web",
        stage=0,
        decided_at=at,
    )


def test_three_hundred_words_take_a_minute() -> None:
    assert reading_seconds(REQUEST, WORDS) == 303 / 300 * 60


def test_an_approval_sooner_than_that_is_noticed_and_one_later_is_not() -> None:
    assert Pace().too_short(REQUEST, WORDS, decided(1060.0)) == 303 / 300 * 60
    assert Pace().too_short(REQUEST, WORDS, decided(1061.0)) is None


def test_a_rejection_is_never_too_quick() -> None:
    assert Pace().too_short(REQUEST, WORDS, decided(1000.1, "reject")) is None
    assert Pace().too_short(REQUEST, WORDS, decided(1000.1, "edit")) is not None


def test_many_at_once_cannot_all_have_been_read() -> None:
    pace = Pace()
    found = [pace.too_short(REQUEST, WORDS, decided(9000.0 + number)) for number in range(5)]
    assert [one is None for one in found] == [True, False, False, False, False]
    assert pace.too_short(REQUEST, WORDS, decided(9005.0, person="ben")) is None, (
        "somebody else has had the time"
    )


def test_what_is_remembered_of_people_is_bounded() -> None:
    pace = Pace()
    pace.too_short(REQUEST, WORDS, decided(9000.0))
    for number in range(1000):
        pace.too_short(REQUEST, WORDS, decided(9000.5, person=f"p{number}"))
    assert pace.too_short(REQUEST, WORDS, decided(9001.0)) is None, "the first of them is forgotten"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_json_value_takes_some_time(value: object) -> None:
    assert reading_seconds(REQUEST, {"a": value}) >= 2 / 300 * 60  # pyright: ignore[reportArgumentType]
