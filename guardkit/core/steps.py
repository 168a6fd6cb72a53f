"""One turn of the ReAct loop: what the model wrote, the call that it proposes, what came back."""

from enum import StrEnum

from pydantic import Field

from guardkit.core.values import JsonObject, Value


class ToolKind(StrEnum):
    """What a tool does to the world."""

    READ = "read"
    """Changes nothing that matters; may run again."""
    EFFECT = "effect"
    """Changes something outside; runs at most once per key. Undeclared tools count as effects."""
    RETRIEVER = "retriever"
    """A read that returns sources."""


class Trust(StrEnum):
    """How far the content of an observation is trusted."""

    TRUSTED = "trusted"
    """Written by a system that outsiders cannot write to."""
    UNTRUSTED = "untrusted"
    """May have been written by anybody."""


class Thought(Value):
    """What the model wrote beside its tool calls."""

    text: str
    message_id: str | None = None


class Action(Value):
    """One proposed tool call, with arguments validated by the tool's schema."""

    id: str
    """Stable over resumes, crashes and time travel: hash of tenant, thread, message id (for node
    code: namespace and turn), call id."""

    tool: str
    kind: ToolKind
    schema_version: str
    """Hash of the tool's argument schema; part of the digest."""

    args: JsonObject
    """Validated arguments in JSON form; decimals are strings."""

    reads: JsonObject = Field(default_factory=dict)
    """Declared injected values that the tool also reads; part of the digest and shown to approvers."""

    call_id: str
    message_id: str | None = None


class Observation(Value):
    """What a tool gave back, labelled with where it came from and how far that is trusted."""

    action_id: str
    tool: str
    text: str
    trust: Trust
    failed: bool = False
    """Whether the tool reported an error."""


class Step(Value):
    """One finished turn of the loop."""

    thought: Thought
    action: Action
    observation: Observation | None = None
