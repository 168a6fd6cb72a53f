"""The net under the tools: what runs in a guarded run without a gate is stopped, wherever it is called."""

from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig

from guardkit.errors import UndeclaredToolError
from guardkit.langgraph.node import GUARDED_TOOL, RUN


class ToolNet(BaseCallbackHandler):
    """Stops every tool of a guarded run that does not come through a gate, also one called in node code."""

    raise_error = True
    run_inline = True

    @property
    def ignore_chain(self) -> bool:
        """Only tools concern it; LangChain need not call it for anything else."""
        return True

    @property
    def ignore_llm(self) -> bool:
        """As `ignore_chain`."""
        return True

    @property
    def ignore_chat_model(self) -> bool:
        """As `ignore_chain`."""
        return True

    @property
    def ignore_retriever(self) -> bool:
        """As `ignore_chain`."""
        return True

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        """Refuse an unguarded tool.

        Raises:
            UndeclaredToolError: the tool is not guarded.
        """
        if RUN.get() is not None and not GUARDED_TOOL.get():
            name = serialized.get("name", "unknown") if serialized else "unknown"
            raise UndeclaredToolError(
                f"tool {name!r} is not guarded and was stopped",
                remedy="decorate it with guard.effect or guard.read, or wrap it with guard.tool",
            )


NET = ToolNet()


def under_net(config: RunnableConfig) -> RunnableConfig:
    """The config of a node or an edge, with the net under what its code calls.

    LangGraph makes a callback manager for every step of a node, so it is spread in that one and costs the steps that
    call no code nothing. What is called further down inherits it.
    """
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager):
        handlers = callbacks or []
        return (
            config if NET in handlers else cast("RunnableConfig", {**config, "callbacks": [*handlers, NET]})
        )
    if NET not in callbacks.inheritable_handlers:
        callbacks.add_handler(NET, inherit=True)
    return config
