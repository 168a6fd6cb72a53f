"""What happened in a thread, told from what the database keeps: turns, audit log, approvals."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, cast

from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEntry
from guardkit.core.no_result import NoResult
from guardkit.core.runs import Turn, TurnStatus
from guardkit.core.values import Json, JsonObject, Value
from guardkit.core.visible import one_line

_LIMIT = 200
"""Characters of one value in a sentence."""

_LONG = 1000
"""Characters of any text."""

Tone: TypeAlias = Literal["plain", "good", "held", "bad"]
"""How a moment is to be read: `held` waits for somebody or went to the model as a no, `bad` is a failure."""


class Moment(Value):
    """One thing that happened."""

    seq: int
    """Its place in the tenant's audit log."""

    at: float
    """Seconds since the epoch, by the database's clock."""

    kind: str
    says: str
    tone: Tone = "plain"
    times: int = 1
    """How often the same was written down in a row: a run that is resumed decides again on what it had decided."""


class ActionStory(Value):
    """What became of one proposed call."""

    action_id: str
    tool: str
    moments: tuple[Moment, ...]


class TurnStory(Value):
    """One user input and what followed."""

    number: int
    agent: str
    principal: str
    opened_at: float
    status: TurnStatus
    active_seconds: float
    tool_calls: int
    no_result: NoResult | None
    actions: tuple[ActionStory, ...]
    """In the order in which they were first heard of."""

    moments: tuple[Moment, ...]
    """What is about no call."""


class Story(Value):
    """A thread from its first turn."""

    tenant: str
    thread_id: str
    turns: tuple[TurnStory, ...]


def tell(turns: Sequence[Turn], entries: Iterable[AuditEntry], approvals: Iterable[Approval]) -> Story:
    """The story of a thread.

    Args:
        turns: its turns, oldest first; at least one.
        entries: the audit entries about it, in order.
        approvals: every question that was asked in it.
    """
    calls = {one.request.id: (one.request.action.id, one.request.action.tool) for one in approvals}
    heard: dict[int, list[AuditEntry]] = {turn.number: [] for turn in turns}
    for entry in entries:
        heard.setdefault(entry.event.turn or 0, []).append(entry)
    first = turns[0]
    story = Story(
        tenant=first.tenant,
        thread_id=first.thread_id,
        turns=tuple(_turn(turn, heard[turn.number], calls) for turn in turns),
    )
    # Names, reasons and keys come from users, documents and models.
    return Story.model_validate(_visible(story.model_dump(mode="json")))


def _turn(turn: Turn, entries: Sequence[AuditEntry], calls: Mapping[str, tuple[str, str]]) -> TurnStory:
    tools: dict[str, str] = {}
    by_call: dict[str, list[Moment]] = {}
    rest: list[Moment] = []
    since: dict[str, float] = {}
    for entry in entries:
        data = entry.event.data
        known = calls.get(str(data.get("approval")), (None, None))
        action = data.get("action") or known[0]
        moment = _moment(entry, since)
        if action is None:
            _add(rest, moment)
            continue
        tools.setdefault(str(action), str(data.get("tool") or known[1] or ""))
        _add(by_call.setdefault(str(action), []), moment)
    return TurnStory(
        number=turn.number,
        agent=turn.agent,
        principal=turn.principal.id,
        opened_at=turn.opened_at,
        status=turn.status,
        active_seconds=turn.active_seconds,
        tool_calls=turn.tool_calls,
        no_result=turn.no_result,
        actions=tuple(
            ActionStory(action_id=action, tool=tools[action], moments=tuple(moments))
            for action, moments in by_call.items()
        ),
        moments=tuple(rest),
    )


def _visible(value: Json) -> Json:
    """The value with every text in it fit for a line of a terminal or page."""
    match value:
        case str():
            return one_line(value, _LONG)
        case list():
            return [_visible(item) for item in value]
        case dict():
            return {name: _visible(item) for name, item in value.items()}
        case _:
            return value


def _add(moments: list[Moment], moment: Moment) -> None:
    said = [one for one in moments if one.kind == moment.kind]
    if moment.kind == "action.decided" and said and said[-1].says == moment.says:
        place = moments.index(said[-1])
        moments[place] = said[-1].model_copy(update={"times": said[-1].times + 1})
    elif moment.kind == "action.decided" and all(one.kind == "approval.requested" for one in moments):
        moments.insert(
            0, moment
        )  # both are written in one transaction; what was decided comes first for a reader
    else:
        moments.append(moment)


