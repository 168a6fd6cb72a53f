"""Workers race for what racing people have decided, are killed and frozen all the while, and nothing goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.races import DESKS, LEASE, Size, campaign as run
from tests.chaos.results import keep
from tests.chaos.scene import Kind, template
from tests.conftest import Campaign

WHOLE = Size(workers=8, approvals=1000, faults=300, life=(6, 20), seconds=3000)
SAMPLE = Size(workers=3, approvals=30, faults=8, life=(2, 6), seconds=900)


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.promise("P2", "P3", "P11", "P12")
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
def test_racing_workers_and_people_settle_each_question_once_and_repeat_nothing(
    campaign: Campaign, kind: Kind, tmp_path: Path
) -> None:
    size = WHOLE if campaign.full else SAMPLE
    found = run(campaign.seed, size, tmp_path, template(tmp_path), kind)
    assert not found.all(), "\n".join([f"--chaos-seed={campaign.seed}", *found.all()])
    counts = found.counts
    assert counts["approvals"] >= size.approvals
    assert counts["effect done"] > 0
    assert counts["kills"] > 0
    if campaign.full:
        assert counts["leases lost asleep"] > 0
        about = {
            "database": found.database,
            "workers": size.workers,
            "desks": DESKS,
            "lease_seconds": int(LEASE),
        }
        keep(f"chaos_races_{kind}", campaign.seed, counts, **about)
