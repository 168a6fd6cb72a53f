"""P7, P8 and P15 on a LangGraph server: what is silent, unverified or malformed gets no further there than in a process."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from langgraph.pregel.remote import RemoteException
from langgraph.types import Command

from guardkit.core.approvals import ApprovalState
from guardkit.core.no_result import NoResultReason
from guardkit.core.runs import TurnStatus
from tests.server.server import Server, asks, config
from tests.server.test_langgraph_server import begin, last, status

NOT_PERMITTED = "This action is not permitted."


async def tried(server: Server, *told: tuple[str, dict[str, Any]]) -> tuple[str, list[str]]:
    """A thread of the strict agent that has tried some calls, and what its tools told the model."""
    thread_id = server.thread("kim")
    graph = server.graph("kim", "strict")
    await graph.ainvoke(asks(json.dumps(told)), config(thread_id))
    state: Any = (await graph.aget_state(config(thread_id))).values
    return thread_id, [one["content"] for one in state["messages"] if one["type"] == "tool"]


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    "call",
    [
        ("wipe", {"claim": "unlisted"}),
        ("pay", {"claim": "unjudged", "amount": 5}),
        ("pay", {"claim": "down", "amount": 500}),
        ("pay", {"claim": "slow", "amount": 500}),
    ],
    ids=["a tool without an entry", "a rule that cannot be evaluated", "a check that raises", "a late check"],
)
async def test_what_nobody_says_yes_to_does_not_run(server: Server, call: tuple[str, dict[str, Any]]) -> None:
    _, told = await tried(server, call)
    assert told == [NOT_PERMITTED]
    assert not [one for one in server.payments() if one.endswith(str(call[1]["claim"]))]


@pytest.mark.promise("P7")
async def test_a_tool_that_the_model_made_up_does_not_run(server: Server) -> None:
    _, told = await tried(server, ("pay_twice", {"claim": "made-up"}))
    assert "pay_twice is not a valid tool" in told[0]


@pytest.mark.promise("P7", "P9")
async def test_a_spent_budget_ends_the_turn(server: Server) -> None:
    ids = [f"{server.saver[:3]}-budget-{number}" for number in range(4)]
    thread_id, _ = await tried(server, *(("pay", {"claim": one, "amount": 500}) for one in ids))
    turn = server.guard.store.turn("default", thread_id)
    assert turn is not None
    assert turn.no_result is not None
    assert turn.no_result.reason is NoResultReason.BUDGET_EXHAUSTED
    assert [one in server.payments() for one in (f"paid-{one}" for one in ids)] == [True, True, False, False]


CANARY = "without any further condition"
"""Words of the sentence that the model invents in its first draft."""

VERIFIED = "2,000 euros per person"
QUESTION = "Up to what amount is lost luggage covered?"
MODES = [
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "custom",
    "debug",
    "tasks",
    "checkpoints",
    "events",
]


@pytest.mark.promise("P8")
async def test_no_part_of_a_draft_leaves_the_server(server: Server) -> None:
    drafted = server.drafts().count(CANARY)
    for modes in ([one] for one in MODES):
        thread_id = server.thread("kim")
        heard = server.streamed(
            "kim", "answers", thread_id, asks(QUESTION), stream_mode=modes, stream_subgraphs=True
        )
        assert CANARY not in heard, modes
        assert "event: error" not in heard, (modes, heard)
        if modes != ["custom"]:
            assert VERIFIED in heard, modes
        for path in ("state?subgraphs=true", "history"):
            kept = server.told("kim", f"/threads/{thread_id}/{path}")
            assert VERIFIED in kept
            assert CANARY not in kept, path
    assert server.drafts().count(CANARY) > drafted


@pytest.mark.promise("P8")
@pytest.mark.parametrize("subgraphs", [False, True], ids=["the graph", "its subgraphs too"])
async def test_several_ways_to_listen_at_once_hear_no_draft(server: Server, subgraphs: bool) -> None:
    thread_id = server.thread("kim")
    heard = server.streamed(
        "kim", "answers", thread_id, asks(QUESTION), stream_mode=MODES, stream_subgraphs=subgraphs
    )
    assert VERIFIED in heard
    assert CANARY not in heard


@pytest.mark.promise("P8", "P9")
async def test_what_no_document_answers_is_not_answered(server: Server) -> None:
    thread_id = server.thread("kim")
    heard = server.streamed(
        "kim", "answers", thread_id, asks("Is damage by an earthquake covered?"), stream_mode=MODES
    )
    assert status(server, thread_id) is TurnStatus.ENDED
    assert '"type":"ai"' not in heard.replace(" ", "")


@pytest.mark.promise("P15")
async def test_a_thread_without_a_turn_is_told_of_by_the_kind_of_the_error(server: Server) -> None:
    with pytest.raises(RemoteException, match="InputError"):
        await server.graph("kim").ainvoke(None, config(server.thread("kim")))


@pytest.mark.promise("P15")
async def test_a_durability_that_could_not_be_resumed_is_refused_and_nothing_is_begun(server: Server) -> None:
    thread_id = server.thread("kim")
    heard = server.streamed("kim", "desk", thread_id, asks("exit"), durability="exit")
    assert "event: error" in heard
    assert "InputError" in heard
    assert server.guard.store.turn("default", thread_id) is None


@pytest.mark.promise("P15")
async def test_arguments_that_do_not_fit_are_told_by_name_and_nothing_runs(server: Server) -> None:
    _, (told,) = await tried(server, ("pay", {"claim": "misfit", "amount": "many"}))
    assert "amount: Input should be a valid integer" in told.replace("\n", " ")
    assert "paid-misfit" not in server.payments()


@pytest.mark.promise("P2", "P15")
@pytest.mark.parametrize(
    "given",
    [Command(resume={"f" * 32: True}), Command(resume="")],
    ids=["another question", "nothing"],
)
async def test_answers_to_nothing_lose_no_question(server: Server, given: Command[Any]) -> None:
    claim = f"kept-{server.saver[:3]}-{abs(hash(repr(given)))}"
    thread_id, approval = await begin(server, claim)
    with suppress(RemoteException):
        await server.graph("kim").ainvoke(given, config(thread_id))
    (now,) = [one for one in server.asked(thread_id) if one.state is ApprovalState.PENDING]
    assert now.request.id == approval.request.id
    server.decide(now)
    assert (await server.worker().once()).resumed == 1
    assert server.payments().count(claim) == 1
    assert await last(server, thread_id) == "Done."
