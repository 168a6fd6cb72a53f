"""Deciding on several approvals at the command line at once, and one's own list."""

from __future__ import annotations

import json

import pytest

from guardkit.core.approvals import Approval
from tests.unit.cli.office import ARGS, Office, hash_of

pytestmark = pytest.mark.promise("P2", "P5")


def words(*approvals: Approval) -> list[str]:
    """What a script that has looked at all of them says."""
    hashes = [word for one in approvals for word in ("--shown", hash_of(one))]
    return [*(one.request.id for one in approvals), "--as", "dana@example.com", "--yes", *hashes]


def states(office: Office, *approvals: Approval) -> list[str]:
    return [office.now(one).state.value for one in approvals]


def test_several_are_approved_each_with_its_own_record(office: Office) -> None:
    one, two = office.ask(), office.ask({**ARGS, "claim": "C-2"})
    done = office("approve", *words(one, two), "--reason", "fine")
    assert (done.status, done.err) == (0, "")
    assert done.out.count("48000") == 2, "both are shown"
    assert [line.split()[1] for line in done.out.splitlines()[-2:]] == ["approved", "approved"]
    said = [office.now(approval).decisions[0] for approval in (one, two)]
    assert [(decision.reason, decision.via) for decision in said] == [("fine", "cli")] * 2
    assert len({decision.signature for decision in said}) == 2
    assert len({decision.delivery for decision in said}) == 1


@pytest.mark.promise("P1")
def test_what_has_changed_is_refused_and_the_others_go_through(office: Office) -> None:
    one, two = office.ask(required=2), office.ask(required=2)
    looked_at = words(one, two)
    office.decide(one, "eli")
    done = office("approve", *looked_at, "--json")
    assert done.status == 6
    first, second = json.loads(done.out)
    assert (first["approval"], first["refused"]["reason"]) == (one.request.id, "shown_mismatch")
    assert (second["approval"], second["refused"], second["version"]) == (two.request.id, None, 1)
    assert [said.person for said in office.now(one).decisions] == ["eli"]


def test_a_rejection_of_several_has_a_reason(office: Office) -> None:
    one, two = office.ask(), office.ask()
    silent = office("reject", *words(one, two))
    assert (silent.status, states(office, one, two)) == (2, ["pending", "pending"])
    assert silent.err.count("needs a reason") == 2
    assert office("reject", *words(one, two), "--reason", "no").status == 0
    assert states(office, one, two) == ["rejected", "rejected"]


@pytest.mark.promise("P15")
def test_what_cannot_be_meant_changes_nothing(office: Office) -> None:
    one, two = office.ask(), office.ask()
    ids, person = [one.request.id, two.request.id], ["--as", "dana"]
    for typed, told in (
        ([*ids, *person], "nobody can be asked"),
        ([*ids, *person, "--yes"], "--shown once for each"),
        ([*ids, *person, "--yes", "--shown", hash_of(one)], "--shown once for each"),
        ([*ids, *person, "--yes", "--shown", "x", "--shown", "y"], "64 hex digits"),
        ([*ids, *person, "--yes", "--digest", one.digest], "--digest is about one approval"),
        ([ids[0], *person, "--yes", "--shown", hash_of(one), "--shown", hash_of(two)], "more often"),
        ([*words(one, two), ids[0]], "--shown once for each"),
    ):
        refused = office("approve", *typed)
        assert (refused.status, told in refused.err) == (2, True), (typed, refused.err)
    twice = office("approve", *words(one, one))
    assert (twice.status, "twice" in twice.err) == (2, True)
    third = office.ask(rules=("another",))
    mixed = office("approve", *words(one, third))
    assert (mixed.status, "neither of one run nor of one kind" in mixed.err) == (2, True)
    assert states(office, one, two, third) == ["pending"] * 3


def test_who_may_not_decide_is_told_for_each(office: Office) -> None:
    one, two = office.ask(), office.ask()
    typed = [word if word != "dana@example.com" else "uma@example.com" for word in words(one, two)]
    refused = office("approve", *typed, "--json")
    assert refused.status == 5
    assert [line["refused"]["reason"] for line in json.loads(refused.out)] == ["requester"] * 2
    assert states(office, one, two) == ["pending", "pending"]


def test_ones_own_list(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.ask()
    nobody = office("list", "--mine")
    assert (nobody.status, "GUARDKIT_PERSON" in nobody.err) == (2, True)
    monkeypatch.setenv("GUARDKIT_PERSON", "dana@example.com")
    assert len(json.loads(office("list", "--mine", "--json").out)) == 1
    monkeypatch.setenv("GUARDKIT_PERSON", "finn@example.com")
    assert json.loads(office("list", "--mine", "--json").out) == []
    both = office("list", "--mine", "--for", "dana@example.com")
    assert (both.status, "exclude each other" in both.err) == (2, True)
    settled = office("list", "--mine", "--all")
    assert (settled.status, "waits for nobody" in settled.err) == (2, True)
