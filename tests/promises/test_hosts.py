"""What holds with a saver that is not guardkit's: LangGraph's own in memory, and its SQLite saver, beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from guardkit import ApprovalState, Authority, EffectState, NoResultReason, Person, Principal, Source
from guardkit.core.runs import StopOrder, TurnStatus
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, DecisionRefusedError, InputError, UnknownApprovalError
from guardkit.grounding import Outcome
from guardkit.sql import SQLAlchemySaver
from guardkit.testing import ExtractiveModel, calls
from tests.promises.scene import (
    ASK,
    KIM,
    Scene,
    agent,
    approvals,
    ask,
    changed_call,
    decide,
    ended,
    entries,
    go_on,
    payer,
    run,
    told,
    waiting,
    work,
)

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


@pytest.fixture(params=["ours", "in memory", "sqlite"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCheckpointSaver[Any] | None]:
    """A saver to compile with; `None` is guardkit's."""
    match request.param:
        case "ours":
            yield None
        case "in memory":
            yield InMemorySaver()
        case _:
            with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as made:
                yield made


class Host:
    """A desk whose graph keeps its checkpoints with some saver."""

    def __init__(self, scene: Scene, saver: BaseCheckpointSaver[Any] | None, policy: Any = ASK) -> None:
        self.paid: list[JsonObject] = []
        self.guard = scene.guard({} if policy is None else {"pay": policy})
        tools = [payer(self.guard, self.paid, key=lambda args: args.claim)]
        self.graph = self.guard.compile(agent([PAY, *["Done."] * 3], tools), checkpointer=saver)
        self.config = self.guard.config("t", KIM)
        self.synchronous = isinstance(saver, SqliteSaver)

    def goes_on(self) -> None:
        """What a worker does; with a saver that has no async methods, what the next call on the thread does."""
        if self.synchronous:
            assert work(self.guard)[0].failed == 1
            go_on(self.graph, self.config)
        else:
            assert work(self.guard)[0].resumed == 1


@pytest.mark.promise("P1", "P2", "P10", "P12")
def test_what_is_approved_runs_once_and_is_gone_on_with(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver)
    run(host.graph, ask(), host.config)
    decide(host.guard, waiting(host.guard, host.config)[0])
    host.goes_on()
    assert len(host.paid) == 1
    before = next(one for one in host.graph.get_state_history(host.config) if one.next == ("tools",))
    run(host.graph, None, before.config)
    assert len(host.paid) == 1
    kinds = [entry.event.kind for entry in entries(host.guard)]
    assert kinds.index("approval.decided") < kinds.index("effect.claimed") < kinds.index("effect.recorded")


@pytest.mark.promise("P1")
def test_arguments_that_changed_are_asked_about_again(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver)
    run(host.graph, ask(), host.config)
    decide(host.guard, waiting(host.guard, host.config)[0])
    message = host.graph.get_state(host.config).values["messages"][-1]
    host.graph.update_state(host.config, {"messages": [changed_call(message, amount=5000)]}, as_node="agent")
    go_on(host.graph, host.config)
    assert host.paid == []
    assert waiting(host.guard, host.config)[0].args["amount"] == 5000


@pytest.mark.promise("P3", "P9")
def test_an_effect_in_doubt_is_not_repeated(scene: Scene, saver: Any) -> None:
    began: list[str] = []
    guard = scene.guard({"pay": "allow"})

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str, amount: int) -> str:
        """Pay a claim."""
        began.append(claim)
        raise TimeoutError

    graph = guard.compile(agent([PAY, PAY, "Done."], [pay]), checkpointer=saver)
    for thread in ("t", "u"):
        config = guard.config(thread, KIM)
        run(graph, ask(), config)
        assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT
    assert began == ["C-1"]
    assert [one.state for one in guard.store.effects()] == [EffectState.IN_DOUBT]


@pytest.mark.promise("P4", "P5", "P6")
def test_a_no_of_the_right_people_holds(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver)
    run(host.graph, ask(), host.config)
    [approval] = waiting(host.guard, host.config)
    for nobody in ("kim", "otto", "mallory"):
        with pytest.raises(DecisionRefusedError):
            decide(host.guard, approval, by=nobody)
    card = host.graph.get_state(host.config).interrupts[0].id
    run(host.graph, Command(resume={card: {"type": "approve"}}), host.config)
    decide(host.guard, approval, "reject")
    go_on(host.graph, host.config)
    run(host.graph, Command(goto="tools"), host.config)
    assert host.paid == []
    assert {one.state for one in approvals(host.guard)} == {ApprovalState.REJECTED}


@pytest.mark.promise("P7")
def test_a_tool_that_no_policy_lists_does_not_run(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver, policy=None)
    assert told(run(host.graph, ask(), host.config)) == ["This action is not permitted."]
    assert host.paid == []


@pytest.mark.promise("P9")
def test_a_stop_ends_what_waits(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver)
    run(host.graph, ask(), host.config)
    decide(host.guard, waiting(host.guard, host.config)[0])
    order = StopOrder(id="s", scope="thread", tenant="default", target="t", by="ops", why="drill", at=0)
    host.guard.store.set_stop(order)
    host.goes_on()
    assert host.paid == []
    assert ended(host.guard, host.config).reason is NoResultReason.STOPPED_BY_OPERATOR
    assert host.graph.get_state(host.config).next == ()


