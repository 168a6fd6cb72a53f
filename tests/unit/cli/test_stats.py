"""Measuring the desk: at the command line, and by the names that hashes stand for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.office import ARGS, Office

pytestmark = pytest.mark.promise("P5")


def test_the_desk_is_measured_by_name(office: Office) -> None:
    alike, split = office.ask(required=2), office.ask(required=2, rules=("large",))
    for person in ("dana", "eli"):
        office.decide(alike, person)
    office.decide(split, "dana")
    office.decide(split, "eli", "reject", reason="no")
    office.decide(office.ask(), "dana", "edit", args={**ARGS, "cents": 1})
    office.ask()
    office.ask(tenant="north")
    found = json.loads(office("stats", "--since", "1h", "--json").out)
    assert found["counts"] == {"approve": 3, "edit": 1, "reject": 1, "respond": 0, "break_glass": 0}
    assert found["requests"] == {"compared": 2, "agreed": 1}
    by_name = {one["person"]: one for one in found["approvers"]}
    assert set(by_name) == {"dana", "eli"}
    dana, eli = by_name["dana"], by_name["eli"]
    assert (dana["answered"], dana["counts"]["edit"], dana["open"]) == (3, 1, 1)
    assert (eli["answered"], eli["counts"]["reject"], eli["open"]) == (2, 1, 1)
    assert 0 <= dana["median_seconds"] <= dana["slow_seconds"] < 600
    assert {(one["person"], one["rule"]): one["answered"] for one in found["by_rule"]} == {
        ("dana", ""): 2,
        ("dana", "large"): 1,
        ("eli", ""): 1,
        ("eli", "large"): 1,
    }
    shown = office("stats").out
    assert "5 answers in" in shown
    assert "1 of 2 (50 %)" in shown
    assert "dana" in shown
    north = json.loads(office("stats", "--tenant", "north", "--json").out)
    assert [(one["person"], one["open"], one["answered"]) for one in north["approvers"]] == [("nora", 1, 0)]


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("since", "told"), [("soon", "--since"), ("401d", "at most 400d"), ("0s", "--since")]
)
def test_a_window_that_is_none_is_refused(office: Office, since: str, told: str) -> None:
    refused = office("stats", "--since", since)
    assert (refused.status, told in refused.err) == (2, True), refused.err


def test_who_has_left_is_still_named_by_what_they_decided(office: Office) -> None:
    office.decide(office.ask(), "eli")
    people = Path("people.yaml")
    people.write_text(
        people.read_text().replace("  - {id: eli, email: eli@example.com, roles: [manager]}\n", "")
    )
    found = json.loads(office("stats", "--json").out)
    assert [(one["person"], one["open"]) for one in found["approvers"]] == [("eli", 0)]
