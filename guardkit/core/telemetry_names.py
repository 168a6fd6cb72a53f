"""Every name that telemetry uses. What each means is in `guardkit.core.telemetry_schema`.

`gen_ai.*` and `session.id` are names that viewers of traces know; `openinference.span.kind` and `error.type` likewise.
Everything else is guardkit's own, so that it does not change when a draft of a convention does.
"""

from typing import Final

# --- spans: the name is the verb and what it is about ----------------------------------------------------------------

RUN_TURN: Final = "run_turn"
GUARD_STEP: Final = "guard_step"
APPLY_POLICY: Final = "apply_policy"
APPLY_GUARDRAIL: Final = "apply_guardrail"
REQUEST_APPROVAL: Final = "request_approval"
DECIDE_APPROVAL: Final = "decide_approval"
EXPIRE_APPROVAL: Final = "expire_approval"
RESUME_APPROVAL: Final = "resume_approval"
PERFORM_EFFECT: Final = "perform_effect"
VERIFY_OUTPUT: Final = "verify_output"

# --- events ----------------------------------------------------------------------------------------------------------

TOOL_DECISION: Final = "guardkit.tool.decision"
APPROVAL_REQUESTED: Final = "guardkit.approval.requested"
APPROVAL_CONSUMED: Final = "guardkit.approval.consumed"
RUN_PAUSED: Final = "guardkit.run.paused"
RUN_RESUMED: Final = "guardkit.run.resumed"
EFFECT_CLAIMED: Final = "guardkit.effect.claimed"
EFFECT_RECORDED: Final = "guardkit.effect.recorded"
STEP_FOLLOWED: Final = "guardkit.next_step"
TURN_ENDED: Final = "guardkit.turn.ended"
EMERGENCY_STOP: Final = "guardkit.emergency_stop"
CONTENT: Final = "guardkit.content"

# --- metrics ---------------------------------------------------------------------------------------------------------

GUARD_DURATION: Final = "guardkit.guard.duration"
DECISIONS: Final = "guardkit.decisions"
APPROVAL_REQUESTS: Final = "guardkit.approval.requests"
APPROVAL_WAIT: Final = "guardkit.approval.wait.duration"
EFFECTS: Final = "guardkit.effects"
NO_RESULTS: Final = "guardkit.no_results"
ROUNDS: Final = "guardkit.cdv.rounds"
FAULTS: Final = "guardkit.telemetry.faults"

# --- attributes ------------------------------------------------------------------------------------------------------

SPAN_KIND: Final = "openinference.span.kind"
AGENT: Final = "gen_ai.agent.name"
CONVERSATION: Final = "gen_ai.conversation.id"
SESSION: Final = "session.id"
OPERATION: Final = "gen_ai.operation.name"
TOOL: Final = "gen_ai.tool.name"
TOOL_CALL: Final = "gen_ai.tool.call.id"
ERROR_TYPE: Final = "error.type"

RUN_ID: Final = "guardkit.run.id"
RUN_STATUS: Final = "guardkit.run.status"
TURN: Final = "guardkit.turn"
TURN_CONTINUED: Final = "guardkit.turn.continued"
RESULT: Final = "guardkit.result"
NO_RESULT_REASON: Final = "guardkit.no_result.reason"
NO_RESULT_CAUSE: Final = "guardkit.no_result.cause"
NODE: Final = "guardkit.node"
TOOL_KIND: Final = "guardkit.tool.kind"
POLICY_ID: Final = "guardkit.policy.id"
POLICY_VERSION: Final = "guardkit.policy.version"
POLICY_RULE: Final = "guardkit.policy.rule.id"
DECISION: Final = "guardkit.decision"
GUARD_NAME: Final = "guardkit.guard.name"
GUARD_STAGE: Final = "guardkit.guard.stage"
VERDICT: Final = "guardkit.verdict"
FAIL_MODE: Final = "guardkit.fail_mode"
APPROVAL_ID: Final = "guardkit.approval.id"
APPROVAL_OUTCOME: Final = "guardkit.approval.outcome"
APPROVAL_SAID: Final = "guardkit.approval.said"
APPROVAL_CHANNEL: Final = "guardkit.approval.channel"
APPROVAL_ASSURANCE: Final = "guardkit.approval.assurance"
APPROVAL_TRACE: Final = "guardkit.approval.request.trace_id"
APPROVAL_WAITED: Final = "guardkit.approval.wait_duration"
EFFECT_STATE: Final = "guardkit.effect.state"
EFFECT_FRESH: Final = "guardkit.effect.fresh"
EFFECT_ATTEMPT: Final = "guardkit.effect.attempt"
NEXT_STEP: Final = "guardkit.next_step"
STOP_SOURCE: Final = "guardkit.stop.source"
ROUND: Final = "guardkit.cdv.round"
LINK_TYPE: Final = "guardkit.link.type"

# --- content: what people and models wrote, only where it is asked for ----------------------------------------------

TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
THOUGHT: Final = "guardkit.thought"
VERDICT_WHY: Final = "guardkit.verdict.why"
APPROVAL_REASON: Final = "guardkit.approval.reason"
QUESTION: Final = "guardkit.clarification.question"
DRAFT: Final = "guardkit.draft.text"
CLAIMS: Final = "guardkit.draft.claims"
CONTENT_CUT: Final = "guardkit.content.truncated"
