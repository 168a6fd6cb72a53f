"""Kill the worker that is in Slack at any instant: each decision counts once, each payment is made once at most, and
no button stays alive that nobody looks after."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from guardkit import EffectState, Keys, Principal
from guardkit.core.audit import verify
from guardkit.testing.slack import CannotActError, Message, SlackServer
from tests.chaos.desk_in_slack import PAID, desk, work
from tests.chaos.processes import Child
from tests.chaos.results import keep
from tests.conftest import Campaign

KIM = Principal(id="kim@corp.example")
THREADS = 4
KILLS = 6
"""How often the worker of one trial is killed."""

_PATIENCE = 120.0
"""Seconds until what has to happen has not happened."""


class Trial:
    """One desk, one Slack, and a worker that is killed again and again."""

    def __init__(self, folder: Path, seed: str, slack: SlackServer) -> None:
        self.random = Random(seed)
        self.slack = slack
        self.folder = folder
        self.people = [slack.person(name.title(), f"{name}@corp.example") for name in ("ana", "ben", "cleo")]
        self.room = slack.conversation("claims", *self.people)
        self.keys = Keys.generate()
        self.channel = {
            "conversation": self.room.id,
            "token": slack.bot_token,
            "app_token": slack.app_token,
            "base_url": slack.base_url,
        }
        self.counts: Counter[str] = Counter()
        self.guard, self.graph = desk(folder, self.keys, self.channel)

    def begin(self) -> None:
        """Every thread asks for a payment, and pauses."""
        for number in range(THREADS):
            config = self.guard.config(f"t-{number}", KIM)
            self.graph.invoke({"messages": [("user", f"C-{number}")]}, config)

    def worker(self) -> Child:
        return Child(work, (self.folder, self.keys, self.channel))

    def alive(self) -> list[Message]:
        """The messages whose buttons can be clicked on."""
        return [one for one in self.slack.messages(self.room) if "gk_approve" in str(one.blocks)]

    def click(self) -> None:
        """Somebody approves something, or tries to."""
        messages = self.alive()
        if not messages or not self.slack.connections:
            time.sleep(0.02)
            return
        try:
            found = self.slack.click(
                self.random.choice(self.people), self.random.choice(messages), "gk_approve"
            )
        except CannotActError:
            return  # the message changed in this instant
        self.counts["clicks"] += 1
        self.counts["clicks without an answer"] += not found.acknowledged

    def kill_and_go_on(self) -> None:
        process = self.worker()
        until = time.monotonic() + self.random.uniform(0.3, 2.5)
        while time.monotonic() < until:
            self.click()
        process.kill()
        process.join(30)
        self.counts["kills"] += 1

    def finish(self) -> None:
        """A worker that is left alone: everything comes to its end."""
        process = self.worker()
        try:
            until = time.monotonic() + _PATIENCE
            while not self.is_over():
                assert time.monotonic() < until, f"not over: {self.standing()}"
                self.click()
        finally:
            process.kill()
            process.join(30)

    def is_over(self) -> bool:
        store = self.guard.store
        states = {row.status.value for row in store.threads(None)}
        asked = [one.request for one in store.listed()]
        posts = [post for one in asked for post in store.posts(one.tenant, one.id)]
        copies = any(post.open and post.address is not None for post in posts)
        return states <= {"done", "ended"} and not copies and not self.alive()

    def standing(self) -> str:
        threads = [(row.thread_id, row.status.value) for row in self.guard.store.threads(None)]
        approvals = [(one.state.value, len(one.decisions)) for one in self.guard.store.listed()]
        return f"threads {threads}, approvals {approvals}, {len(self.alive())} messages with buttons"

    def problems(self) -> list[str]:
        """What must not be."""
        found: list[str] = []
        book = self.folder / PAID
        paid = Counter(book.read_text().split() if book.exists() else ())
        found += [f"{claim} was paid {count} times" for claim, count in paid.items() if count > 1]
        states = {effect.key: effect.state for effect in self.guard.store.effects()}
        for key, state in states.items():
            if state is EffectState.DONE and paid[key] != 1:
                found.append(f"{key} is done, and paid {paid[key]} times")
            self.counts[f"effect {state.value}"] += 1
        for approval in self.guard.store.listed():
            people = [decision.person for decision in approval.decisions]
            if len(people) != 2 or len(set(people)) != 2:
                found.append(f"an approval was decided by {people}")
            posts = self.guard.store.posts(approval.request.tenant, approval.request.id)
            self.counts["copies"] += len(posts)
            if any(post.open and post.address is not None for post in posts):
                found.append("a known copy is still open")
        if not verify("default", self.guard.store.entries("default", limit=100_000)).intact:
            found.append("the audit chain is broken")
        return found


def trial(folder: Path, seed: str) -> tuple[Counter[str], list[str]]:
    with SlackServer(ack_seconds=1.0) as slack:
        one = Trial(folder, seed, slack)
        try:
            one.begin()
            for _ in range(KILLS):
                one.kill_and_go_on()
            one.finish()
            return one.counts, one.problems()
        finally:
            one.guard.database.close()


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.promise("P2", "P3", "P12")
def test_a_worker_that_is_killed_in_slack_loses_and_repeats_nothing(
    campaign: Campaign, tmp_path: Path
) -> None:
    counts: Counter[str] = Counter()
    number = 0
    while counts["kills"] < campaign.kills // 2:
        folder = tmp_path / f"trial-{number}"
        folder.mkdir()
        found, problems = trial(folder, f"{campaign.seed}-{number}")
        assert not problems, "\n".join([f"--chaos-seed={campaign.seed}, trial {number}", *problems])
        counts.update(found)
        counts["trials"] += 1
        number += 1
    assert counts["effect done"] > 0
    if campaign.full:
        keep("chaos_slack", campaign.seed, counts)
