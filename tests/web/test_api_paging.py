"""Pages of approvals while people decide and new ones come: nothing is lost, nothing comes twice."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st

from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance
from tests.web.callers import TOKEN_STAGE, TWO_FINANCE, Caller, Office
from tests.web.claims import FIRST, Claims

MEANWHILE = st.sampled_from(["nothing", "decide", "reject", "new", "same-instant"])


def meanwhile(claims: Claims, what: str, approvals: list[Approval], at: int) -> str | None:
    """What happens between two pages. Returns the id of what was decided."""
    if what == "new":
        claims.ask(stages=(TOKEN_STAGE,))
    if what == "same-instant":
        claims.ask(stages=(TOKEN_STAGE,))
        claims.clock.now -= 1
    if what in ("decide", "reject"):
        approval = claims.now(approvals[at % len(approvals)])
        mine = approval.state.value == "pending" and approval.request.stages == (TOKEN_STAGE,)
        if mine:
            claims.decide(
                approval,
                FIRST,
                assurance=Assurance.OIDC,
                kind="approve" if what == "decide" else "reject",
                reason="because",
            )
            return approval.request.id
    return None


def read_all(
    caller: Caller, happening: list[tuple[str, int]], claims: Claims, asked: list[Approval], **query: Any
) -> tuple[list[str], set[str]]:
    """The ids of all pages, and of what was decided while they were read."""
    ids: list[str] = []
    decided: set[str] = set()
    cursor: str | None = None
    steps = iter(happening)
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        answer = caller.get("/approvals", **query, **more)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= query["limit"]
        ids += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return ids, decided
        what, at = next(steps, ("nothing", 0))
        gone = meanwhile(claims, what, asked, at)
        decided |= {gone} if gone else set()


@settings(max_examples=40)
@given(
    asked=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    happening=st.lists(st.tuples(MEANWHILE, st.integers(0, 11)), max_size=12),
    state=st.sampled_from([None, "pending"]),
)
def test_nothing_is_lost_and_nothing_comes_twice(
    asked: list[tuple[bool, bool]], limit: int, happening: list[tuple[str, int]], state: str | None
) -> None:
    claims = Claims()
    caller = Office(claims).caller()
    approvals: list[Approval] = []
    for for_ana, same_instant in asked:
        approvals.append(claims.ask(stages=(TOKEN_STAGE,) if for_ana else (TWO_FINANCE,)))
        if same_instant:
            claims.clock.now -= 1
    expected = {one.request.id for one in approvals if one.request.stages == (TOKEN_STAGE,)}
    query = {"limit": limit} if state is None else {"limit": limit, "state": state}
    ids, decided = read_all(caller, happening, claims, approvals, **query)
    assert len(ids) == len(set(ids)), "nothing comes twice"
    must = expected if state is None else expected - decided
    assert must <= set(ids), "nothing that was there all the time is lost"
    assert set(ids) <= expected | {one.request.id for one in claims.store.listed(limit=1000)}


def test_a_page_that_finds_little_says_where_to_go_on() -> None:
    claims = Claims()
    mine = claims.ask(stages=(TOKEN_STAGE,))
    for _ in range(1005):
        claims.ask(stages=(TWO_FINANCE,), args={"claim_id": "C-1", "recipient": "x", "amount": 1}, schema={})
    caller = Office(claims).caller()
    first = caller.get("/approvals").json()
    assert first["items"] == []
    rest = caller.get("/approvals", cursor=first["next"]).json()
    assert [one["id"] for one in rest["items"]] == [mine.request.id]
    assert rest["next"] is None
