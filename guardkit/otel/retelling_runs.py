"""One run of a past thread as spans: its steps, decisions, checks, questions and effects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEntry
from guardkit.core.no_result import NoResultReason
from guardkit.core.values import Json, JsonObject
from guardkit.otel.retold import Place, Retold, Run, Shown, place_of


class RunTelling:
    """Tells one run."""

    def __init__(
        self,
        tenant: str,
        run: Run,
        turn: int,
        asked: Mapping[str, Approval],
        requests: dict[str, Place],
    ) -> None:
        self._tenant = tenant
        self._run = run
        self._asked = asked
        self._requests = requests
        self._agent = str(run.data["agent"]).removesuffix("@embedded")
        thread_id = run.started.event.thread_id or ""
        self._facts: Shown = {
            names.AGENT: self._agent,
            names.CONVERSATION: thread_id,
            names.SESSION: thread_id,
            names.RUN_ID: str(run.data["run"]),
            names.TURN: turn,
        }

    def spans(self) -> Iterator[Retold]:
        """The run's own span, and all below it."""
        run, data = self._run, self._run.data
        top = Retold(
            name=f"{names.RUN_TURN} {self._agent}",
            place=place_of(self._tenant, run, run.started),
            start=run.started.at,
            end=run.end,
            attributes={**self._facts, names.TURN_CONTINUED: bool(data["continued"])},
        )
        if run.ended is not None:
            top.attributes[names.RUN_STATUS] = str(run.ended.event.data["status"])
        if data["continued"]:
            top.events.append((names.RUN_RESUMED, run.started.at, dict(self._facts)))
        yield top
        calls: dict[str, list[AuditEntry]] = {}
        for entry in run.entries:
            action = self._action_of(entry)
            if action is not None:
                calls.setdefault(action, []).append(entry)
            elif entry.event.kind in ("answer.verified", "answer.withheld"):
                yield self._answer(entry, top)
            elif entry.event.kind == "turn.ended":
                self._ended(entry, top)
        for entries in calls.values():
            yield from self._call(entries, top)

    def _action_of(self, entry: AuditEntry) -> str | None:
        data = entry.event.data
        approval = self._asked.get(str(data.get("approval")))
        action = data.get("action") or (approval.request.action.id if approval is not None else None)
        return None if action is None else str(action)

    def _answer(self, entry: AuditEntry, top: Retold) -> Retold:
        data = entry.event.data
        rounds = data.get("rounds")
        shown: Shown = {**self._facts, names.ROUND: rounds if isinstance(rounds, int) else 0}
        if entry.event.kind == "answer.verified":
            shown[names.RESULT] = "answer"
        else:
            shown |= {names.RESULT: "no_result", names.NO_RESULT_REASON: str(data["reason"])}
            shown[names.NO_RESULT_CAUSE] = str(data["cause"])
        return self._below(top, names.VERIFY_OUTPUT, self._agent, entry, shown)

    def _ended(self, entry: AuditEntry, top: Retold) -> None:
        reason = str(entry.event.data["reason"])
        ended: Shown = {names.RESULT: "no_result", names.NO_RESULT_REASON: reason}
        top.attributes |= ended
        top.events.append((names.TURN_ENDED, entry.at, {**self._facts, **ended}))
        if reason == NoResultReason.STOPPED_BY_OPERATOR:
            stopped = {**self._facts, names.STOP_SOURCE: "operator"}
            top.events.append((names.EMERGENCY_STOP, entry.at, stopped))

    def _call(self, entries: Sequence[AuditEntry], top: Retold) -> Iterator[Retold]:
        begin, last = min(entry.at for entry in entries), max(entry.at for entry in entries)
        facts = dict(self._facts)
        for name, key in ((names.TOOL, "tool"), (names.TOOL_CALL, "call"), (names.TOOL_KIND, "tool_kind")):
            facts |= _first(entries, key, name)
        step = self._below(top, names.GUARD_STEP, str(facts.get(names.TOOL, "")), entries[0], facts, "step")
        step.start, step.end = begin, last
        yield step
        tool: Shown = {name: facts[name] for name in (names.TOOL, names.TOOL_CALL) if name in facts}
        # What was decided on a call is written down at the latest with what follows from it, and comes before it.
        decided = [entry for entry in entries if entry.event.kind == "action.decided"]
        rest = [entry for entry in entries if entry.event.kind != "action.decided"]
        for place, entry in enumerate(decided):
            yield from self._decided(entry, step, tool, begin if place == 0 else entry.at)
        for place, entry in enumerate(rest):
            yield from self._followed(entry, rest[place + 1 :], step, tool)

    def _decided(self, entry: AuditEntry, step: Retold, tool: Shown, at: float) -> Iterator[Retold]:
        data = entry.event.data
        rules = data.get("rules")
        said: Shown = {
            names.DECISION: str(data["decision"]),
            names.POLICY_ID: str(data["policy"]),
            names.POLICY_VERSION: str(data["policy_version"]),
            names.POLICY_RULE: ",".join(map(str, rules)) if isinstance(rules, list) else "",
        }
        policy = str(data["policy"])
        span = self._below(step, names.APPLY_POLICY, policy, entry, {**self._facts, **tool, **said})
        span.start = span.end = at
        step.events.append((names.TOOL_DECISION, at, {**tool, **said}))
        yield span
        checks = data.get("checks")
        for number, check in enumerate(checks if isinstance(checks, list) else []):
            if isinstance(check, dict):
                judged = self._check(span, entry, check, "action", tool, number)
                judged.start = judged.end = at
                yield judged

    def _check(
        self,
        above: Retold,
        entry: AuditEntry,
        check: JsonObject,
        stage: str,
        tool: Shown,
        number: int = 0,
    ) -> Retold:
        name = str(check["check"])
        shown: Shown = {
            **self._facts,
            names.OPERATION: names.APPLY_GUARDRAIL,
            names.GUARD_NAME: name,
            names.GUARD_STAGE: stage,
            names.TOOL: tool.get(names.TOOL, ""),
        }
        failed = "error" in check
        if failed:
            shown |= {names.FAIL_MODE: "closed", names.ERROR_TYPE: str(check["error"])}
        else:
            shown[names.VERDICT] = str(check["verdict"])
        span = self._below(above, names.APPLY_GUARDRAIL, name, entry, shown, number)
        span.failed = failed
        return span

    def _followed(
        self, entry: AuditEntry, later: Sequence[AuditEntry], step: Retold, tool: Shown
    ) -> Iterator[Retold]:
        data = entry.event.data
        match entry.event.kind:
            case "approval.requested":
                yield self._request(entry, step, tool)
            case "effect.claimed":
                yield from self._effect(entry, later, step, tool)
            case "effect.known" | "effect.refused":
                known = entry.event.kind == "effect.known"
                state = "done" if known else "in_doubt" if data.get("why") == "in_doubt" else "refused"
                said: Shown = {names.EFFECT_STATE: state, names.EFFECT_FRESH: not known}
                name, shown = str(tool[names.TOOL]), {**self._facts, **tool, **said}
                yield self._below(step, names.PERFORM_EFFECT, name, entry, shown)
            case "observation.checked":
                yield self._check(step, entry, data, "observation", tool)
            case "step.next":
                next_step = {names.TOOL: tool[names.TOOL], names.NEXT_STEP: str(data["next"])}
                step.events.append((names.STEP_FOLLOWED, entry.at, next_step))
            case _:
                pass

    def _request(self, entry: AuditEntry, step: Retold, tool: Shown) -> Retold:
        data = entry.event.data
        approval_id, rules = str(data["approval"]), data.get("rules")
        shown: Shown = {
            **self._facts,
            names.TOOL: tool[names.TOOL],
            names.APPROVAL_ID: approval_id,
            names.POLICY_ID: str(data["policy"]),
            names.POLICY_RULE: ",".join(map(str, rules)) if isinstance(rules, list) else "",
        }
        span = self._below(step, names.REQUEST_APPROVAL, str(tool[names.TOOL]), entry, shown)
        span.kind = "producer"
        about: Shown = {names.TOOL: tool[names.TOOL], names.APPROVAL_ID: approval_id}
        step.events.append((names.APPROVAL_REQUESTED, entry.at, about))
        self._requests[approval_id] = span.place
        return span

    def _effect(
        self, entry: AuditEntry, later: Sequence[AuditEntry], step: Retold, tool: Shown
    ) -> Iterator[Retold]:
        data = entry.event.data
        span = self._below(step, names.PERFORM_EFFECT, str(tool[names.TOOL]), entry, {**self._facts, **tool})
        approval = self._asked.get(str(data.get("approval")))
        if approval is not None:
            yield self._resumed(entry, span, approval)
        attempt = data.get("attempt")
        claimed: Shown = {**self._facts, names.TOOL: tool[names.TOOL]}
        claimed[names.EFFECT_ATTEMPT] = attempt if isinstance(attempt, int) else 1
        span.events.append((names.EFFECT_CLAIMED, entry.at, claimed))
        outcome = next(
            (one for one in later if one.event.kind in ("effect.recorded", "effect.claimed")), None
        )
        if outcome is not None and outcome.event.kind == "effect.recorded":
            state = str(outcome.event.data["state"])
            span.end = outcome.at
            span.attributes[names.EFFECT_STATE] = "refused" if state == "not_done" else state
            span.attributes[names.EFFECT_FRESH] = True
            recorded: Shown = {names.TOOL: tool[names.TOOL], names.EFFECT_STATE: state}
            span.events.append((names.EFFECT_RECORDED, outcome.at, recorded))
        yield span

    def _resumed(self, entry: AuditEntry, above: Retold, approval: Approval) -> Retold:
        request = approval.request
        last = max((said.decided_at for said in approval.decisions), default=request.requested_at)
        about: Shown = {names.APPROVAL_ID: request.id, names.APPROVAL_OUTCOME: "approved"}
        shown = {**self._facts, names.TOOL: request.action.tool, **about}
        shown[names.APPROVAL_WAITED] = float(max(last - request.requested_at, 0.0))
        link = self._requests.get(request.id)
        if link is not None:
            shown[names.APPROVAL_TRACE] = f"{link.trace_id:032x}"
        span = self._below(above, names.RESUME_APPROVAL, request.action.tool, entry, shown, "resume")
        span.link = link
        above.events.append((names.APPROVAL_CONSUMED, entry.at, about))
        return span

    def _below(
        self,
        above: Retold,
        verb: str,
        of: str,
        entry: AuditEntry,
        attributes: Shown,
        *more: Json,
    ) -> Retold:
        """A span at one instant, below another."""
        return Retold(
            name=f"{verb} {of}",
            place=place_of(self._tenant, self._run, entry, verb, *more),
            parent=above.place,
            start=entry.at,
            end=entry.at,
            attributes=attributes,
        )


def _first(entries: Iterable[AuditEntry], key: str, name: str) -> Shown:
    """The first value that entries have for something, as an attribute."""
    found = next((entry.event.data[key] for entry in entries if entry.event.data.get(key) is not None), None)
    return {} if found is None else {name: str(found)}
