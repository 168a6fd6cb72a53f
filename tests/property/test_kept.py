"""What a tool returned comes back from the ledger as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.types import Command, Send

from guardkit.core.digest import canonical, parse
from guardkit.langgraph.outputs import CODEC

names = st.sampled_from(["messages", "booked", "a b", "", "message", "command", "json", "v"])
plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
CALL, OTHER = "call-1", "call-0"


def messages(answered: str) -> st.SearchStrategy[BaseMessage]:
    return st.one_of(
        st.builds(HumanMessage, st.text(max_size=8), id=st.none() | st.just("h")),
        st.builds(AIMessage, st.text(max_size=8), id=st.just("a")),
        st.just("old").map(lambda one: RemoveMessage(id=one)),
        st.builds(
            ToolMessage,
            st.text(max_size=8),
            tool_call_id=st.sampled_from([answered, OTHER]),
            status=st.sampled_from(["success", "error"]),
            artifact=plain,
        ),
    )


def updates(answered: str) -> st.SearchStrategy[Any]:
    value = plain | messages(answered) | st.lists(messages(answered), max_size=3)
    pairs = st.lists(st.tuples(names, value), max_size=2)
    return (
        st.none()
        | st.dictionaries(names, value, max_size=3)
        | st.lists(messages(answered), max_size=3)
        | pairs
    )


def commands(answered: str) -> st.SearchStrategy[Any]:
    sends = st.builds(Send, st.sampled_from(["next", "tools"]), plain | messages(answered))
    places: st.SearchStrategy[Any] = st.sampled_from(["next", "tools"]) | sends
    return st.builds(
        Command,
        graph=st.sampled_from([None, Command.PARENT]),
        update=updates(answered),
        goto=st.just(()) | places | st.lists(places, max_size=2),
    )


@given(returned=commands(CALL) | st.lists(commands(CALL) | messages(CALL), min_size=1, max_size=2))
def test_a_command_comes_back_as_the_answer_to_whoever_asks(returned: Any) -> None:
    """The call that made it gets it whole; another call, which must not change the state again, gets the answer."""
    kept = parse(canonical(CODEC.encode(returned, CALL)))
    assert CODEC.decode(kept, CALL) == returned
    answer = CODEC.decode(kept, "call-2")
    assert (answer is None) == ("'call-1'" not in repr(returned))
    assert answer is None or answer.tool_call_id == "call-2"


@given(value=plain)
def test_plain_data_comes_back(value: Any) -> None:
    kept = parse(canonical(CODEC.encode(value, CALL)))
    assert CODEC.decode(kept, CALL) == value


@pytest.mark.parametrize(
    "returned",
    [Command(resume=1), Command(goto=Send("n", {}, timeout=5)), Command(update={"a": object()}), object()],
    ids=["resume", "timeout", "object in an update", "object"],
)
def test_what_cannot_be_kept_is_refused(returned: Any) -> None:
    with pytest.raises(ValueError, match="the result of an effect must"):
        CODEC.encode(returned, CALL)
