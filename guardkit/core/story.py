"""What happened in a thread, told from what the database keeps: turns, audit log, approvals, messages, ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from guardkit.core.approvals import Approval, ApprovalDecision
from guardkit.core.audit import AuditEntry
from guardkit.core.effects import EffectRecord, EffectState
from guardkit.core.no_result import NoResult
from guardkit.core.runs import Message, Turn, TurnStatus
from guardkit.core.values import JsonObject, Value
from guardkit.core.wording import Tone, fit, in_words, span


class Moment(Value):
    """One thing that happened."""

    seq: int | None
    """Its place in the tenant's audit log; `None` for what only the outbox or the ledger knows."""

    at: float
    """When it was written down: seconds since the epoch, by the database's clock. A decision that was written down after
    the question that follows from it has the question's time."""

    kind: str
    """The audit event's; `message` for one to people, `claim` for one claim of an answer."""

    says: str
    """In words, for people; may change from release to release."""

    tone: Tone = "plain"
    times: int = 1
    """How often the same was written down in a row: a run that is resumed decides again on what it had decided."""

    facts: JsonObject = Field(default_factory=dict)
    """What the words are made from: the audit event's data, with the reason that a person gave."""


class ActionStory(Value):
    """What became of one proposed call."""

    action_id: str
    tool: str
    moments: tuple[Moment, ...]


class RunStory(Value):
    """One call of the graph: it begins or continues a turn, in one process."""

    run_id: str
    process: str
    """Host and process id."""

    continued: bool
    """Whether an earlier run began the turn."""

    started_at: float
    ended_at: float | None = None
    """`None` while it runs, and for ever when its process died."""

    status: str | None = None
    """`paused`, `done`, `failed` or `ended`; `None` as `ended_at`."""


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
    runs: tuple[RunStory, ...]
    """In order."""

    actions: tuple[ActionStory, ...]
    """In the order in which they were first heard of."""

    moments: tuple[Moment, ...]
    """What is about no call."""


class Story(Value):
    """A thread from its first turn. All times are seconds since the epoch, by the database's clock."""

    format: Literal[1] = 1
    """Another number when fields are removed or mean something else. Fields and kinds may be added without one."""

    tenant: str
    thread_id: str
    turns: tuple[TurnStory, ...]


def tell(
    turns: Sequence[Turn],
    entries: Iterable[AuditEntry],
    approvals: Iterable[Approval],
    messages: Iterable[Message] = (),
    effects: Iterable[EffectRecord] = (),
) -> Story:
    """The story of a thread.

    Args:
        turns: its turns, oldest first; at least one.
        entries: the audit entries about it, in order.
        approvals: every question that was asked in it.
        messages: what was sent to people about these questions.
        effects: its rows of the ledger.
    """
    asked = {one.request.id: one for one in approvals}
    parts = {turn.number: _Part() for turn in turns}
    for entry in entries:
        number = turn_of(turns, entry)
        if number in parts:
            parts[number].entries.append(entry)
    for message in messages:
        request = asked[message.approval_id].request if message.approval_id in asked else None
        if request is not None and request.turn in parts:
            parts[request.turn].messages.append((request.action.id, message))
    for effect in effects:
        if effect.turn in parts:
            parts[effect.turn].effects.append(effect)
    first = turns[0]
    told = tuple(_Telling(asked).turn(turn, parts[turn.number]) for turn in turns)
    story = Story(tenant=first.tenant, thread_id=first.thread_id, turns=told)
    # Names, reasons and keys come from users, documents and models.
    return Story.model_validate(fit(story.model_dump(mode="json")))


def turn_of(turns: Sequence[Turn], entry: AuditEntry) -> int:
    """The turn that an entry about a thread belongs to: its own, else the one that was the latest then."""
    if entry.event.turn is not None:
        return entry.event.turn
    return max((turn.number for turn in turns if turn.opened_at <= entry.at), default=turns[0].number)


@dataclass(slots=True)
class _Part:
    """What is known of one turn."""

    entries: list[AuditEntry] = field(default_factory=list[AuditEntry])
    messages: list[tuple[str, Message]] = field(default_factory=list[tuple[str, Message]])
    effects: list[EffectRecord] = field(default_factory=list[EffectRecord])