def _moment(entry: AuditEntry, since: dict[str, float]) -> Moment:
    event = entry.event
    words = _WORDS.get(event.kind)
    says, tone = words(event.data) if words is not None else (event.kind, "plain")
    match event.kind:
        case "approval.requested" | "effect.claimed":
            since[_subject(event.kind, event.data)] = entry.at
        case "approval.decided" | "approval.expired" | "effect.recorded":
            began = since.get(_subject(event.kind, event.data))
            if began is not None:
                says += f", after {span(entry.at - began)}"
        case _:
            pass
    return Moment(seq=entry.seq, at=entry.at, kind=event.kind, says=says, tone=tone)


def _subject(kind: str, data: JsonObject) -> str:
    return str(
        data.get("approval") if kind.startswith("approval.") else data.get("key") or data.get("action")
    )


def span(seconds: float) -> str:
    """A length of time in words: `12 ms`, `4.2 s`, `3 min 5 s`, `2 h 58 min`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {smaller}"
    raise AssertionError(whole)


Words: TypeAlias = Callable[[JsonObject], tuple[str, Tone]]


def _text(data: JsonObject, name: str) -> str:
    value = data.get(name)
    return one_line(", ".join(str(item) for item in value) if isinstance(value, list) else str(value), _LIMIT)


def _decided(data: JsonObject) -> tuple[str, Tone]:
    kinds: Mapping[str, tuple[str, Tone]] = {
        "allow": ("allowed", "good"),
        "edit": ("allowed, changed by a check", "good"),
        "escalate": ("held for people", "held"),
        "reject": ("rejected", "held"),
        "stop": ("stopped the turn", "bad"),
    }
    says, tone = kinds.get(_text(data, "decision"), (_text(data, "decision"), "plain"))
    rules = f" by {_text(data, 'rules')}" if data.get("rules") else ""
    return f"{says}{rules} (policy {_text(data, 'policy')} {_text(data, 'policy_version')})", tone


def _answered(data: JsonObject) -> tuple[str, Tone]:
    kinds: Mapping[str, tuple[str, Tone]] = {
        "approve": ("approved", "good"),
        "edit": ("edited", "good"),
        "reject": ("rejected", "held"),
        "respond": ("answered in words", "held"),
    }
    says, tone = kinds.get(_text(data, "decision"), (_text(data, "decision"), "plain"))
    more = ", others have to agree" if data.get("state") == "pending" else ""
    return (
        f"{says} by {_text(data, 'person')} ({_text(data, 'assurance')}, via {_text(data, 'via')}){more}",
        tone,
    )


def _recorded(data: JsonObject) -> tuple[str, Tone]:
    tones: Mapping[str, Tone] = {"done": "good", "not_done": "held"}
    state = _text(data, "state")
    return state.replace("_", " "), tones.get(state, "bad")


_WORDS: Mapping[str, Words] = {
    "action.decided": _decided,
    "approval.requested": lambda data: (f"asked {_text(data, 'routes')}", "held"),
    "approval.decided": _answered,
    "approval.refused": lambda data: (
        f"an answer{_by(data)} did not count: {_text(data, 'why').replace('_', ' ')}",
        "plain",
    ),
    "approval.expired": lambda _data: ("nobody answered in time", "held"),
    "approval.cancelled": lambda data: (f"question cancelled: {_text(data, 'why')}", "held"),
    "approval.superseded": lambda _data: ("question replaced by another one", "held"),
    "approval.void": lambda data: (f"the approval does not hold: {_text(data, 'why')}", "held"),
    "effect.claimed": lambda data: (
        "started"
        + (f" under key {_text(data, 'key')}" if data.get("key") else "")
        + (f", attempt {_text(data, 'attempt')}" if data.get("attempt", 1) != 1 else ""),
        "plain",
    ),
    "effect.recorded": _recorded,
    "tool.failed": lambda data: (
        "its tool failed" + (f" with {_text(data, 'error')}" if data.get("error") else ""),
        "bad",
    ),
    "effect.reconciled": lambda data: (
        f"settled as {_text(data, 'state').replace('_', ' ')} by {_text(data, 'by')}",
        "good",
    ),
    "observation.checked": lambda data: (
        f"its result: {_text(data, 'check')} says {_text(data, 'verdict')}",
        "held",
    ),
    "step.next": lambda data: (f"next step: {_text(data, 'next')}", "held"),
    "answer.verified": lambda data: (
        f"answer verified: {_text(data, 'citations')} citations of {len(cast('list[str]', data.get('sources', [])))} documents",
        "good",
    ),
    "answer.withheld": lambda data: (f"answer withheld: {_text(data, 'cause').replace('_', ' ')}", "held"),
    "turn.ended": lambda data: (f"ended without a result: {_text(data, 'reason').replace('_', ' ')}", "held"),
}


def _by(data: JsonObject) -> str:
    return f" of {_text(data, 'person')}" if data.get("person") else ""
