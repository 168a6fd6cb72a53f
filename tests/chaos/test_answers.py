"""Answers out of order, twice, late, early, wrong and by the wrong people: none runs a wrong action, none runs one twice."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.answers import trial
from tests.chaos.processes import CONTEXT
from tests.chaos.results import keep
from tests.chaos.scene import Kind, template
from tests.conftest import Campaign

AT_ONCE = 2


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.promise("P1", "P2", "P4", "P5", "P12")
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "mariadb"])
def test_no_answer_runs_a_wrong_action_or_one_twice(campaign: Campaign, kind: Kind, tmp_path: Path) -> None:
    trials = campaign.trials if kind == "sqlite" else campaign.trials_on_servers
    run = partial(trial, campaign.seed, parent=tmp_path, empty=template(tmp_path), kind=kind)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    with ProcessPoolExecutor(AT_ONCE, mp_context=CONTEXT) as pool:
        for number, found in enumerate(pool.map(run, range(trials))):
            counts.update(found.counts)
            counts["trials"] += 1
            counts["wrong effects"] += len(found.wrong)
            counts["repeated effects"] += len(found.repeated)
            again = f"python -m tests.chaos.answers --seed {campaign.seed} --trial {number} --kind {kind}"
            problems += [f"{again}: {problem}" for problem in found.all()]
    assert not problems, "\n".join(problems)
    assert counts["trials"] == trials
    assert counts["effect done"] > 0
    if campaign.full:
        keep(f"chaos_answers_{kind}", campaign.seed, counts)
