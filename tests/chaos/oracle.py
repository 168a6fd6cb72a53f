"""What must hold when everything is quiet, judged by what the bank and the people say, not by what guardkit says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from guardkit import Approval, ApprovalState, EffectState, GuardedGraph
from guardkit.core.audit import AuditEntry, verify
from guardkit.core.effects import EffectRecord
from guardkit.core.runs import ThreadRow, TurnStatus
from tests.chaos.scene import FREE, NEEDS, PEOPLE, RECONCILED, Scene, Script

_EVERYTHING = 10_000
_PAGE = 50_000
_OVER = (TurnStatus.DONE, TurnStatus.ENDED)

Line = dict[str, Any]


@dataclass(slots=True)
class Findings:
    """What an oracle saw in one scene."""

    wrong: list[str] = field(default_factory=list[str])
    """Effects that nobody allowed, or with other arguments."""

    repeated: list[str] = field(default_factory=list[str])
    """Effects that happened twice."""

    other: list[str] = field(default_factory=list[str])
    """Whatever else does not hold."""

    counts: Counter[str] = field(default_factory=Counter[str])
    database: str = ""
    """Which database, and of which version."""

    def all(self) -> list[str]:
        """Everything that was found."""
        return [*self.wrong, *self.repeated, *self.other]


def judge(scene: Scene, graph: GuardedGraph, scripts: Iterable[Script]) -> Findings:
    """Look at a quiet scene.

    Args:
        scene: the scene, opened by nobody else.
        graph: reads the threads' states.
        scripts: everything that the model was told to propose.
    """
    found = Findings(database=_database(scene))
    store = scene.guard.store
    proposed = {_call(tool, args) for script in scripts for batch in script for tool, args in batch}
    approvals = {one.request.id: one for one in store.listed(limit=_EVERYTHING)}
    ledger = store.effects(limit=_EVERYTHING)
    threads = store.threads(None, limit=_EVERYTHING)
    effects = scene.bank.journal.lines("effect")
    said = _said(scene)
    _judge_effects(found, effects, proposed, said)
    _judge_starts(found, scene.bank.journal.lines("asked for"))
    _judge_answers(found, said)
    _judge_ledger(found, effects, ledger)
    chains = {tenant: _chain(scene, tenant) for tenant in store.tenants()}
    entries = [entry for chain in chains.values() for entry in chain]
    _judge_questions(found, approvals.values(), threads, ledger, proposed, _claims(entries))
    _judge_settling(found, entries)
    _judge_threads(found, threads, scene, graph)
    _judge_store(found, scene, chains)
    found.other += [f"{line['role']} raised {line['error']}" for line in scene.errors.lines()]
    found.counts["effects"] += len(effects)
    found.counts["reads"] += len(scene.bank.journal.lines("read"))
    return found


def _database(scene: Scene) -> str:
    with scene.database.engine.connect() as connection:
        version = connection.dialect.server_version_info or ()
        return f"{connection.dialect.name} {'.'.join(map(str, version))}".strip()


def _call(tool: str, args: dict[str, Any]) -> tuple[str, tuple[tuple[str, Any], ...]]:
    return tool, tuple(sorted(args.items()))


def _said(scene: Scene) -> dict[str, list[Line]]:
    """What may have counted, by approval: answers that the desk took, and those at which its process died."""
    heard: dict[str, Line] = {}
    for line in scene.said.lines():
        heard[line["number"]] = line
    found: dict[str, list[Line]] = defaultdict(list)
    for line in heard.values():
        found[line["approval"]].append(line)
    return found


def _judge_effects(
    found: Findings, effects: Sequence[Line], proposed: set[Any], said: dict[str, list[Line]]
) -> None:
    for key, times in Counter(line["key"] for line in effects).items():
        if times > 1:
            found.repeated.append(f"effect {key} happened {times} times")
    for (tool, item), times in Counter((line["tool"], line["args"]["item"]) for line in effects).items():
        if times > 1:
            found.repeated.append(f"{tool} of {item} happened {times} times")
    for line in effects:
        why = _objection(line, proposed, said)
        if why is not None:
            found.wrong.append(f"{line['tool']}({line['args']}) ran: {why}")


def _judge_starts(found: Findings, started: Sequence[Line]) -> None:
    """An effect begins once. One whose tool can find out that it did not happen may be begun again."""
    times = Counter(line["key"] for line in started if line["tool"] not in RECONCILED)
    found.repeated += [f"effect {key} was begun {count} times" for key, count in times.items() if count > 1]


def _objection(line: Line, proposed: set[Any], said: dict[str, list[Line]]) -> str | None:
    """Why an effect should not have happened."""
    tool, args = line["tool"], line["args"]
    if tool in FREE:
        return None if _call(tool, args) in proposed else "nobody proposed it"
    if tool not in NEEDS:
        return "the policy rejects it"
    answers = [one for one in said.get(line["approval"], []) if one["what"] != "refused"]
    if any(one["what"] == "counted" and one["kind"] in ("reject", "respond") for one in answers):
        return "somebody said no"
    if (
        all(one["kind"] != "edit" or one["args"] != args for one in answers)
        and _call(tool, args) not in proposed
    ):
        return "neither the model nor an editor asked for these arguments"
    yes = {one["person"] for one in answers if one["kind"] in ("approve", "edit") and one["args"] == args}
    left = dict(NEEDS[tool])
    for person in (PEOPLE.find(name) for name in sorted(filter(None, yes))):
        for group in person.groups if person is not None else ():
            left[group] = left.get(group, 0) - 1
    missing = {group: count for group, count in left.items() if count > 0}
    return f"approvals are missing: {missing}, {sorted(map(str, yes))} agreed" if missing else None


def _judge_answers(found: Findings, said: dict[str, list[Line]]) -> None:
    for lines in said.values():
        for line in lines:
            found.counts[f"answer {line.get('why', line['what'])}"] += 1
            if line["what"] == "counted" and line["wrong"]:
                found.wrong.append(f"an answer counted that must not: {line}")


def _judge_ledger(found: Findings, effects: Sequence[Line], ledger: Sequence[EffectRecord]) -> None:
    happened = Counter(f"{line['tool']}:{line['args']['item']}" for line in effects)
    for record in ledger:
        found.counts[f"effect {record.state.value}"] += 1
        times = happened.pop(record.key, 0)
        match record.state:
            case EffectState.DONE if times == 0:
                found.other.append(f"{record.key} is done in the ledger and did not happen")
            case EffectState.NOT_DONE if times > 0:
                found.other.append(f"{record.key} is not_done in the ledger and happened")
            case EffectState.CLAIMED | EffectState.WAITING:
                found.other.append(f"{record.key} stays {record.state.value}")
            case _:
                pass
    found.other += [f"{key} happened and is not in the ledger" for key in happened]


def _judge_questions(
    found: Findings,
    approvals: Iterable[Approval],
    threads: Sequence[ThreadRow],
    ledger: Sequence[EffectRecord],
    proposed: set[Any],
    claims: Counter[str],
) -> None:
    turns = {row.thread_id: row for row in threads}
    keys = {record.key for record in ledger}
    found.repeated += [f"approval {one} was used {times} times" for one, times in claims.items() if times > 1]
    for approval in approvals:
        request = approval.request
        found.counts[f"approval {approval.state.value}"] += 1
        name = f"question {request.id[:8]} about {request.action.tool}({approval.args})"
        edited = any(said.kind == "edit" for said in approval.decisions)
        if not edited and request.action.args != approval.args:
            found.wrong.append(f"{name}: the arguments changed by themselves")
        row = turns[request.thread_id]
        over = row.status in _OVER or row.turn > request.turn
        if approval.state is ApprovalState.PENDING and over:
            found.other.append(f"{name} is open although its turn is over")
        if (approval.state is ApprovalState.CONSUMED) != (claims[request.id] == 1):
            found.other.append(f"{name} is {approval.state.value} and was claimed {claims[request.id]} times")
        if (
            approval.state is ApprovalState.APPROVED
            and over
            and f"{request.action.tool}:{approval.args['item']}" not in keys
        ):
            found.other.append(f"{name} was approved, its turn is over, and nothing was done")
        if not proposed:
            found.wrong.append(f"{name}: nothing was proposed")


def _chain(scene: Scene, tenant: str) -> list[AuditEntry]:
    """A tenant's whole audit log."""
    found: list[AuditEntry] = []
    while page := scene.guard.store.entries(tenant, after=found[-1].seq if found else 0, limit=_PAGE):
        found += page
    return found


