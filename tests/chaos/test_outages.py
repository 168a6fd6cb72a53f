"""The database fails in the middle of everything: nothing is lost, nothing happens twice, and nobody has to help."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import pytest

from tests.chaos.outages import trial
from tests.chaos.results import keep
from tests.conftest import Campaign
from tests.sql.servers import own_server


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.promise("P3", "P10", "P11", "P12")
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_what_is_cut_off_or_crashes_loses_nothing_and_repeats_nothing(
    campaign: Campaign, kind: Literal["postgres", "mariadb"], tmp_path: Path
) -> None:
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with own_server(kind) as server:
        for number in range(campaign.outages):
            found = trial(campaign.seed, number, tmp_path, server)
            counts.update(found.counts)
            counts["trials"] += 1
            counts["repeated effects"] += len(found.repeated)
            counts["wrong effects"] += len(found.wrong)
            problems += [f"trial {number}: {problem}" for problem in found.all()]
    assert not problems, "\n".join([f"--chaos-seed={campaign.seed}", *problems])
    assert counts["server crashed"] == campaign.outages
    assert counts["effect done"] > 0
    if campaign.full:
        assert counts["cut in a transaction"] > campaign.outages, "a sample is too short to be sure of any"
        keep(f"chaos_outages_{kind}", campaign.seed, counts)
