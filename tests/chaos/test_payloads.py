"""Payloads that are almost right, at every address that strangers reach: no fault, and nothing changes.

Whoever sends them has the right to nothing of it, so any change of what is behind the address is a wrong one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings, strategies as st

from guardkit.core.ports import Store
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.testing.slack import SlackServer
from tests.chaos.doors import SENDERS, Door, audit
from tests.chaos.doors_chat import SlackByHttp, SlackBySocket, TeamsEndpoint
from tests.chaos.doors_web import MailForm, MailPage, SignInCallback
from tests.chaos.mutations import Shot
from tests.chaos.results import keep
from tests.conftest import Campaign
from tests.unit.teams.microsoft import Microsoft
from tests.web.provider import Forger

DOORS = ("slack by http", "slack by socket mode", "teams", "mail page", "mail form", "sign-in callback")
DATABASES = ("sqlite", "postgres", "mariadb")
BATCH = 10
"""Payloads after which is looked whether anything has changed."""

_ROOM = 3.5
"""Seconds after which a refusal is written down again, with the number of those that were not."""


@pytest.fixture(scope="session")
def kept(campaign: Campaign) -> Iterator[Counter[str]]:
    """What the whole campaign found; it is kept once every address was tried with every database."""
    counts: Counter[str] = Counter()
    yield counts
    if campaign.full and counts.pop("parts") == len(DOORS) * len(DATABASES):
        keep("chaos_payloads", campaign.seed, counts)


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    url = request.getfixturevalue(f"{request.param}_url")
    upgrade(url)
    with Database(url) as database:
        yield SQLStore(database)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Iterator[Door]:
    with ExitStack() as stack:
        match request.param:
            case "slack by http":
                yield SlackByHttp(
                    store, stack.enter_context(SlackServer(ack_seconds=60, trigger_seconds=7200))
                )
            case "slack by socket mode":
                yield SlackBySocket(
                    store, stack.enter_context(SlackServer(ack_seconds=60, trigger_seconds=7200))
                )
            case "teams":
                microsoft = Microsoft(tmp_path)
                stack.callback(microsoft.close)
                yield TeamsEndpoint(store, microsoft)
            case "mail page":
                yield MailPage(store)
            case "mail form":
                yield MailForm(store)
            case _:
                yield SignInCallback(store, stack.enter_context(Forger()))


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module"
)  # other threads do, while hypothesis draws
@pytest.mark.promise("P6", "P15")
def test_no_payload_of_a_stranger_makes_a_fault_or_changes_anything(
    campaign: Campaign, kept: Counter[str], door: Door, request: pytest.FixtureRequest
) -> None:
    counts: Counter[str] = Counter()
    before = door.standing()
    batches = -(-campaign.payloads // (BATCH * len(DATABASES)))

    @seed(campaign.seed)
    @settings(
        max_examples=batches,
        database=None,
        derandomize=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(random=st.randoms(use_true_random=True))
    def throw(random: Random) -> None:
        shots: list[Shot] = []
        for _ in range(BATCH):
            sender = random.choice(SENDERS)
            shots.append(door.shot(random, sender))
            status = door.fire(shots[-1])
            counts.update([f"status {status}", f"who {sender}", *(f"with {one}" for one in shots[-1].done)])
            counts["payloads"] += 1
            # An address that is none is refused before the channel behind it is known.
            counts["refusals due"] += status in door.refuses and "address (request)" not in shots[-1].done
            assert status < 500, shots[-1]
        assert door.standing() == before, shots

    try:
        throw()
        audited = refusals(door.store)
        if audited < counts["refusals due"]:
            time.sleep(_ROOM)
            door.provoke()
            audited = refusals(door.store) - 1
    finally:
        door.close()
    counts["state changes"] = int(door.standing() != before)
    counts["5xx"] = sum(number for name, number in counts.items() if name.startswith("status 5"))
    counts["audited refusals"] = audited
    assert counts["payloads"] >= batches * BATCH
    assert (counts["5xx"], counts["state changes"]) == (0, 0)
    assert audited >= counts["refusals due"]
    assert audited > 0 or not door.audits
    name = request.node.callspec.params["door"]
    for what in ("payloads", "5xx", "state changes", "audited refusals"):
        kept[f"{name}: {what}"] += counts[what]
    for what, number in counts.items():
        if what.startswith(("status ", "who ", "with ")):
            kept[f"all: {what}"] += number
    kept["parts"] += 1


def refusals(store: Store) -> int:
    """How many refusals the audit log knows of: each has an entry, or is in the number of those that have none."""
    found = (entry.event for entry in audit(store))
    refused = (event for event in found if event.kind in ("channel.refused", "approval.refused"))
    return sum(1 + int(str(event.data.get("left_out", 0))) for event in refused)
