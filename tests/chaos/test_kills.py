"""Kill any process at any instant: nothing is lost and nothing happens twice."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.kills import trial
from tests.chaos.results import keep
from tests.chaos.scene import Kind, template
from tests.conftest import Campaign

AT_ONCE = 2


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.promise("P3", "P10", "P12")
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
def test_killed_processes_lose_no_decision_and_repeat_no_effect(
    campaign: Campaign, kind: Kind, tmp_path: Path
) -> None:
    empty = template(tmp_path)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    number = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while counts["kills"] < campaign.kills and not problems:
            numbers = range(number, number + 2 * AT_ONCE)
            number = numbers.stop
            for one, found in zip(
                numbers,
                pool.map(lambda one: trial(campaign.seed, one, tmp_path, empty, kind), numbers),
                strict=True,
            ):
                counts.update(found.counts)
                counts["trials"] += 1
                counts["repeated effects"] += len(found.repeated)
                counts["wrong effects"] += len(found.wrong)
                problems += [f"trial {one}: {problem}" for problem in found.all()]
    assert not problems, "\n".join([f"--chaos-seed={campaign.seed}", *problems])
    assert counts["effect done"] > 0
    if campaign.full:
        keep(f"chaos_kills_{kind}", campaign.seed, counts)