def _judge_settling(found: Findings, entries: Sequence[AuditEntry]) -> None:
    """What people said settles a question once, by the audit log."""
    settled = Counter(
        str(entry.event.data.get("approval"))
        for entry in entries
        if entry.event.kind == "approval.decided" and entry.event.data.get("state") != "pending"
    )
    found.repeated += [f"approval {one} was settled {n} times" for one, n in settled.items() if n > 1]


def _claims(entries: Sequence[AuditEntry]) -> Counter[str]:
    """How often each approval was claimed, by the audit log; a row of the ledger only knows its last claim."""
    used = [entry.event.data.get("approval") for entry in entries if entry.event.kind == "effect.claimed"]
    return Counter(str(approval) for approval in used if approval is not None)


def _judge_threads(found: Findings, threads: Sequence[ThreadRow], scene: Scene, graph: GuardedGraph) -> None:
    for row in threads:
        turn = scene.guard.store.turn(row.tenant, row.thread_id)
        reason = turn.no_result.reason.value if turn is not None and turn.no_result is not None else ""
        over = f"{row.status.value} {reason}".strip()
        found.counts[f"turn {over}"] += 1
        if row.dead_letter is not None:
            found.other.append(f"thread {row.thread_id} was given up: {row.dead_letter}")
        if row.status not in _OVER:
            found.other.append(f"thread {row.thread_id} is {row.status.value}, not over")
            continue
        state = graph.get_state(scene.config(row.thread_id))
        if state.next:
            found.other.append(f"thread {row.thread_id} is {over} and {state.next} is next")
        if row.status is TurnStatus.DONE:
            found.other += [f"thread {row.thread_id}: {why}" for why in _unanswered(state.values)]


