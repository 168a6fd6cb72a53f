"""From a function or a tool to a guarded tool."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, cast

import jsonschema
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from pydantic import BaseModel, ValidationError

from guardkit.core.digest import canonical, parse
from guardkit.core.effects import Effect, Reconciled
from guardkit.core.steps import ToolKind, Trust
from guardkit.core.values import JsonObject
from guardkit.errors import CompileError
from guardkit.langgraph import compat
from guardkit.langgraph.tools import EFFECT, GuardedTool
from guardkit.runtime.tools import ToolSpec, UnfitArgumentsError, schema_version

_EFFECT_PARAMETER = "effect"


def guarded(
    target: Callable[..., Any] | BaseTool,
    *,
    kind: ToolKind,
    trust: Trust,
    name: str | None = None,
    description: str | None = None,
    key: Callable[[Any], str] | None = None,
    timeout: float | None = None,
    reconcile: Callable[[str], Reconciled] | None = None,
    reads: tuple[str, ...] = (),
    declared: bool = True,
) -> GuardedTool:
    """A function or tool, guarded.

    Raises:
        CompileError: the target is no function or tool, or an effect reads state, store or runtime undeclared.
    """
    if isinstance(target, GuardedTool):
        raise CompileError(f"tool {target.name!r} is guarded already", remedy="declare it once")
    tool = target if isinstance(target, BaseTool) else _tool(target, name, description)
    injected = _injected(tool)
    if kind is ToolKind.EFFECT:
        _refuse_undeclared(tool, injected, reads)
    schema = _json_schema(tool)
    spec = ToolSpec(
        name=tool.name,
        kind=kind,
        trust=trust,
        json_schema=schema,
        schema_version=schema_version(schema),
        validate=_validator(tool, schema, injected, stable=kind is ToolKind.EFFECT),
        key=key,
        timeout=timeout,
        reconcile=reconcile,
        reads=reads,
        injected=frozenset(injected),
        declared=declared,
    )
    return GuardedTool(tool, spec)


def _tool(function: Callable[..., Any], name: str | None, description: str | None) -> BaseTool:
    if not callable(function):
        raise CompileError(f"{function!r} is neither a function nor a tool")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise CompileError(
            f"the annotations of {function!r} cannot be resolved: {error}",
            remedy="import the types at module level",
        ) from error
    body = _without_effect(function, hints) if hints.get(_EFFECT_PARAMETER) is Effect else function
    called = name or getattr(function, "__name__", type(function).__name__)
    told = description or inspect.getdoc(function) or called
    if inspect.iscoroutinefunction(function):
        return StructuredTool.from_function(coroutine=body, name=called, description=told)
    return StructuredTool.from_function(func=body, name=called, description=told)


def _without_effect(function: Callable[..., Any], hints: Mapping[str, Any]) -> Callable[..., Any]:
    """The function as the model sees it: the claim is handed in from the running gate, never by a caller."""

    def claim() -> Effect:
        held = EFFECT.get()
        if held is None:
            raise CompileError(f"{function!r} takes an effect and is not declared with guard.effect")
        return held

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs, effect=claim())

        body: Any = acall
    else:

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs, effect=claim())

        body = call
    signature = inspect.signature(function)
    kept = [
        parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
        for parameter in signature.parameters.values()
        if parameter.name != _EFFECT_PARAMETER
    ]
    body.__signature__ = signature.replace(
        parameters=kept, return_annotation=hints.get("return", signature.return_annotation)
    )
    body.__annotations__ = {key: value for key, value in hints.items() if key != _EFFECT_PARAMETER}
    return cast("Callable[..., Any]", body)


def _injected(tool: BaseTool) -> dict[str, Any]:
    """Parameters that the host fills in, with their annotations."""
    try:
        hints = typing.get_type_hints(compat.body_of(tool), include_extras=True)
    except NameError:
        hints = {}
    if isinstance(tool.args_schema, type) and issubclass(tool.args_schema, BaseModel):
        hints |= typing.get_type_hints(tool.args_schema, include_extras=True)
    return {name: hint for name, hint in hints.items() if _is_injected(hint)}


def _is_injected(hint: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    if isinstance(origin, type) and issubclass(origin, ToolRuntime):
        return True
    return any(
        isinstance(mark, InjectedToolArg) or (isinstance(mark, type) and issubclass(mark, InjectedToolArg))
        for mark in typing.get_args(hint)[1:]
    )


def _refuse_undeclared(tool: BaseTool, injected: Mapping[str, Any], reads: tuple[str, ...]) -> None:
    for name, hint in injected.items():
        marks = typing.get_args(hint)[1:]
        state = next((mark for mark in marks if isinstance(mark, InjectedState)), None)
        if state is not None and state.field in reads and state.field == name:
            continue
        whole = any(isinstance(mark, InjectedStore) or mark is InjectedStore for mark in marks)
        what = (
            "the store"
            if whole
            else "the state"
            if state is not None or InjectedState in marks
            else "the runtime"
        )
        own = any(isinstance(mark, InjectedToolCallId) or mark is InjectedToolCallId for mark in marks)
        if own and what == "the runtime":
            continue  # the action's own identity
        raise CompileError(
            f"effect {tool.name!r} reads {what} through parameter {name!r}, which no approval would show",
            remedy=(
                "declare the fields it needs with reads=('field',) and take each as a parameter of the same name, "
                "Annotated[..., InjectedState('field')]"
            ),
        )
    for field in reads:
        if field not in injected:
            raise CompileError(f"effect {tool.name!r} declares reads={field!r} and has no such parameter")


def _json_schema(tool: BaseTool) -> JsonObject:
    schema: Any = tool.tool_call_schema
    if isinstance(schema, dict):
        return cast("JsonObject", parse(canonical(cast("JsonObject", schema))))
    return cast("JsonObject", schema.model_json_schema())


def _validator(
    tool: BaseTool, schema: JsonObject, injected: Mapping[str, Any], *, stable: bool
) -> Callable[[Mapping[str, Any]], JsonObject]:
    """Validation by the tool's own schema, to JSON. With injected parameters, by the part that the model fills in."""
    model = tool.tool_call_schema if injected else tool.get_input_schema()

    def proposed(raw: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in raw.items() if name not in injected}

    if isinstance(tool.args_schema, dict) or not (isinstance(model, type) and issubclass(model, BaseModel)):
        checker: Any = jsonschema.Draft202012Validator(schema)

        def by_schema(raw: Mapping[str, Any]) -> JsonObject:
            args = cast("JsonObject", parse(canonical(proposed(raw), path="args"), path="args"))
            problem = next(iter(checker.iter_errors(args)), None)
            if problem is not None:
                where = ".".join(str(part) for part in problem.absolute_path) or "args"
                raise UnfitArgumentsError(f"{where} does not fit the schema of {tool.name!r}")
            return args

        return by_schema
    names = [name for name in model.model_fields if name in cast("JsonObject", schema.get("properties", {}))]

    def once(raw: Mapping[str, Any]) -> JsonObject:
        valid = model.model_validate(proposed(raw))
        try:
            dumped = valid.model_dump(mode="json", include={*names, *(valid.model_extra or ())})
        except ValueError as error:  # nested too deep, or of a type that has no JSON form
            raise UnfitArgumentsError(f"the arguments have no JSON form: {error}") from error
        return cast("JsonObject", parse(canonical(dumped, path="args"), path="args"))

    if not stable:
        return once

    def by_model(raw: Mapping[str, Any]) -> JsonObject:
        args = once(raw)
        try:
            again = once(args)
        except ValidationError as error:
            raise ValueError(f"the schema of {tool.name!r} does not accept its own JSON form") from error
        if again != args:
            raise ValueError(
                f"the schema of {tool.name!r} changes its own output, so no approval can bind it"
            )
        return args

    return by_model
