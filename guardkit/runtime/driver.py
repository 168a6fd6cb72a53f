"""The two drivers of flows.

Both close the flow when they leave, so a flow never hangs half-way. An exception of the driver's own world (a
cancelled task, LangGraph's interrupt) is thrown into the flow, which lets it pass.
"""

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, assert_never

from guardkit.core.effects import Effect
from guardkit.core.values import JsonObject
from guardkit.errors import ConfigurationError
from guardkit.runtime.needs import Ask, Flow, InStore, Need, Pause, RunTool, Wait

T = TypeVar("T")

Offload = Callable[[Callable[[], Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncHost:
    """What the sync driver needs for the needs."""

    run_tool: Callable[[JsonObject, Effect | None], Any]
    pause: Callable[[JsonObject], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncHost:
    """What the async driver needs for the needs."""

    run_tool: Callable[[JsonObject, Effect | None], Awaitable[Any]]
    pause: Callable[[JsonObject], Any]
    offload: Offload
    """Runs a transaction in the store's own threads."""


def _in_time(call: Callable[[], Any], timeout: float) -> Any:
    """Run a call in a thread of its own, with this context, and stop waiting after `timeout` seconds."""
    outcome: list[tuple[bool, Any]] = []
    context = contextvars.copy_context()

    def target() -> None:
        try:
            outcome.append((True, context.run(call)))
        except BaseException as error:  # noqa: BLE001  # handed over to the waiting thread
            outcome.append((False, error))

    thread = threading.Thread(target=target, name="guardkit-tool", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise TimeoutError(f"no result after {timeout:g} s")
    good, value = outcome[0]
    if good:
        return value
    raise value


def _called(call: Callable[[], Any]) -> Any:
    try:
        result = call()
    except Exception as error:  # noqa: BLE001  # a check that raises is a verdict, not a crash
        return error
    if result is not None and inspect.isawaitable(result):
        close: Callable[[], None] | None = getattr(result, "close", None)
        if close is not None:
            close()
        return ConfigurationError(
            "an async check cannot run in a sync graph", remedy="use ainvoke or astream, or a plain function"
        )
    return result


def ask(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call answers, or the exception that it raised."""
    return [_called(call) for call in calls]


def _sync(need: Need, host: SyncHost) -> Any:
    match need:
        case InStore():
            return need.do()
        case Ask():
            return ask(need.calls)
        case RunTool():
            if need.timeout is None:
                return host.run_tool(need.args, need.effect)
            return _in_time(lambda: host.run_tool(need.args, need.effect), need.timeout)
        case Wait():
            return time.sleep(need.seconds)
        case Pause():
            return host.pause(need.payload)
        case _:
            assert_never(need)


def asked(calls: Sequence[Callable[[], Any]]) -> tuple[list[Any], list[int]]:
    """As `ask`, and the places of those answers that are still to be awaited: see `awaited`."""
    results: list[Any] = []
    waiting: list[int] = []
    for index, call in enumerate(calls):
        try:
            got = call()
        except Exception as error:  # noqa: BLE001  # a check that raises is a verdict, not a crash
            got = error
        results.append(got)
        if got is not None and inspect.isawaitable(got):
            waiting.append(index)
    return results, waiting


async def awaited(results: list[Any], waiting: Sequence[int], timeout: float) -> None:
    """Await some answers together, and put what they give in their places.

    Args:
        results: the answers.
        waiting: the places of those to be awaited.
        timeout: seconds that each may take; one that takes longer answers with its `TimeoutError`.
    """
    found = await asyncio.gather(*(_awaited(results[index], timeout) for index in waiting))
    for index, result in zip(waiting, found, strict=True):
        results[index] = result


async def _awaited(result: Awaitable[Any], timeout: float) -> Any:
    try:
        return await asyncio.wait_for(result, timeout)
    except Exception as error:  # noqa: BLE001  # a check that raises or is late is a verdict, not a crash
        return error


async def _async(need: Need, host: AsyncHost) -> Any:
    match need:
        case InStore():
            return await host.offload(need.do)
        case Ask():
            results, waiting = asked(need.calls)
            if waiting:
                await awaited(results, waiting, need.timeout)
            return results
        case RunTool():
            running = host.run_tool(need.args, need.effect)
            return await (running if need.timeout is None else asyncio.wait_for(running, need.timeout))
        case Wait():
            return await asyncio.sleep(need.seconds)
        case Pause():
            return host.pause(need.payload)
        case _:
            assert_never(need)


def drive(flow: Flow[T], host: SyncHost) -> T:
    """Run a flow to its end in this thread.

    Raises:
        Exception: whatever the flow raises.
    """
    try:
        need = next(flow)
        while True:
            try:
                got = _sync(need, host)
            except BaseException as error:  # noqa: BLE001  # the flow decides what it means
                need = flow.throw(error)
            else:
                need = flow.send(got)
    except StopIteration as stop:
        return stop.value
    finally:
        flow.close()


async def adrive(flow: Flow[T], host: AsyncHost) -> T:
    """Run a flow to its end in this event loop.

    Raises:
        Exception: whatever the flow raises.
    """
    try:
        need = next(flow)
        while True:
            try:
                got = await _async(need, host)
            except BaseException as error:  # noqa: BLE001  # the flow decides what it means
                need = flow.throw(error)
            else:
                need = flow.send(got)
    except StopIteration as stop:
        return stop.value
    finally:
        flow.close()
