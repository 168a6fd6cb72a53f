"""Names that conventions for guardrails propose and have not agreed on, as copies of guardkit's own.

They come from open pull requests of OpenTelemetry's GenAI conventions as of September 2026: #427 (guardrails), #535
(decisions on tool calls) and #445 (pause and resume). They change; guardkit's own names do not.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from guardkit.core import telemetry_names as names
from guardkit.runtime.events import Attributes

VARIABLE = "OTEL_SEMCONV_STABILITY_OPT_IN"
TOKEN = "gen_ai_latest_experimental"  # noqa: S105  # a word in a list, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is copied from a span or an event."""

    copies: Mapping[str, str]
    """guardkit's attribute and the draft's name for it."""

    fixed: Mapping[str, str] = field(default_factory=dict[str, str])
    """What goes along."""

    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """Values that the draft has other words for, by guardkit's attribute."""

    def of(self, attributes: Attributes) -> Attributes:
        """The draft's attributes for what is known; empty when nothing of it is."""
        found: dict[str, str | int | float | bool] = {}
        for ours, theirs in self.copies.items():
            if ours in attributes:
                value = attributes[ours]
                found[theirs] = self.words.get(ours, {}).get(str(value), value)
        return {**found, **self.fixed} if found else {}


SPANS: Mapping[str, Draft] = {
    names.APPLY_GUARDRAIL: Draft(
        copies={
            names.GUARD_NAME: "gen_ai.guardrail.component.name",
            names.VERDICT: "gen_ai.guardrail.result.value",
        },
        fixed={"gen_ai.guardrail.result.type": "verdict"},
    ),
    names.APPLY_POLICY: Draft(
        copies={
            names.DECISION: "gen_ai.guardrail.result.value",
            names.POLICY_ID: "gen_ai.guardrail.policy.id",
            names.POLICY_VERSION: "gen_ai.guardrail.policy.version",
            names.POLICY_RULE: "gen_ai.guardrail.policy.rule.id",
        },
        fixed={"gen_ai.guardrail.result.type": "decision"},
    ),
}
"""Attributes that spans get beside their own, by verb."""

EVENTS: Mapping[str, Mapping[str, Draft]] = {
    names.TOOL_DECISION: {
        "gen_ai.guardrail.result": Draft(
            copies=SPANS[names.APPLY_POLICY].copies, fixed=SPANS[names.APPLY_POLICY].fixed
        ),
        "gen_ai.tool.call.decision": Draft(
            copies={
                names.TOOL: "gen_ai.tool.name",
                names.TOOL_CALL: "gen_ai.tool.call.id",
                names.DECISION: "gen_ai.tool.call.decision.outcome",
            },
            words={
                names.DECISION: {
                    "edit": "allow",
                    "escalate": "require_approval",
                    "reject": "deny",
                    "stop": "deny",
                }
            },
        ),
    },
    names.RUN_PAUSED: {
        "gen_ai.agent.paused": Draft(
            copies={names.RUN_ID: "gen_ai.agent.execution.id", names.APPROVAL_ID: "gen_ai.agent.pause.id"},
            fixed={"gen_ai.agent.pause.reason": "human_input"},
        ),
    },
    names.RUN_RESUMED: {
        "gen_ai.agent.resumed": Draft(
            copies={names.RUN_ID: "gen_ai.agent.execution.id"},
            fixed={"gen_ai.agent.resumed_from.type": "checkpoint"},
        ),
    },
}
"""Events that follow guardkit's own, by name."""


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the process asks for names of drafts."""
    return TOKEN in (word.strip() for word in environ.get(VARIABLE, "").split(","))


def more_of_span(verb: str, attributes: Attributes) -> Attributes:
    """What a span gets beside its own attributes."""
    draft = SPANS.get(verb)
    return {} if draft is None else draft.of(attributes)


def events_after(name: str, attributes: Attributes) -> Iterator[tuple[str, Attributes]]:
    """The events that follow one of guardkit's."""
    for theirs, draft in EVENTS.get(name, {}).items():
        yield theirs, draft.of(attributes)