@pytest.mark.promise("P11")
def test_two_runs_on_a_thread_are_kept_apart(scene: Scene, saver: Any) -> None:
    refused: list[BusyError] = []
    guard = scene.guard({"look": "allow"})

    @guard.read(trust="trusted")
    def look(claim: str) -> str:
        """Look up a claim, while somebody else tries to run."""
        try:
            scene_graph[0].invoke(ask("Me too."), guard.config("t", KIM))
        except BusyError as error:
            refused.append(error)
        return "open"

    scene_graph = [
        guard.compile(agent([calls(("look", {"claim": "C-1"})), "Done."], [look]), checkpointer=saver)
    ]
    run(scene_graph[0], ask(), guard.config("t", KIM))
    assert len(refused) == 1
    assert [row.status for row in guard.store.threads(None)] == [TurnStatus.DONE]


@pytest.mark.promise("P15")
def test_bad_input_is_told_and_loses_no_question(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver)
    run(host.graph, ask(), host.config)
    [approval] = waiting(host.guard, host.config)
    with pytest.raises(InputError, match=r"durability='exit'.*means 'sync'"):
        host.graph.invoke(None, host.config, durability="exit")
    with pytest.raises(InputError, match="thread_id"):
        host.graph.invoke(ask(), host.guard.config("", KIM))
    assert waiting(host.guard, host.config) == [approval]
    decide(host.guard, approval)
    go_on(host.graph, host.config)
    assert len(host.paid) == 1


CANARY = "without any further condition"
"""Words of the sentence that the model invents in its first draft."""

VERIFIED = "2,000 euros per person"


@pytest.mark.promise("P8")
def test_no_part_of_a_draft_is_heard_or_kept(scene: Scene, saver: Any) -> None:
    trails: list[Outcome] = []
    guard = scene.guard({})
    text = "Lost luggage is covered up to 2,000 euros per person. Claims are made in writing."
    document = Source.of(
        text, id="terms", tenant="default", owner="legal", authority=Authority.AUTHORITATIVE, title="Terms"
    )

    @guard.retriever
    def library(state: Any) -> list[Source]:
        return [document]

    node = guard.draft_critique_verify(
        model=ExtractiveModel(misbehave="invent"), retriever=library, on_outcome=trails.append
    )
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("answer", node)
    builder.add_edge(START, "answer")
    graph = guard.compile(builder, checkpointer=saver)
    config = guard.config("t", KIM)
    modes: list[Any] = ["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints"]
    question = ask("Up to what amount is lost luggage covered?")
    heard = repr(list(graph.stream(question, config, stream_mode=modes, subgraphs=True)))
    kept = repr(list(graph.get_state_history(config)))
    kept += repr(list((saver or SQLAlchemySaver(guard.database)).list({"configurable": {"thread_id": "t"}})))
    assert CANARY in repr(trails)
    for told_of in (heard, kept):
        assert VERIFIED in told_of
        assert CANARY not in told_of


@pytest.mark.promise("P13")
def test_nothing_that_was_said_is_exported(scene: Scene, saver: Any) -> None:
    """`tests/scan.py` looks for these words in all telemetry when the test is over."""
    host = Host(scene, saver)
    run(host.graph, ask("Pay C-1. private-words"), host.config)
    decide(host.guard, waiting(host.guard, host.config)[0], "reject", reason="private-reason")
    host.goes_on()
    assert "private-words" in repr(host.graph.get_state(host.config).values)


@pytest.mark.promise("P14")
def test_tenants_with_threads_of_their_own_stay_apart(scene: Scene, saver: Any) -> None:
    host = Host(scene, saver)
    scene.people.people["tia"] = Person(
        id="tia", email="tia@other.example", tenant="other", roles=("manager",)
    )
    theirs = host.guard.config("u", Principal(id="kim", tenant="other"))
    run(host.graph, ask(), host.config)
    [approval] = waiting(host.guard, host.config)
    with pytest.raises(UnknownApprovalError):
        decide(host.guard, approval, by="tia")
    with pytest.raises(InputError, match="no turn"):
        host.graph.invoke(None, host.guard.config("t", Principal(id="kim", tenant="other")))
    run(host.graph, ask(), theirs)
    [foreign] = waiting(host.guard, theirs)
    assert foreign.request.id != approval.request.id
    order = StopOrder(id="s", scope="tenant", tenant="other", target=None, by="ops", why="drill", at=0)
    host.guard.store.set_stop(order)
    decide(host.guard, approval)
    go_on(host.graph, host.config)
    go_on(host.graph, theirs)
    assert len(host.paid) == 1
    assert ended(host.guard, theirs).reason is NoResultReason.STOPPED_BY_OPERATOR
    assert list(host.guard.store.effects(tenant="other")) == []
    assert {entry.event.thread_id for entry in entries(host.guard, tenant="other")} <= {"u", None}
