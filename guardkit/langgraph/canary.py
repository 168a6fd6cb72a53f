"""A blocked tool must not run. Tried on the installed LangGraph each time a graph is compiled.

guardkit rests on insides of LangGraph that a release may change (see compat.py). The canary sends a call that ends
the turn through the same weaving as the user's graph, in memory, and refuses to compile when the tool, or anything
behind it, runs after all.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import contextvars
from typing import Annotated, Any, TypedDict, cast

from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.principals import UNKNOWN
from guardkit.core.runs import RunRef, Turn, TurnStatus
from guardkit.errors import CanaryError
from guardkit.langgraph.channel import CHANNEL
from guardkit.langgraph.messages import fields_of
from guardkit.langgraph.node import GUARDED_TOOL, RUN
from guardkit.langgraph.stopping import NoResultStop
from guardkit.langgraph.weaving import woven
from guardkit.langgraph.wrapping import NodeHost
from guardkit.runtime.session import Services, Session


class _State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def _offload(do: Any) -> Any:
    return do()


def _session() -> Session:
    run = RunRef(tenant="canary", thread_id="canary", turn=1, run_id="canary", token=1)
    turn = Turn(
        tenant="canary",
        thread_id="canary",
        number=1,
        agent="canary",
        principal=UNKNOWN,
        fingerprint="",
        policy_version="",
        salt="",
        status=TurnStatus.RUNNING,
        opened_at=0.0,
    )
    # The canary's gate ends the turn before any service would be needed.
    return Session(services=cast("Services", None), run=run, turn=turn, continued=False)


def check_insides() -> None:
    """Run the canary.

    Raises:
        CanaryError: a blocked tool ran, a stopped graph went on, or the outcome did not show.
    """
    ran: list[str] = []
    session = _session()

    def canary() -> str:
        """Must never run."""
        ran.append("a blocked tool ran")
        return "sang"

    def behind(state: _State) -> dict[str, Any]:
        ran.append("an edge of a stopped graph fired")
        return {}

    def gate(tool: BaseTool) -> BaseTool:
        def blocked() -> str:
            session.ended = NoResult.because(NoResultReason.POLICY_DENIED)
            raise NoResultStop(session.ended)

        return StructuredTool.from_function(func=blocked, name=tool.name, description=tool.description)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(_State)
    tool = StructuredTool.from_function(func=canary)
    builder.add_node("tools", ToolNode([tool], handle_tool_errors=True))
    builder.add_node("behind", behind)
    builder.add_edge(START, "tools")
    builder.add_edge("tools", "behind")
    builder.add_edge("behind", END)
    plain = builder.compile()
    attributes = woven(plain, NodeHost(messages_key="messages", offload=_offload), gate)
    graph: Any = CompiledStateGraph(**attributes)
    call = AIMessage("", tool_calls=[{"name": "canary", "args": {}, "id": "canary"}])

    def sing() -> Any:
        RUN.set(session)
        GUARDED_TOOL.set(True)  # the canary's gate is a tool of its own, which the net would stop first
        # Without a thread of the surrounding run: the canary also sings when a graph is compiled inside a node.
        return graph.invoke({"messages": [call]}, {"configurable": {"thread_id": "canary"}})

    out = contextvars.Context().run(sing)
    if "no_result" not in fields_of(fields_of(out).get(CHANNEL)):
        ran.append("the outcome did not reach the state")
    if ran:
        raise CanaryError(
            f"the installed LangGraph does not hold guardkit's gates: {', '.join(ran)}",
            remedy="install a langgraph release that this guardkit release names",
        )
