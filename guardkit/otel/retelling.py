"""A past thread as the spans that it would have been: made from the audit log, for those who had no collector then.

Times are those at which the database wrote things down. Telling it twice gives the same spans with the same ids.
"""

from collections.abc import Iterable, Mapping, Sequence

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEntry
from guardkit.core.runs import Turn
from guardkit.core.story import turn_of
from guardkit.core.values import Json, JsonObject
from guardkit.otel.retelling_runs import RunTelling
from guardkit.otel.retold import Place, Retold, Run, Shown, id_number, place_of

_ELSEWHERE = frozenset(
    {
        "approval.decided",
        "approval.glass_broken",
        "approval.refused",
        "approval.expired",
        "effect.reconciled",
        "review.opened",
        "review.overdue",
        "review.closed",
        "review.refused",
        "standing.given",
        "standing.revoked",
        "turn.redriven",
    }
)
"""What is written while no run, or another one, holds the thread."""


def retell(
    turns: Sequence[Turn], entries: Iterable[AuditEntry], approvals: Iterable[Approval]
) -> list[Retold]:
    """The spans of a thread, in the order in which they began, each after the one that it is below.

    Args:
        turns: its turns, oldest first; at least one.
        entries: all audit entries about it, in order.
        approvals: every question that was asked in it.
    """
    telling = _Telling(turns, {one.request.id: one for one in approvals})
    for entry in entries:
        telling.hear(entry)
    telling.close(None)
    return sorted(telling.spans, key=lambda span: span.start)


class _Telling:
    def __init__(self, turns: Sequence[Turn], asked: Mapping[str, Approval]) -> None:
        self.spans: list[Retold] = []
        self._turns = turns
        self._tenant = turns[0].tenant
        self._asked = asked
        self._run: Run | None = None
        self._requests: dict[str, Place] = {}
        """The `request_approval` of each approval."""

    def hear(self, entry: AuditEntry) -> None:
        """Take the next entry."""
        kind, data = entry.event.kind, entry.event.data
        match kind:
            case "run.started":
                self.close(None)
                self._run = Run(entry)
            case "run.ended":
                if self._run is not None and self._run.data["run"] == data.get("run"):
                    self.close(entry)
            case "approval.decided" | "approval.expired":
                self._answered(entry)
            case _ if self._run is not None and kind not in _ELSEWHERE:
                self._run.entries.append(entry)
            case _:
                pass

    def close(self, ended: AuditEntry | None) -> None:
        """Tell the run that is under way, with the entry that ended it if there is one."""
        run, self._run = self._run, None
        if run is not None:
            run.ended = ended
            self.spans += RunTelling(
                self._tenant, run, turn_of(self._turns, run.started), self._asked, self._requests
            ).spans()

    def _answered(self, entry: AuditEntry) -> None:
        event, data = entry.event, entry.event.data
        approval = self._asked.get(str(data.get("approval")))
        if approval is None:
            return
        request = approval.request
        verb = names.DECIDE_APPROVAL if event.kind == "approval.decided" else names.EXPIRE_APPROVAL
        thread: list[Json] = [self._tenant, request.thread_id, request.id, entry.seq]
        shown: Shown = {
            names.AGENT: request.agent,
            names.CONVERSATION: request.thread_id,
            names.SESSION: request.thread_id,
            names.TURN: request.turn,
            names.TOOL: request.action.tool,
            names.APPROVAL_ID: request.id,
            names.APPROVAL_OUTCOME: str(data.get("state")),
        }
        if event.kind == "approval.decided":
            shown[names.APPROVAL_SAID] = str(data.get("decision"))
            shown[names.APPROVAL_CHANNEL] = str(data.get("via"))
            shown[names.APPROVAL_ASSURANCE] = str(data.get("assurance"))
            shown |= _places(data)
        link = self._requests.get(request.id) or self._asked_now(request.id)
        if link is not None:
            shown[names.APPROVAL_TRACE] = f"{link.trace_id:032x}"
        self.spans.append(
            Retold(
                name=f"{verb} {request.action.tool}",
                place=Place(id_number("trace", thread, 32), id_number("span", thread, 16)),
                start=entry.at,
                end=entry.at,
                kind="consumer",
                attributes=shown,
                link=link,
            )
        )

    def _asked_now(self, approval_id: str) -> Place | None:
        """Where a question is that the run under way has asked."""
        for entry in [] if self._run is None else self._run.entries:
            if entry.event.kind == "approval.requested" and entry.event.data.get("approval") == approval_id:
                return place_of(self._tenant, self._run, entry) if self._run is not None else None
        return None


def _places(data: JsonObject) -> Shown:
    """The stages that an answer was for and those that it left, and whether whoever asked gave it."""
    shown: Shown = {
        names.APPROVAL_STAGES: _listed(data.get("seats") or [data.get("stage")]),
        names.APPROVAL_EXEMPT: data.get("exemption") is not None,
    }
    if data.get("waiting"):
        shown[names.APPROVAL_WAITING] = _listed(data["waiting"])
    return shown


def _listed(stages: Json) -> str:
    found = stages if isinstance(stages, list) else []
    return ",".join(str(stage + 1) for stage in found if isinstance(stage, int))
