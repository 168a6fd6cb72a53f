"""The contract of the port `Listings`."""

import time
from typing import Any

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.breaking import break_glass
from guardkit.core.calendars import BusinessTime, Calendar
from guardkit.core.listings import Listed, ListName, ListPlace, ListQuery, asker_keys, keys_of
from guardkit.core.people import Assurance, Person
from guardkit.core.ports import Store
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.errors import InputError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, refused
from guardkit.testing.contracts.samples import ADA, STAGE, TENANT

_STRANGER = Person(id="zoe", groups=("desk",), roles=("clerk",))
_LATER = ApprovalStage(
    approvers=("Ada@Corp.example",),
    channels=("desk",),
    escalations=(Escalation(after=3600.0, groups=("night",), channels=("desk",)),),
)


def _asked(store: Store, thread_id: str, *, tenant: str = TENANT, **more: Any) -> Approval:
    run = samples.opened(store, thread_id, tenant=tenant).run
    (approval,) = store.register(run, [samples.request(run, **more)], [])
    store.close_run(run, samples.closing("paused"), [])
    time.sleep(0.01)
    return approval


def _found(store: Store, of: ListName, person: Person = ADA, *, limit: int = 50, **asked: Any) -> list[str]:
    return [one.approval.request.thread_id for one in _listed(store, of, person, limit=limit, **asked)]


def _listed(
    store: Store, of: ListName, person: Person = ADA, *, limit: int = 50, **asked: Any
) -> list[Listed]:
    place = asked.pop("place", None)
    query = ListQuery(list=of, **asked)
    keys = asker_keys(person) if of is ListName.ASKED else keys_of(person)
    return list(store.find_listed(TENANT, keys, query, limit=limit, place=place))


