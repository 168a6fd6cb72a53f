"""Anomalies on the command line."""

from __future__ import annotations

import json

import pytest

from guardkit.core.anomalies import Anomaly
from guardkit.sql import Database
from tests.unit.cli.conftest import Line
from tests.unit.watch.past import Desk


@pytest.fixture
def found(line: Line) -> Anomaly:
    """What is unusual of an agent with a hostile name."""
    with Database(f"sqlite:///{line.folder / 'guardkit.db'}") as database:
        desk = Desk(database)
        desk.live("[red]claims")
        desk.burst("[red]claims")
        (found,) = desk.anomalies.look(desk.watch)
    return found


def test_anomalies_are_listed_and_settled(line: Line, found: Anomaly) -> None:
    listed = line("anomalies", "list")
    assert listed.status == 0
    assert found.id in listed.out
    assert "[red]claims" in listed.out
    assert "blocked: 8 of 10, usually 0.0 %" in listed.out
    assert json.loads(line("anomalies", "list", "--json").out) == [found.model_dump(mode="json")]
    assert json.loads(line("anomalies", "list", "--json", "--tenant", "north").out) == []

    settled = line("anomalies", "settle", found.id, "--by", "olga", "--why", "a drill", "--anew")
    assert (settled.status, settled.out) == (0, "settled\n")
    assert json.loads(line("anomalies", "list", "--json").out) == []
    (after,) = json.loads(line("anomalies", "list", "--all", "--json").out)
    assert (after["settled_by"], after["anew"]) == ("olga", True)
    assert "olga" in line("anomalies", "list", "--all").out


def test_what_is_not_there_cannot_be_settled(line: Line, found: Anomaly) -> None:
    refused = line("anomalies", "settle", f"{found.id}x", "--by", "olga", "--why", "a drill")
    assert refused.status == 2
    assert "guardkit anomalies list" in refused.err
