"""Two policies compared, in words, with the direction of each change where it is certain."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from guardkit.core.calendars import BusinessTime
from guardkit.core.people import Assurance
from guardkit.core.values import Json, JsonObject, Value
from guardkit.policy.document import PolicyDocument, as_mapping
from guardkit.policy.durations import parse_delay

Direction: TypeAlias = Literal["looser", "tighter"]

_STRICTNESS = {"allow": 0, "escalate": 1, "reject": 2, "stop": 3}
_EXPIRY: dict[str, int] = {"keep": 0, "reject": 1, "no_result": 2}


class Change(Value):
    """One difference between two policies."""

    field: str
    """Dotted path of the entry; rules by their id."""

    message: str
    direction: Direction | None = None
    """Whether the new policy permits more or less in this respect; `None` where that depends."""

    def __str__(self) -> str:
        mark = "" if self.direction is None else f" ({self.direction})"
        return f"{self.field}: {self.message}{mark}"


def diff(old: PolicyDocument, new: PolicyDocument) -> tuple[Change, ...]:
    """What changed from one policy to another, by field."""
    changes = _compared("", _by_id(as_mapping(old)), _by_id(as_mapping(new)))
    return tuple(sorted(changes, key=lambda change: change.field))


def _by_id(document: JsonObject) -> JsonObject:
    """The document with the rules of each tool, whose order means nothing, as a mapping."""
    tools = document.get("tools")
    named: JsonObject = {}
    for tool, entry in (tools if isinstance(tools, dict) else {}).items():
        if isinstance(entry, dict):
            rules = entry.get("rules")
            listed = rules if isinstance(rules, list) else []
            by_id: JsonObject = {str(rule["id"]): rule for rule in listed if isinstance(rule, dict)}
            named[tool] = {**entry, "rules": by_id}
    return {**document, "tools": named}


def _compared(path: str, old: Json, new: Json) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            inner = f"{path}.{key}" if path else key
            if key not in old:
                yield Change(
                    field=inner, message=f"added: {_shown(new[key])}", direction=_added(inner, new[key])
                )
            elif key not in new:
                gone = _added(inner, old[key])
                yield Change(field=inner, message=f"removed: {_shown(old[key])}", direction=_OPPOSITE[gone])
            else:
                yield from _compared(inner, old[key], new[key])
    elif (
        isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and path.endswith(".stages")
    ):
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _compared(f"{path}[{number}]", before, after)
    else:
        yield Change(
            field=path, message=f"{_shown(old)} -> {_shown(new)}", direction=_changed(path, old, new)
        )


_OPPOSITE: dict[Direction | None, Direction | None] = {"looser": "tighter", "tighter": "looser", None: None}


def _added(path: str, value: Json) -> Direction | None:
    """The direction of a new entry: a rule that rejects or stops only tightens, a limit too."""
    match path.split("."):
        case ["tools", _, "rules", _] if isinstance(value, dict) and value.get("decide") in (
            "reject",
            "stop",
        ):
            return "tighter"
        case ["budgets", "steps" | "tool_calls" | "seconds"] | ["sources"] | ["approvals", _, "valid_for"]:
            return "tighter"
        case ["approvals", _, "exemption" | "standing"]:
            return "looser"
        case _:
            return None


def _changed(path: str, old: Json, new: Json) -> Direction | None:
    if _counts_work(old) != _counts_work(new):
        return None
    before, after = _strictness(path, old), _strictness(path, new)
    if before is None or after is None or before == after:
        return None
    return "tighter" if after > before else "looser"


def _counts_work(value: Json) -> str:
    """The unit of a business time: which of two in different units is longer depends on when they begin."""
    if not isinstance(value, str) or " business " not in value:
        return ""
    return "days" if "day" in value else "time"


def _strictness(path: str, value: Json) -> float | None:
    """How strict a value is at its place, if its values have an order of strictness."""
    name = path.rpartition(".")[2]
    match name, value:
        case (("default" | "otherwise" | "decide"), str()):
            return _STRICTNESS.get(value)
        case "on_expiry", str():
            return _EXPIRY.get(value)
        case "assurance", str():
            return list(Assurance).index(Assurance(value))
        case "required", int():
            return value
        case "exclude_requester", bool():
            return int(value)
        case "reject_quorum", int():
            return -value
        case "comment_required", list():
            return len(value)
        case (("expires_in" | "valid_for"), str()):
            length = parse_delay(value)
            return -(length.days or length.seconds) if isinstance(length, BusinessTime) else -length
        case (("steps" | "tool_calls" | "seconds" | "same_call"), int() | float()):
            return -value
        case _:
            return None


def _shown(value: Json) -> str:
    match value:
        case {} if not value:
            return "none"
        case dict():
            return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
        case list():
            return f"[{', '.join(map(_shown, value))}]"
        case str():
            return value if len(value) <= 80 else f"{value[:77]}..."
        case True | False:
            return "true" if value else "false"
        case _:
            return str(value)
