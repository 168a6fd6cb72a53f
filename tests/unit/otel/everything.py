"""Runs in which everything happens that telemetry tells of."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit import Assurance, Guard, NoResult, StandingWish
from guardkit.core.anomalies import Measure, Watch
from guardkit.core.next_step import Clarify
from guardkit.core.reviews import ReviewVerdict
from guardkit.core.runs import StopOrder
from guardkit.core.steps import Step
from guardkit.core.verdicts import CheckContext
from guardkit.errors import StorageError
from guardkit.runtime.events import Attributes, NoTelemetry, Telemetry
from guardkit.runtime.watching import Watching
from guardkit.testing import MemoryAnomalies, ScriptedModel, calls
from tests.promises.scene import Scene, let_be_overdue, let_expire, policy_of
from tests.surface.answering import GOOD, INVENTED, ONCE, open_desk
from tests.unit.otel.scene import (
    ASK,
    KIM,
    POLICY,
    Mode,
    a_broken_check,
    a_chatty_check,
    a_check,
    agent,
    an_output_check,
    approve,
    paused_run,
    script,
    whole_run,
)


class Faulty(NoTelemetry):
    """A telemetry that can only measure."""

    def __init__(self, inner: Telemetry) -> None:
        self.inner = inner

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        self.inner.measure(name, value, attributes)

    def event(self, name: str, attributes: Attributes) -> None:
        raise OSError("the disk of the log is full: error-secret")


def everything(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """A whole run with checks of all stages, a check that fails, a stop, a question that expires, answers."""
    a_whole_run(_folder(folder, "whole"), telemetry, run)
    guard, graph, _ = agent(_folder(folder, "broken"), telemetry, script(), [("broken", a_broken_check)])
    run(graph, ASK, guard.config("conversation-1", KIM))
    a_stop(_folder(folder, "stop"), telemetry, run)
    an_anomaly(telemetry)
    an_expiry(_folder(folder, "expiry"), telemetry, run)
    answers(_folder(folder, "answers"), telemetry)
    a_dead_database(folder, telemetry)
    an_edit(_folder(folder, "edit"), telemetry, run)
    two_stages(_folder(folder, "stages"), telemetry, run)
    an_emergency(_folder(folder, "emergency"), telemetry, run)
    a_standing_yes(_folder(folder, "standing"), telemetry, run)
    a_question(_folder(folder, "question"), telemetry, run)
    guard, graph, _ = agent(_folder(folder, "faulty"), Faulty(telemetry), ScriptedModel("answer-secret"))
    guard.store.set_stop(StopOrder(id="drill", scope="everything", by="dana-4711", why="reason-secret", at=0))
    run(graph, ASK, guard.config("conversation-1", KIM))


def a_whole_run(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Is asked, looks up, is refused, asks people, acts, answers."""
    guard, graph, _ = agent(
        folder, telemetry, script(), [("tidy", a_check)], node_checks=[("tone", an_output_check)]
    )
    whole_run(guard, graph, run)


