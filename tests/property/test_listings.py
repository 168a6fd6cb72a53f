"""Where an approval stands in a list, whoever computes it."""

from hypothesis import given, strategies as st

from guardkit.core.approvals import Approval
from guardkit.core.listings import UNDATED, listings
from guardkit.core.runs import RunRef
from guardkit.testing.contracts import samples

RUN = RunRef(tenant="t", thread_id="c-1", turn=1, run_id="r", token=1)


@given(micros=st.integers(min_value=0, max_value=3_500_000_000_000_000))
def test_what_is_never_due_stands_at_the_microsecond_of_its_asking(micros: int) -> None:
    asked = samples.request(RUN, expires_in=None).model_copy(update={"requested_at": micros / 1e6})
    places = {place.at for place in listings(Approval.opened(asked)) if not place.list.newest_first}
    assert {round(at * 1e6) for at in places} == {round(UNDATED * 1e6) + micros}
