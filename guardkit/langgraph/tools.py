"""Guarded tools: they enforce by themselves, wherever they are called from."""

import contextlib
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any, cast

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt
from pydantic import PrivateAttr, ValidationError

from guardkit.core import telemetry_names as names
from guardkit.core.digest import canonical, parse
from guardkit.core.effects import Effect
from guardkit.core.steps import Observation, ToolKind
from guardkit.core.values import Json, JsonObject
from guardkit.errors import (
    ActionRejectedError,
    CanonicalError,
    ConfigurationError,
    GuardkitError,
    InputError,
    OutsideRunError,
)
from guardkit.langgraph.batches import Batch, batch_of, bound_reads
from guardkit.langgraph.node import GUARDED_TOOL, NODE, Node
from guardkit.langgraph.outputs import CODEC, failed, is_update, not_of_the_user, recorded, text, with_text
from guardkit.langgraph.stopping import NoResultStop
from guardkit.runtime.acting import Acted, Ended, Prepared, Ran, Refused, act, prepare
from guardkit.runtime.driver import AsyncHost, SyncHost, adrive, drive
from guardkit.runtime.events import Span, spanned
from guardkit.runtime.needs import Flow
from guardkit.runtime.observing import Over, failure, observe
from guardkit.runtime.tools import UNGUARDED, ToolSpec, UnfitArgumentsError

EFFECT: ContextVar[Effect | None] = ContextVar("guardkit_effect", default=None)
"""The claim under which the running effect tool runs."""


class GuardedTool(BaseTool):
    """A tool behind the gate. The model, ToolNode and `bind_tools` see the tool that it wraps.

    Calling it in a guarded run puts the call through policy, people and ledger, as declared. Calling it outside
    raises `OutsideRunError`; `guardkit.testing.run_unguarded` allows it for unit tests.
    """

    _inner: BaseTool = PrivateAttr()
    _spec: ToolSpec = PrivateAttr()

    def __init__(self, inner: BaseTool, spec: ToolSpec) -> None:
        super().__init__(
            name=inner.name,
            description=inner.description,
            args_schema=inner.get_input_schema() if inner.args_schema is None else inner.args_schema,
            return_direct=inner.return_direct,
            response_format=inner.response_format,
            tags=inner.tags,
            metadata=inner.metadata,
            handle_tool_error=inner.handle_tool_error,
            handle_validation_error=inner.handle_validation_error,
        )
        self._inner = inner
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """How the tool was declared."""
        return self._spec

    def run(
        self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any
    ) -> Any:
        """Gate the call, then run the tool with the values that were gated.

        Raises:
            OutsideRunError: called outside a guarded run.
            ActionRejectedError: refused, and there is no tool call that a message could answer.
            InputError: arguments that do not fit the tool's schema, in a call made by node code.
        """
        if UNGUARDED.get():
            with _entered(UNGUARDED_EFFECT):
                return self._inner.run(tool_input, *args, tool_call_id=tool_call_id, **kwargs)
        if getattr(self._inner, "func", self) is None:
            raise ConfigurationError(f"tool {self.name!r} is async only", remedy="use ainvoke or astream")
        try:
            node, batch, injected = self._enter(tool_input, tool_call_id)
        except (CanonicalError, UnfitArgumentsError, ValidationError) as error:
            return self._unfit(error, tool_call_id)

        def call(values: JsonObject, effect: Effect | None) -> Any:
            with _entered(effect):
                return self._inner.run(
                    {**_parsed(values), **injected}, *args, tool_call_id=tool_call_id, **kwargs
                )

        host = SyncHost(run_tool=call, pause=interrupt)
        with self._step(node, tool_call_id) as span:
            span.show(lambda: _proposed(batch))
            with node.lock:
                if batch.key not in node.prepared:
                    node.prepared[batch.key] = drive(_prepare(node, batch), host)
            return drive(self._flow(node, batch, tool_call_id, span), host)

    async def arun(
        self, tool_input: str | dict[str, Any], *args: Any, tool_call_id: str | None = None, **kwargs: Any
    ) -> Any:
        """As `run`, for async graphs."""
        if UNGUARDED.get():
            with _entered(UNGUARDED_EFFECT):
                return await self._inner.arun(tool_input, *args, tool_call_id=tool_call_id, **kwargs)
        try:
            node, batch, injected = self._enter(tool_input, tool_call_id)
        except (CanonicalError, UnfitArgumentsError, ValidationError) as error:
            return self._unfit(error, tool_call_id)

        async def call(values: JsonObject, effect: Effect | None) -> Any:
            with _entered(effect):
                return await self._inner.arun(
                    {**_parsed(values), **injected}, *args, tool_call_id=tool_call_id, **kwargs
                )

        host = AsyncHost(run_tool=call, pause=interrupt, offload=node.offload)
        with self._step(node, tool_call_id) as span:
            span.show(lambda: _proposed(batch))
            async with node.alock:
                if batch.key not in node.prepared:
                    node.prepared[batch.key] = await adrive(_prepare(node, batch), host)
            return await adrive(self._flow(node, batch, tool_call_id, span), host)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise OutsideRunError(
            f"tool {self.name!r} is called past its gate", remedy="call it with invoke or ainvoke"
        )

    def _enter(
        self, tool_input: str | dict[str, Any], call_id: str | None
    ) -> tuple[Node, Batch, dict[str, Any]]:
        node = NODE.get()
        if node is None:
            raise OutsideRunError(
                f"guarded tool {self.name!r} was called outside a guarded run",
                remedy="run the graph that guard.compile returned; in unit tests use guardkit.testing.run_unguarded",
            )
        if isinstance(tool_input, str):
            fields = cast("dict[str, Any]", self._spec.json_schema.get("properties", {}))
            tool_input = {next(iter(sorted(fields)), "input"): tool_input}
        # Everything that the host did not inject is an argument, also what the schema does not name: nothing reaches
        # the tool that was not digested.
        raw = {name: value for name, value in tool_input.items() if name not in self._spec.injected}
        injected = {name: value for name, value in tool_input.items() if name in self._spec.injected}
        args = self._spec.validate(raw)
        try:
            reads = bound_reads(self._spec, node.state)
        except ValueError as error:
            raise InputError(str(error), remedy="give the state that field, as JSON") from error
        for name, value in reads.items():
            if name in injected and canonical(injected[name]) != canonical(value):
                raise InputError(f"tool {self.name!r} was given another value for state field {name!r}")
        step = int(get_config().get("metadata", {}).get("langgraph_step", 0))
        return node, batch_of(node, self._spec, args, reads, call_id, step), injected

    def _unfit(self, error: ValueError, call_id: str | None) -> ToolMessage:
        """What becomes of a call whose arguments are not the tool's: the model is told, or whoever wrote the node."""
        if isinstance(error, InputError) and call_id is None:
            raise error
        if call_id is None:
            raise InputError(f"the arguments do not fit tool {self.name!r}: {_problem(error)}") from error
        if isinstance(error, ValidationError):
            raise error  # ToolNode tells the model field by field
        return ToolMessage(_problem(error), name=self.name, tool_call_id=call_id, status="error")

    def _step(self, node: Node, call_id: str | None) -> contextlib.AbstractContextManager[Span]:
        facts = {**node.session.facts, names.TOOL: self.name, names.NODE: node.name}
        facts |= {names.TOOL_KIND: self._spec.kind.value, names.TOOL_CALL: call_id or ""}
        return spanned(node.session.services.telemetry, f"{names.GUARD_STEP} {self.name}", facts)

    def _flow(self, node: Node, batch: Batch, call_id: str | None, span: Span) -> Flow[Any]:
        session = node.session
        prepared = node.prepared[batch.key]
        if isinstance(prepared, Ended):
            raise NoResultStop(prepared.outcome)
        action = prepared.gated[batch.own].action
        try:
            acted: Acted = yield from act(session, prepared, batch.own, CODEC, namespace=node.namespace)
        except (GraphBubbleUp, GuardkitError):
            raise
        except Exception as error:
            session.buffer(failure(session, action, error))
            raise
        match acted:
            case Ended():
                raise NoResultStop(acted.outcome)
            case Refused():
                if call_id is None:
                    raise ActionRejectedError(f"{self.name!r} was refused: {acted.tell_model}")
                return ToolMessage(acted.tell_model, name=self.name, tool_call_id=call_id, status="error")
            case Ran(output=output, fresh=fresh):
                if not fresh:
                    output = recorded(output, self.name, call_id)
        output = not_of_the_user(output, self.name, node.messages or ())
        observation = Observation(
            action_id=batch.own,
            tool=self.name,
            text=text(output, node.messages or ()),
            trust=self._spec.trust,
            failed=failed(output),
        )
        if call_id is None or is_update(output):
            session.loose.append(observation)  # the state may hold it in a form in which nobody recognises it
        if observation.failed:
            session.buffer(failure(session, action))
        seen = yield from observe(session, action, observation, batch.thought, batch.context, span)
        if isinstance(seen, Over):
            raise NoResultStop(seen.outcome)
        if seen.text is None:
            return output
        return with_text(output, seen.text, call_id, failed=seen.failed, withheld=seen.withheld)


