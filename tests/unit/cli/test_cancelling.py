"""Questions are listed by whoever asked them, and withdrawn, at the command line."""

from __future__ import annotations

import json

import pytest

from guardkit.core.approvals import ApprovalState
from tests.unit.cli.office import Office


def test_what_somebody_asked_is_listed_in_every_state(office: Office) -> None:
    settled, waits = office.ask(), office.ask()
    office.decide(settled, "dana")
    office.ask(tenant="north")

    def listed(*more: str) -> list[str]:
        return [one["id"] for one in json.loads(office("list", "--asked-by", "uma", "--json", *more).out)]

    assert listed() == [waits.request.id]
    assert listed("--all") == [waits.request.id, settled.request.id]
    assert listed("--status", "approved") == [settled.request.id]
    assert json.loads(office("list", "--asked-by", "dana@example.com", "--all", "--json").out) == []
    stranger = office("list", "--asked-by", "nobody")
    assert (stranger.status, "--asked-by" in stranger.err) == (2, True)


@pytest.mark.promise("P4")
def test_whoever_asked_withdraws_it(office: Office) -> None:
    approval = office.ask()
    done = office(
        "cancel", approval.request.id[:8], "--as", "uma@example.com", "--why", "paid by hand", "--json"
    )
    assert (done.status, json.loads(done.out)["state"]) == (0, "cancelled")
    (said,) = [one.event for one in office.store.entries("default") if one.event.kind == "approval.cancelled"]
    assert (said.data["by"], said.data["why"], said.data["operator"]) == ("uma", "paid by hand", False)
    again = office("cancel", approval.request.id, "--as", "uma", "--why", "again", "--json")
    assert (again.status, json.loads(again.out)["reason"]) == (4, "already_settled")


def test_an_operator_withdraws_it(office: Office) -> None:
    approval = office.ask()
    office.decide(approval, "dana")
    done = office("cancel", approval.request.id, "--by", "ops", "--why", "wrong account")
    assert (done.status, done.out) == (0, "approval is cancelled\n")
    (said,) = [one.event for one in office.store.entries("default") if one.event.kind == "approval.cancelled"]
    assert (said.data["by"], said.data["operator"]) == ("ops", True)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("who", "why", "status", "said"),
    [
        (("--as", "dana"), "no", 5, "only whoever started or steered"),
        (("--as", "nora"), "no", 3, "no such approval"),
        (("--as", "nobody"), "no", 5, "nobody is known"),
        ((), "no", 2, "say who withdraws it"),
        (("--as", "uma", "--by", "ops"), "no", 2, "say who withdraws it"),
        (("--as", "uma"), " ", 2, "needs a reason"),
        (("--by", "ops"), "x" * 501, 2, "500 are allowed"),
    ],
)
def test_what_cannot_be_withdrawn_so_stays(
    office: Office, who: tuple[str, ...], why: str, status: int, said: str
) -> None:
    approval = office.ask()
    refused = office("cancel", approval.request.id, *who, "--why", why)
    assert refused.status == status
    assert said in " ".join(refused.err.split())
    assert office.now(approval).state is ApprovalState.PENDING
