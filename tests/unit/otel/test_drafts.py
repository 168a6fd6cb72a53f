"""Names of drafts: copies of guardkit's own, only where they are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.otel import OpenTelemetry, drafts
from tests.unit.otel.scene import SECRETS, Mode, Seen, a_check, agent, script, whole_run


def drafted(seen: Seen) -> set[str]:
    """All names that guardkit does not use by itself."""
    own = {
        "gen_ai.agent.name",
        "gen_ai.conversation.id",
        "gen_ai.operation.name",
        "gen_ai.tool.name",
        "gen_ai.tool.call.id",
    }
    shown = {
        name
        for span in seen.spans
        for name in (*(span.attributes or {}), *(event.name for event in span.events))
    }
    said = {name for event in seen.events() for one in seen.logged(event) for name in (event, *one)}
    return {name for name in shown | said if name.startswith("gen_ai.")} - own


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, False), ("", False), ("http", False), ("gen_ai_latest_experimental", True),
        ("http, gen_ai_latest_experimental ,database", True), ("gen_ai_latest_experimental_2", False),
    ],
)  # fmt: skip
def test_the_standard_variable_asks_for_them(
    value: str | None, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(drafts.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(drafts.VARIABLE, value)
    assert drafts.wanted() is wanted
    seen = Seen()
    guardrail = seen.telemetry.start("apply_guardrail tidy", {"guardkit.guard.name": "tidy"})
    guardrail.end()
    assert (
        "gen_ai.guardrail.component.name" in (seen.one("apply_guardrail tidy").attributes or {})
    ) is wanted


def test_without_it_no_draft_is_shown(tmp_path: Path, run: Mode) -> None:
    seen = Seen(draft_conventions=False)
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), [("tidy", a_check)])
    whole_run(guard, graph, run)
    assert drafted(seen) == set()


def test_with_it_they_come_beside_guardkits_own(tmp_path: Path, run: Mode) -> None:
    seen = Seen(draft_conventions=True)
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), [("tidy", a_check)])
    whole_run(guard, graph, run)

    check = dict(seen.named("apply_guardrail tidy")[0].attributes or {})
    assert check["gen_ai.guardrail.component.name"] == check["guardkit.guard.name"] == "tidy"
    assert check["gen_ai.guardrail.result.type"] == "verdict"
    assert check["gen_ai.guardrail.result.value"] == check["guardkit.verdict"] == "pass"
    policy = dict(seen.named("apply_policy mail")[0].attributes or {})
    assert policy["gen_ai.guardrail.policy.id"] == policy["guardkit.policy.id"] == "mail"
    assert policy["gen_ai.guardrail.policy.version"] == "7"
    assert policy["gen_ai.guardrail.result.value"] == policy["guardkit.decision"] == "allow"

    outcomes = {
        one["gen_ai.tool.name"]: one["gen_ai.tool.call.decision.outcome"]
        for one in seen.logged("gen_ai.tool.call.decision")
    }
    assert outcomes == {"look_up": "allow", "wipe": "deny", "send_mail": "require_approval"}
    assert {one["gen_ai.guardrail.result.value"] for one in seen.logged("gen_ai.guardrail.result")} == {
        "allow", "reject", "escalate",
    }  # fmt: skip
    (paused,), (own,) = seen.logged("gen_ai.agent.paused"), seen.logged("guardkit.run.paused")
    assert paused == {
        "gen_ai.agent.execution.id": own["guardkit.run.id"],
        "gen_ai.agent.pause.id": own["guardkit.approval.id"],
        "gen_ai.agent.pause.reason": "human_input",
    }
    (resumed,), (own,) = seen.logged("gen_ai.agent.resumed"), seen.logged("guardkit.run.resumed")
    assert resumed["gen_ai.agent.execution.id"] == own["guardkit.run.id"]


def test_every_name_of_a_draft_is_shown_by_a_run(tmp_path: Path, run: Mode) -> None:
    seen = Seen(draft_conventions=True)
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), [("tidy", a_check)])
    whole_run(guard, graph, run)
    followers = [one for events in drafts.EVENTS.values() for one in events.items()]
    listed = {
        name
        for draft in (*drafts.SPANS.values(), *(one for _, one in followers))
        for name in (*draft.copies.values(), *draft.fixed)
    }
    assert drafted(seen) == (listed | {name for name, _ in followers}) - {
        "gen_ai.tool.name",
        "gen_ai.tool.call.id",
    }


@pytest.mark.promise("P13")
def test_they_hold_nothing_that_was_said(tmp_path: Path, run: Mode) -> None:
    seen = Seen(draft_conventions=True)
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), [("tidy", a_check)])
    whole_run(guard, graph, run)
    text = seen.everything()
    assert "gen_ai.guardrail.result" in text
    assert [secret for secret in SECRETS if secret in text] == []


def test_the_argument_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(drafts.VARIABLE, drafts.TOKEN)
    seen = Seen(draft_conventions=False)
    seen.telemetry.event("guardkit.run.resumed", {"guardkit.run.id": "r"})
    assert seen.events() == ["guardkit.run.resumed"]
    assert OpenTelemetry(draft_conventions=False)