def _unanswered(values: dict[str, Any]) -> list[str]:
    """What is wrong with the conversation of a turn that is done: each call is answered once, the model had the last word."""
    problems: list[str] = []
    open_calls: list[str | None] = []
    for message in values["messages"]:
        if isinstance(message, HumanMessage):
            open_calls = []  # the user went on before they were answered
        elif isinstance(message, ToolMessage):
            if message.tool_call_id in open_calls:
                open_calls.remove(message.tool_call_id)
            else:
                problems.append(f"{message.tool_call_id} is answered twice, or was not called")
        elif isinstance(message, AIMessage):
            if open_calls:
                problems.append(f"calls {open_calls} have no answer")
            open_calls = [call["id"] for call in message.tool_calls]
    last = values["messages"][-1]
    if not isinstance(last, AIMessage) or last.content != "done":
        problems.append(f"the last message is of type {last.type}, not the model's last line")
    return problems


def _judge_store(found: Findings, scene: Scene, chains: Mapping[str, Sequence[AuditEntry]]) -> None:
    due = scene.guard.store.due(_EVERYTHING)
    found.other += [f"thread {one.thread_id} is still due: {one.why}" for one in due]
    for tenant, entries in chains.items():
        report = verify(tenant, entries)
        found.counts["audit entries"] += report.entries
        if not report.intact:
            found.other.append(f"the audit chain of {tenant} breaks at {report.first_bad}: {report.problem}")
