"""What a policy has to know of a tool to check its rules."""

from dataclasses import dataclass

from guardkit.core.steps import ToolKind
from guardkit.core.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSchema:
    """The arguments of one tool, as the graph has it."""

    name: str
    kind: ToolKind
    json_schema: JsonObject
    """JSON schema of the arguments that the model fills in."""

    schema_version: str
    """Hash of that schema; actions of another version are not judged by rules that were checked against this one."""
