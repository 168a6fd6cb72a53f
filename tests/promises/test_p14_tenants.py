"""P14 on every database: what one tenant has, another one neither sees nor changes, by whatever door it comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from guardkit import Approval, ApprovalState, Assurance, EffectState, Guard, Person, Principal
from guardkit.core.audit import verify
from guardkit.core.no_result import NoResultReason
from guardkit.core.runs import StopOrder
from guardkit.core.standing import StandingWish
from guardkit.core.values import JsonObject
from guardkit.errors import UnknownApprovalError
from guardkit.sql import upgrade
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    Scene,
    ask,
    compiled,
    decide,
    ended,
    entries,
    go_on,
    opened,
    payer,
    run,
    told,
    waiting,
    work,
)
from tests.web.api_desks import SqlClaims
from tests.web.callers import TOKEN_STAGE, Office, kind_of
from tests.web.claims import FIRST, OUTSIDER

pytestmark = pytest.mark.promise("P14")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
TENANTS = ("north", "south")
LIMITS = {
    "scopes": ["thread"],
    "for_at_most": "8h",
    "uses": 10,
    "amount": {"argument": "amount", "at_most": 50},
}


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_url")
    upgrade(found)
    return found


@pytest.fixture
def scene(url: str) -> Iterator[Scene]:
    yield from opened(url)


@dataclass
class Tenant:
    """One of two tenants that do the same: same thread, same effect key, same agent."""

    name: str
    guard: Guard
    graph: Any
    paid: list[JsonObject] = field(default_factory=list[JsonObject])

    @property
    def config(self) -> Any:
        return self.guard.config("t", Principal(id="kim", tenant=self.name))

    @property
    def manager(self) -> str:
        return f"{self.name}-manager"

    def asked(self) -> Approval:
        run(self.graph, ask(f"Pay, says {self.name}."), self.config)
        [approval] = waiting(self.guard, self.config)
        return approval

    def looks(self) -> list[Any]:
        """All that the store tells of this tenant, and of the approvals and threads that it names."""
        store = self.guard.store
        return [
            store.listed(tenant=self.name, limit=100),
            store.threads(self.name),
            store.effects(tenant=self.name),
            [one.id for one in store.stops() if one.tenant == self.name],
            store.standing_approvals(self.name, limit=100),
            [entry.hash for entry in entries(self.guard, tenant=self.name)],
            self.graph.get_state(self.config).values,
        ]


@pytest.fixture
def tenants(scene: Scene) -> tuple[Tenant, Tenant]:
    for name in TENANTS:
        person = Person(
            id=f"{name}-manager", email=f"manager@{name}.example", tenant=name, roles=("manager",)
        )
        scene.people.people[person.id] = person
    people = [f"manager@{name}.example" for name in TENANTS]
    stage = {"role": "manager", "approvers": people, "channel": "desk", "assurance": "local_operator"}
    made: list[Tenant] = []
    for name in TENANTS:
        guard = scene.guard({"pay": ASK}, route={"stages": [stage], "standing": LIMITS})
        paid: list[JsonObject] = []
        tool = payer(guard, paid, key=lambda args: args.claim)
        made.append(Tenant(name, guard, compiled(guard, [PAY, *["Done."] * 3], [tool]), paid))
    return made[0], made[1]


def test_two_who_do_the_same_are_two(tenants: tuple[Tenant, Tenant]) -> None:
    north, south = tenants
    theirs, ours = north.asked(), south.asked()
    assert theirs.request.id != ours.request.id
    before = south.looks()
    decide(north.guard, theirs, by=north.manager)
    assert work(north.guard, rounds=2)[0].resumed == 1
    assert (len(north.paid), south.paid) == (1, [])
    assert south.looks() == before
    decide(south.guard, ours, by=south.manager)
    out = go_on(south.graph, south.config)
    assert told(out) == ["paid 5"], "the key of an effect is one tenant's"
    assert out["messages"][0].text == "Pay, says south."
    for one in tenants:
        assert [row.state for row in one.guard.store.effects(tenant=one.name)] == [EffectState.DONE]
        assert verify(one.name, entries(one.guard, tenant=one.name)).intact


def test_nobody_decides_for_another_tenant(tenants: tuple[Tenant, Tenant]) -> None:
    north, south = tenants
    theirs = north.asked()
    desk = south.guard.desk
    person = Person(id=south.manager, tenant="south", roles=("manager",))
    before = north.graph.get_state(north.config).values
    for kind in ("approve", "reject"):
        with pytest.raises(UnknownApprovalError):
            decide(south.guard, theirs, kind, by=south.manager)
    with pytest.raises(UnknownApprovalError):
        desk.see(theirs.request.id, person)
    assert not desk.may_look(theirs, person)
    assert list(desk.waiting(person)) == []
    assert waiting(north.guard, north.config) == [theirs]
    assert north.graph.get_state(north.config).values == before
    refused = entries(north.guard, "approval.refused", tenant="south")
    noted = entries(north.guard, "approval.refused", tenant="north")
    assert (refused, [entry.event.data["why"] for entry in noted]) == ([], ["other_tenant"] * 2)


def test_the_store_names_the_tenant_in_every_question(tenants: tuple[Tenant, Tenant]) -> None:
    north, south = tenants
    theirs = north.asked()
    decide(
        north.guard,
        theirs,
        by=north.manager,
        standing=StandingWish(scope="thread", seconds=3600.0, uses=5),
    )
    work(north.guard)
    [standing] = north.guard.store.standing_approvals("north", limit=10)
    [effect] = north.guard.store.effects(tenant="north")
    before = north.looks()
    store, asked = south.guard.store, theirs.request.id
    assert store.turn("south", "t") is None
    assert store.turn_input("south", "t", 1) is None
    assert list(store.threads("south")) == []
    assert list(store.listed(tenant="south")) == []
    assert list(store.approvals("south", [asked])) == []
    assert list(store.effects(tenant="south")) == []
    assert store.effect("south", effect.key) is None
    assert list(store.entries("south")) == []
    assert list(store.history("south", "t")) == []
    assert list(store.messages("south", "t")) == []
    assert list(store.posts("south", asked)) == []
    assert store.standing_approval("south", standing.id) is None
    assert list(store.standing_approvals("south", limit=10)) == []
    assert not store.redrive("south", "t", by="x")
    settled = store.reconcile("south", effect.key, state=EffectState.DONE, result=None, by="x", events=[])
    assert not settled
    assert south.graph.get_state(south.config).values == {}
    with pytest.raises(UnknownApprovalError):
        south.guard.desk.standing.revoke(
            standing.id, identity=south.manager, why="x", assurance=Assurance.OIDC, via="web"
        )
    assert north.looks() == before


@pytest.mark.promise("P9")
def test_a_stop_stops_its_tenant_only(tenants: tuple[Tenant, Tenant]) -> None:
    north, south = tenants
    for one in tenants:
        decide(one.guard, one.asked(), by=one.manager)
    [row] = north.guard.store.threads("north")
    for scope, target in (("thread", "t"), ("agent", row.agent), ("tenant", None)):
        order: Any = {"scope": scope, "target": target, "by": "ops", "why": "drill", "at": 0.0}
        north.guard.store.set_stop(StopOrder(id=scope, tenant="north", **order))
    for one in tenants:
        go_on(one.graph, one.config)
    assert ended(north.guard, north.config).reason is NoResultReason.STOPPED_BY_OPERATOR
    assert (north.paid, len(south.paid)) == ([], 1)


def test_the_http_api_tells_another_tenant_nothing(url: str) -> None:
    claims = SqlClaims(url)
    try:
        office = Office(claims)
        foreign = claims.ask(stages=(TOKEN_STAGE,))
        ana, olga = office.caller(FIRST), office.caller(OUTSIDER)
        stop = ana.post("/stops", {"scope": "agent", "target": "another", "why": "drill"}).json()
        key = ana.key()
        assert ana.decide(foreign, key).status_code == 200
        decided = claims.now(foreign)
        absent = "f" * 32
        for part in ("", "/trail"):
            there = olga.get(f"/approvals/{foreign.request.id}{part}")
            nowhere = olga.get(f"/approvals/{absent}{part}")
            assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)
        assert kind_of(olga.decide(foreign, key)) == "not_found", "nor is it told a reply that was kept"
        assert kind_of(olga.post(f"/approvals/{foreign.request.id}/cancel", {"why": "x"})) == "not_found"
        assert kind_of(olga.post(f"/stops/{stop['id']}/lift", {"why": "x"})) == "not_found"
        assert kind_of(olga.get("/history", thread=foreign.request.thread_id)) == "not_found"
        for path in ("/approvals", "/stops", "/threads", "/standing"):
            answer = olga.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert answer.json()["items"] == [], path
        assert claims.now(foreign) == decided
        assert decided.state is ApprovalState.APPROVED
        assert [one.id for one in claims.store.stops()] == [stop["id"]]
        assert claims.audited("api.refused", "acme") == []
    finally:
        claims.database.close()
