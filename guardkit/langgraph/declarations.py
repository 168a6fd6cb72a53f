"""Declaring tools, nodes and retrievers: the decorators of a `Guard`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, overload

from langchain_core.tools import BaseTool

from guardkit.core.effects import Reconciled
from guardkit.core.steps import ToolKind, Trust
from guardkit.errors import ConfigurationError
from guardkit.langgraph.declaring import guarded
from guardkit.langgraph.retrieving import Retriever
from guardkit.langgraph.tools import GuardedTool
from guardkit.langgraph.wrapping import NodeCheck, NodeOptions

F = TypeVar("F", bound=Callable[..., Any])
TrustWord = Literal["trusted", "untrusted"]


class Declarations:
    """What was declared with the decorators of one guard."""

    def __init__(self) -> None:
        self._tools: dict[str, GuardedTool] = {}
        self._nodes: dict[str, NodeOptions] = {}

    @overload
    def effect(self, target: Callable[..., Any] | BaseTool, /) -> GuardedTool: ...
    @overload
    def effect(
        self,
        /,
        *,
        key: Callable[[Any], str] | None = None,
        timeout: float | None = None,
        reconcile: Callable[[str], Reconciled] | None = None,
        reads: Sequence[str] = (),
        trust: TrustWord = "untrusted",
        name: str | None = None,
        description: str | None = None,
    ) -> Callable[[Callable[..., Any] | BaseTool], GuardedTool]: ...
    def effect(self, target: Callable[..., Any] | BaseTool | None = None, /, **options: Any) -> Any:
        """Declare a tool that changes something outside. It starts at most once per key.

        Args:
            target: the function or tool, when used without parentheses.
            key: effect key from the validated arguments, seen as attributes: `lambda a: a.claim_id`. Without it
                every proposed call is an effect of its own.
            timeout: seconds that one execution may take; after that the effect is in doubt. Before that nobody can
                settle it as not done.
            reconcile: finds out, by the idempotency key, what became of an effect in doubt.
            reads: state fields that the tool also reads; they become part of what is approved.
            trust: how far what it returns is trusted.
            name: the tool's name; by default the function's.
            description: what the model is told; by default the docstring.
            **options: the above, when used without parentheses there are none.

        Raises:
            CompileError: the function cannot become a tool, or reads what no approval would show.
        """
        return self._declare(ToolKind.EFFECT, target, options)

    @overload
    def read(self, target: Callable[..., Any] | BaseTool, /) -> GuardedTool: ...
    @overload
    def read(
        self,
        /,
        *,
        trust: TrustWord = "untrusted",
        timeout: float | None = None,
        name: str | None = None,
        description: str | None = None,
    ) -> Callable[[Callable[..., Any] | BaseTool], GuardedTool]: ...
    def read(self, target: Callable[..., Any] | BaseTool | None = None, /, **options: Any) -> Any:
        """Declare a tool that changes nothing that matters, and may run again.

        Args:
            target: the function or tool, when used without parentheses.
            trust: `trusted` only if outsiders cannot write what it returns.
            timeout: seconds that one execution may take.
            name: the tool's name; by default the function's.
            description: what the model is told; by default the docstring.
            **options: the above, when used without parentheses there are none.

        Raises:
            CompileError: the function cannot become a tool.
        """
        return self._declare(ToolKind.READ, target, options)

    def _declare(
        self, kind: ToolKind, target: Callable[..., Any] | BaseTool | None, options: dict[str, Any]
    ) -> Any:
        def declare(function: Callable[..., Any] | BaseTool) -> GuardedTool:
            trust = Trust(options.get("trust", "untrusted"))
            rest = {name: value for name, value in options.items() if name != "trust"}
            rest["reads"] = tuple(rest.get("reads", ()))
            tool = guarded(function, kind=kind, trust=trust, **rest)
            if tool.name in self._tools:
                raise ConfigurationError(
                    f"two tools are called {tool.name!r}", remedy="give one another name="
                )
            self._tools[tool.name] = tool
            return tool

        return declare if target is None else declare(target)

    def node(self, *, checks: Sequence[tuple[str, NodeCheck]] = ()) -> Callable[[F], F]:
        """Tune one node: `checks` judge what it is about to write to the state.

        A check that does not pass, or raises, ends the turn with `check_failed`. The node is found by the function's
        name; nodes that are added under another name are not tuned.
        """

        def tune(function: F) -> F:
            self._nodes[function.__name__] = NodeOptions(checks=tuple(checks))
            return function

        return tune

    def retriever(self, function: Callable[[Any], Any]) -> Retriever:
        """Declare a function from state to sources (`Source`, or LangChain `Document`s with the metadata of one).

        Called in node code, it returns only sources that an answer for the run's principal may rest on.
        """
        return Retriever(function)

    def tool(self, target: BaseTool) -> GuardedTool:
        """Guard a tool that is declared nowhere. It counts as an effect, and the policy has to name it."""
        return self._declare(ToolKind.EFFECT, target, {})