class _Telling:
    """Tells one turn."""

    def __init__(self, asked: Mapping[str, Approval]) -> None:
        self._asked = asked
        self._since: dict[str, float] = {}
        self._said: dict[str, int] = {}
        """How many decisions on an approval were heard of."""

        self._paused: float | None = None
        self._tools: dict[str, str] = {}
        self._calls: dict[str, list[Moment]] = {}
        self._rest: list[Moment] = []
        self._runs: dict[str, RunStory] = {}

    def turn(self, turn: Turn, part: _Part) -> TurnStory:
        for entry in part.entries:
            self._entry(entry)
        for action, message in part.messages:
            self._message(action, message)
        for effect in part.effects:
            self._effect(effect)
        return TurnStory(
            number=turn.number,
            agent=turn.agent,
            principal=turn.principal.id,
            opened_at=turn.opened_at,
            status=turn.status,
            active_seconds=turn.active_seconds,
            tool_calls=turn.tool_calls,
            no_result=turn.no_result,
            runs=tuple(self._runs.values()),
            actions=tuple(
                ActionStory(action_id=action, tool=self._tools[action], moments=tuple(moments))
                for action, moments in self._calls.items()
            ),
            moments=tuple(self._rest),
        )

    def _entry(self, entry: AuditEntry) -> None:
        data = entry.event.data
        approval = self._asked.get(str(data.get("approval")))
        moment = self._moment(entry, approval)
        action = data.get("action") or (approval.request.action.id if approval else None)
        if action is not None:
            tool = data.get("tool") or (approval.request.action.tool if approval else "")
            self._tools.setdefault(str(action), str(tool))
            _add(self._calls.setdefault(str(action), []), moment)
            return
        self._run(entry)
        self._rest.append(moment)
        claims = data.get("claims")
        for found in claims if isinstance(claims, list) else []:
            if isinstance(found, dict):
                self._rest.append(_made("claim", entry.at, found, entry.seq))

    def _moment(self, entry: AuditEntry, approval: Approval | None) -> Moment:
        kind, data = entry.event.kind, dict(entry.event.data)
        if kind == "approval.requested" and approval is not None:
            data["why"] = list(approval.request.why)
        if kind == "approval.decided" and approval is not None:
            said = self._decision(approval)
            data |= {} if said is None or said.reason is None else {"reason": said.reason}
        moment = _made(kind, entry.at, data, entry.seq)
        took = self._took(kind, entry)
        return moment if took is None else moment.model_copy(update={"says": f"{moment.says}, {took}"})

    def _decision(self, approval: Approval) -> ApprovalDecision | None:
        """The next decision on an approval: each has its entry, in order."""
        place = self._said.get(approval.request.id, 0)
        self._said[approval.request.id] = place + 1
        return approval.decisions[place] if place < len(approval.decisions) else None

    def _took(self, kind: str, entry: AuditEntry) -> str | None:
        """How long it took, of what ends something."""
        data = entry.event.data
        match kind:
            case "approval.requested" | "effect.claimed":
                self._since[_subject(kind, data)] = entry.at
            case "approval.decided" | "approval.expired" | "effect.recorded":
                began = self._since.get(_subject(kind, data))
                return None if began is None else f"after {span(entry.at - began)}"
            case "run.ended":
                self._paused = entry.at if data.get("status") == "paused" else None
                run = self._runs.get(str(data.get("run")))
                return None if run is None else f"after {span(entry.at - run.started_at)}"
            case "run.started" if self._paused is not None:
                return f"after a pause of {span(entry.at - self._paused)}"
            case _:
                pass
        return None

    def _run(self, entry: AuditEntry) -> None:
        data = entry.event.data
        run_id = str(data.get("run"))
        if entry.event.kind == "run.started":
            self._runs[run_id] = RunStory(
                run_id=run_id,
                process=str(data.get("process")),
                continued=bool(data.get("continued")),
                started_at=entry.at,
            )
        elif entry.event.kind == "run.ended" and run_id in self._runs:
            ended = {"ended_at": entry.at, "status": str(data.get("status"))}
            self._runs[run_id] = self._runs[run_id].model_copy(update=ended)

    def _message(self, action: str, message: Message) -> None:
        """Put a message among what happened to its call, by its time."""
        moments = self._calls.get(action)
        if moments is None:
            return
        at = message.delivered_at
        asked = next((one.at for one in moments if one.kind == "approval.requested"), moments[0].at)
        _put(moments, _made("message", asked if at is None else at, message.model_dump(mode="json"), None))

    def _effect(self, effect: EffectRecord) -> None:
        """Tell of an effect that was started and of which nothing was heard any more."""
        moments = self._calls.get(effect.action_id)
        if moments is None or effect.state is not EffectState.IN_DOUBT:
            return
        if moments and [one.kind for one in moments if one.kind.startswith("effect.")][-1:] == [
            "effect.claimed"
        ]:
            _put(moments, _made("effect.in_doubt", effect.claimed_at, {"key": effect.key}, None))


def _made(kind: str, at: float, data: JsonObject, seq: int | None) -> Moment:
    says, tone = in_words(kind, data)
    return Moment(seq=seq, at=at, kind=kind, says=says, tone=tone, facts=data)


def _put(moments: list[Moment], moment: Moment) -> None:
    """Insert a moment after all that happened until then."""
    later = [place for place, one in enumerate(moments) if one.at > moment.at]
    moments.insert(later[0] if later else len(moments), moment)


def _add(moments: list[Moment], moment: Moment) -> None:
    said = [one for one in moments if one.kind == moment.kind]
    if moment.kind == "action.decided" and said and said[-1].says == moment.says:
        place = moments.index(said[-1])
        moments[place] = said[-1].model_copy(update={"times": said[-1].times + 1})
    elif moment.kind == "action.decided" and all(one.kind == "approval.requested" for one in moments):
        # The question is written first, but what was decided led to it: it was decided by then at the latest.
        earlier = {} if not moments else {"at": moments[0].at}
        moments.insert(0, moment.model_copy(update=earlier))
    else:
        moments.append(moment)


def _subject(kind: str, data: JsonObject) -> str:
    return str(
        data.get("approval") if kind.startswith("approval.") else data.get("key") or data.get("action")
    )