UNGUARDED_EFFECT = Effect(key="unguarded", attempt=1)
"""The claim that an effect tool sees when it runs unguarded in a unit test."""


def _problem(error: ValueError) -> str:
    """What does not fit, without the values."""
    match error:
        case ValidationError():
            found = error.errors(include_input=False, include_url=False, include_context=False)
            return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'args'}: {one['msg']}" for one in found[:5])
        case CanonicalError():
            return f"{error.path}: {error.message}"
        case _:
            return str(error)


def _proposed(batch: Batch) -> dict[str, Json]:
    """The thought, where there is one, and the arguments of the batch's own call."""
    own = next(call.action for call in batch.calls if call.action.id == batch.own)
    thought: dict[str, Json] = {names.THOUGHT: batch.thought.text} if batch.thought.text else {}
    return {**thought, names.TOOL_ARGUMENTS: own.args}


def _prepare(node: Node, batch: Batch) -> Flow[Prepared | Ended]:
    return prepare(node.session, batch.calls, thought=batch.thought.text, namespace=node.namespace)


def _parsed(values: JsonObject) -> dict[str, Any]:
    # What runs is what was digested, byte for byte, not an object that something may still hold a reference to.
    return cast("dict[str, Any]", parse(canonical(values, path="args"), path="args"))


@contextlib.contextmanager
def _entered(effect: Effect | None) -> Generator[None]:
    claim = EFFECT.set(effect)
    guarded = GUARDED_TOOL.set(True)
    try:
        yield
    finally:
        GUARDED_TOOL.reset(guarded)
        EFFECT.reset(claim)


def is_effect(tool: BaseTool) -> bool:
    """Whether a tool counts as an effect. What is not declared does."""
    return not isinstance(tool, GuardedTool) or tool.spec.kind is ToolKind.EFFECT