def a_stop(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Is stopped by an operator."""
    guard, graph, _ = agent(folder, telemetry, script())
    guard.store.set_stop(StopOrder(id="drill", scope="everything", by="dana-4711", why="reason-secret", at=0))
    config = guard.config("conversation-1", KIM)
    assert isinstance(guard.outcome(run(graph, ASK, config), config), NoResult)


def an_expiry(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Asks people, who do not answer."""
    guard, graph, _ = agent(folder, telemetry, script())
    paused = paused_run(guard, graph, run)
    let_expire(Scene(f"sqlite:///{folder / 'guardkit.db'}"), paused.approvals[0])
    assert guard.desk.expire() == 1
    run(graph, None, guard.config("conversation-1"))


def an_anomaly(telemetry: Telemetry) -> None:
    """A worker finds an agent unusual."""
    anomalies = MemoryAnomalies()
    anomalies.occur("clerk", measure=Measure.UNUSUAL_TOOL, tool="wipe")
    assert len(Watching(anomalies, Watch(), telemetry).look()) == 1


def a_dead_database(folder: Path, telemetry: Telemetry) -> None:
    """Asks a database whose disk is gone."""
    guard = Guard(f"sqlite:///{folder / 'gone' / 'guardkit.db'}", policy=policy_of({}), telemetry=telemetry)
    with pytest.raises(StorageError):
        guard.store.now()


def an_edit(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Asks people, who change what is to be done."""
    guard, graph, sent = agent(folder, telemetry, script(), [("chatty", a_chatty_check)])
    approval = paused_run(guard, graph, run).approvals[0]
    guard.desk.decide(
        approval.request.id,
        identity="dana.secret@example.com",
        digest=approval.digest,
        kind="edit",
        args={"to": "edited-secret@example.net", "text": "edited-secret"},
        reason="reason-secret",
        assurance=Assurance.LOCAL_OPERATOR,
        via="web",
    )
    run(graph, None, guard.config("conversation-1"))
    assert sent == ["edited-secret"]


def two_stages(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Asks two stages at the same time, of which one answers."""
    manager = POLICY["approvals"]["manager"]
    other = {"approvers": ["rosa.secret@example.com"], "channel": "desk", "assurance": "local_operator"}
    route = {**manager, "stages": [*manager["stages"], other], "order": "together"}
    policy = {**POLICY, "approvals": {"manager": route}}
    guard, graph, _ = agent(folder, telemetry, script(), policy=policy)
    approve(guard, paused_run(guard, graph, run))
    assert guard.store.listed()[0].waiting() == (1,)


def a_standing_yes(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Asks people, who say yes to this and to all like it."""
    mail = calls(("send_mail", {"to": "argument-secret@example.net", "text": "argument-secret"}))
    guard, graph, sent = agent(folder, telemetry, ScriptedModel(mail, mail, "answer-secret"))
    approval = paused_run(guard, graph, run).approvals[0]
    guard.desk.decide(
        approval.request.id,
        identity="dana.secret@example.com",
        digest=approval.digest,
        kind="approve",
        assurance=Assurance.LOCAL_OPERATOR,
        via="web",
        standing=StandingWish(scope="thread", seconds=60.0, uses=1),
    )
    run(graph, None, guard.config("conversation-1"))
    assert len(sent) == 2


def an_emergency(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Asks people, of whom one breaks the glass; another reviews it, too late."""
    guard, graph, sent = agent(folder, telemetry, script())
    approval = paused_run(guard, graph, run).approvals[0]
    guard.desk.emergencies.break_glass(
        approval.request.id,
        identity="otto.secret@example.com",
        digest=approval.digest,
        reason="reason-secret: the house is on fire",
        assurance=Assurance.LOCAL_OPERATOR,
        via="web",
    )
    run(graph, None, guard.config("conversation-1"))
    assert len(sent) == 1
    [review] = guard.store.reviews()
    let_be_overdue(Scene(f"sqlite:///{folder / 'guardkit.db'}"), review)
    assert guard.desk.emergencies.note_overdue() == 1
    guard.desk.emergencies.close_review(
        approval.request.id,
        identity="rosa.secret@example.com",
        verdict=ReviewVerdict.JUSTIFIED,
        comment="reason-secret",
        via="web",
    )


def a_question(folder: Path, telemetry: Telemetry, run: Mode) -> None:
    """Asks the user before it goes on."""

    def unsure(step: Step, context: CheckContext) -> Clarify:
        return Clarify(question="question-secret")

    guard, graph, _ = agent(folder, telemetry, script(), assessors=[("unsure", unsure)])
    run(graph, ASK, guard.config("conversation-1", KIM))


def answers(folder: Path, telemetry: Telemetry) -> None:
    """Answers from a document, and does not."""
    for draft in (GOOD, INVENTED):
        guard = Guard(f"sqlite:///{folder / f'{draft[:5]}.db'}", policy=policy_of({}), telemetry=telemetry)
        desk = open_desk(Scene(""), "sync", guard=guard, draft=draft, settings=ONCE)
        assert isinstance(desk.ask(), NoResult) == (draft == INVENTED)


def _folder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