class ListingsContract:
    """Finding what stands in people's lists."""

    def test_what_is_open_is_listed_first_due_first(self, store: Store) -> None:
        for thread_id, expires_in in (("a", 300.0), ("b", None), ("c", 100.0), ("d", None)):
            _asked(store, thread_id, expires_in=expires_in)
        _asked(store, "e", tenant="other")
        for of in (ListName.WAITING, ListName.OPEN):
            expect(_found(store, of), ["c", "a", "b", "d"], "the order")
            expect(_found(store, of, _STRANGER), [], "what concerns another role")
        expect(_found(store, ListName.HISTORY), [], "the history")

    def test_an_approval_moves_to_the_history_when_it_is_settled(self, store: Store) -> None:
        first, second = _asked(store, "a"), _asked(store, "b")
        for approval in (second, first):
            closed = close(approval, ApprovalState.CANCELLED, store.now())
            store.settle(closed, approval.version, [])
            time.sleep(0.01)
        expect(_found(store, ListName.OPEN), [], "what is open")
        expect(_found(store, ListName.WAITING), [], "what waits")
        expect(_found(store, ListName.HISTORY), ["a", "b"], "the history")
        expect(_found(store, ListName.HISTORY, state="cancelled"), ["a", "b"], "those that are cancelled")
        expect(_found(store, ListName.HISTORY, state="rejected"), [], "those that are rejected")

    def test_the_stage_that_waits_is_the_one_that_lists(self, store: Store) -> None:
        approval = _asked(store, "a", stages=(STAGE, _LATER.model_copy(update={"approvers": ("ben",)})))
        ben = Person(id="ben")
        expect(_found(store, ListName.WAITING, ben), [], "before the first stage has answered")
        expect(_found(store, ListName.OPEN, ben), ["a"], "what is open")
        after = samples.said(store, approval)
        store.settle(after, approval.version, [])
        expect(_found(store, ListName.WAITING, ben), ["a"], "afterwards")
        expect(_found(store, ListName.WAITING), [], "for who has answered")
        expect(_found(store, ListName.OPEN), ["a"], "what is open for who has answered")

    def test_names_count_in_any_case_and_escalations_after_their_time(self, store: Store) -> None:
        _asked(store, "a", stages=(_LATER,))
        expect(_found(store, ListName.WAITING), ["a"], "by an address")
        expect(_found(store, ListName.WAITING, Person(id="n", groups=("night",))), [], "before the time")

    def test_escalations_in_working_time_count_after_it(self, store: Store) -> None:
        for thread_id, seconds in (("soon", 0.05), ("later", 3600.0)):
            step = Escalation(after=BusinessTime(seconds=seconds), groups=("night",), channels=("desk",))
            working = Calendar(name="desk", zone="UTC", week=(((0, 1440),),) * 7)
            _asked(
                store,
                thread_id,
                stages=(_LATER.model_copy(update={"escalations": (step,), "calendar": working}),),
            )
        time.sleep(0.1)
        night = Person(id="n", groups=("night",))
        for of in (ListName.WAITING, ListName.OPEN):
            expect(_found(store, of, night), ["soon"], "after the working time")

    def test_who_may_break_the_glass_finds_it_and_who_reviews_finds_it_broken(self, store: Store) -> None:
        stage = ApprovalStage(approvers=("ada",), channels=("desk",))
        approval = _asked(store, "a", stages=(stage,), break_glass=samples.GLASS)
        ben, cleo = (one.model_copy(update={"groups": ()}) for one in (samples.BEN, samples.CLEO))
        expect(_found(store, ListName.WAITING, ben), [], "what waits for who may break it")
        expect(_found(store, ListName.OPEN, ben), ["a"], "what is open for who may break it")
        for of in (ListName.OPEN, ListName.HISTORY):
            expect(_found(store, of, cleo), [], "what concerns who would review it")
        said = samples.said(store, approval).decisions[0]
        broken = break_glass(
            approval,
            said.model_copy(
                update={
                    "kind": "break_glass",
                    "person": "ben",
                    "reason": "the house is on fire",
                    "assurance": Assurance.OIDC,
                }
            ),
            ben,
            [],
        )
        store.settle(broken, approval.version, [])
        expect(_found(store, ListName.HISTORY, cleo), ["a"], "the history of who reviews it")

    def test_whoever_asked_finds_what_they_asked_open_and_settled(self, store: Store) -> None:
        first = _asked(store, "a")
        _asked(store, "b", expires_in=None)
        store.settle(close(first, ApprovalState.CANCELLED, store.now()), 0, [])
        uma = Person(id="u-1", identities=("UMA",))
        expect(_found(store, ListName.ASKED, uma), ["b", "a"], "last asked first, under any of their names")
        expect(_found(store, ListName.ASKED, uma, state="pending"), ["b"], "what of it is open")
        expect(_found(store, ListName.ASKED, uma, asked_before=store.now() - 60), [], "what of it is old")
        expect(_found(store, ListName.ASKED), [], "what was asked for who decides")
        for of in (ListName.WAITING, ListName.OPEN, ListName.HISTORY):
            expect(_found(store, of, uma), [], f"the list {of.value}")

    def test_lists_are_filtered(self, store: Store) -> None:
        first = _asked(store, "claim-1", expires_in=100.0)
        _asked(store, "Claim-2", expires_in=None)
        now, of = store.now(), ListName.WAITING
        both = ["claim-1", "Claim-2"]
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"tool": "pay_claim"}, both),
            ({"tool": "pay"}, []),
            ({"agent": "agent"}, both),
            ({"agent": "agent@embedded"}, both),
            ({"requester": "uma"}, both),
            ({"requester": "Uma"}, []),
            ({"thread": "claim-1"}, ["claim-1"]),
            ({"asked_before": now + 60}, both),
            ({"asked_before": now - 60}, []),
            ({"until": now + 200}, ["claim-1"]),
            ({"since": now + 200}, ["Claim-2"]),
            ({"state": "pending"}, both),
            ({"search": "claim-"}, ["claim-1"]),
            ({"search": "Cl"}, ["Claim-2"]),
            ({"search": "pay_claim"}, both),
            ({"search": "uma"}, both),
            ({"search": first.request.id}, ["claim-1"]),
            ({"search": first.request.id[:12]}, ["claim-1"]),
            ({"search": "_laim"}, []),
            ({"search": "%"}, []),
            ({"search": "claim-", "tool": "other"}, []),
        ]
        for asked, expected in cases:
            expect(_found(store, of, **asked), expected, f"what {asked} finds")

    def test_pages_go_on_in_both_directions(self, store: Store) -> None:
        for number in range(7):
            _asked(store, f"t{number}", expires_in=100.0 + number // 2)
        for of in (ListName.WAITING, ListName.OPEN):
            whole = _listed(store, of)
            expect(len(whole), 7, "how many there are")
            here = ListPlace(at=whole[3].at, id=whole[3].approval.request.id)
            expect(_listed(store, of, place=here, limit=2), whole[4:6], "what follows")
            back = here.model_copy(update={"backwards": True})
            expect(_listed(store, of, place=back, limit=2), whole[2:0:-1], "what comes before")

    def test_one_who_holds_several_keys_finds_each_once(self, store: Store) -> None:
        _asked(store, "a", stages=(STAGE, STAGE.model_copy(update={"approvers": ("ada",), "role": None})))
        expect(_found(store, ListName.OPEN), ["a"], "by group and by name")
        many = Person(id="ada", groups=tuple(f"g{number}" for number in range(250)))
        expect(_found(store, ListName.OPEN, many), ["a"], "with many keys")
        expect(store.find_listed(TENANT, [], ListQuery(list=ListName.OPEN)), [], "without any key")

    def test_a_limit_out_of_range_is_refused(self, store: Store) -> None:
        for limit in (0, 1001):
            with refused(InputError, f"a limit of {limit}"):
                store.find_listed(TENANT, ["k"], ListQuery(list=ListName.OPEN), limit=limit)
