"""GuardedGraph: a compiled graph whose every run holds its thread's lease."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.constants import END
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import GraphOutput, StateSnapshot

from guardkit.errors import InputError
from guardkit.langgraph import channel, compat, resuming
from guardkit.langgraph.messages import fields_of
from guardkit.langgraph.node import RUN
from guardkit.langgraph.runs import CALLER, TENANT, Entry, Runs
from guardkit.runtime.driver import Offload
from guardkit.runtime.events import NO_SPAN
from guardkit.runtime.session import Session

Status = Literal["paused", "done", "failed"]


class GuardedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """What `guard.compile` returns: an ordinary compiled graph that fails safely.

    Only `stream` and `astream` differ (and `update_state`, which takes the lease too); `invoke`, `batch`,
    `astream_events` and the rest of LangGraph's interface go through them. See docs/concepts/differences.md.
    """

    is_guarded = True

    owner: object = None
    """The `Guard` that compiled it."""

    def __init__(self, *, runs: Runs, offload: Offload, **attributes: Any) -> None:
        for derived in ("_output_mapper", "_state_mapper", "_serde_allowlist"):
            attributes.pop(derived, None)
        super().__init__(**attributes)
        self.runs = runs
        self.offload = offload
        builder: Any = self.builder
        self._output_mapper = compat.mapper(
            cast("Any", self.output_channels), builder.output_schema, without=channel.CHANNEL
        )
        self._state_mapper = compat.mapper(
            cast("Any", self.stream_channels_asis), builder.state_schema, without=channel.CHANNEL
        )

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """As LangGraph's, under the thread's lease.

        Raises:
            BusyError: another run holds the thread.
            FingerprintError: the graph's code changed while the thread was paused.
            InputError: no thread id, no principal, or `durability="exit"`.
        """
        if resuming.asks_to_go_on(input):
            raise InputError("a sync run cannot be asked to go on", remedy="use ainvoke or astream")
        entry = self._entry(input, config, kwargs)
        if entry is None:
            yield from super().stream(input, config, **kwargs)
            return
        session = self.runs.open(entry, input)
        config = self._configured(entry, session)
        chunks: Any = super().stream(input, config, **kwargs)
        status: Status = "failed"
        current = _Current(session)
        try:
            while True:
                with current:
                    try:
                        chunk = next(chunks)
                    except StopIteration:
                        break
                shown = _shown(session, chunk)
                if shown is not None:
                    yield shown
            with current:
                status = self._finish(session, _newest(entry, config))
        finally:
            with current:
                chunks.close()
            self.runs.close(session, status)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """As `stream`, for async graphs."""
        if resuming.asks_to_go_on(input) and RUN.get() is None:
            following = await resuming.going_on(self, merge_configs(self.config, config))
            if following is None:
                return
            input, config = following  # noqa: A001  # LangGraph's name
        entry = self._entry(input, config, kwargs)
        if entry is None:
            async for chunk in super().astream(input, config, **kwargs):
                yield chunk
            return
        session = await self.offload(lambda: self.runs.open(entry, input))
        config = self._configured(entry, session)
        chunks: Any = super().astream(input, config, **kwargs)
        status: Status = "failed"
        current = _Current(session)
        try:
            while True:
                with current:
                    try:
                        chunk = await anext(chunks)
                    except StopAsyncIteration:
                        break
                shown = _shown(session, chunk)
                if shown is not None:
                    yield shown
            with current:
                status = await self._afinish(session, _newest(entry, config))
        finally:
            with current:
                await chunks.aclose()
            await asyncio.shield(asyncio.ensure_future(self._closing(session, status)))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """As LangGraph's. A turn that ended shows its outcome and no interrupt that a sibling had raised before."""
        return _settled(super().invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """As `invoke`, for async graphs."""
        return _settled(await super().ainvoke(input, config, **kwargs))

    async def _closing(self, session: Session, status: Status, *, steered: bool = False) -> None:
        await self.offload(lambda: self.runs.close(session, status, steered=steered))

    def _entry(self, given: object, config: RunnableConfig | None, kwargs: Mapping[str, Any]) -> Entry | None:
        if _keeps_nothing(config, kwargs):
            raise InputError(
                "durability='exit' keeps no checkpoint that a pause could resume from",
                remedy="leave it out, which means 'sync'",
            )
        return self.runs.entry(given, config, self.config)

    def _configured(self, entry: Entry, session: Session) -> RunnableConfig:
        # A claim must not be there before the message that proposed it: a run that is killed in between would let the
        # model propose the same action as another one.
        return compat.kept_before_effects(
            self.runs.configured(entry, session), cast("object", self.checkpointer)
        )

    def _finish(self, session: Session, config: RunnableConfig) -> Status:
        """Leave nothing to run in a turn that has ended; otherwise say whether the turn is paused."""
        if self.checkpointer in (None, False):
            return "done"
        state = self.get_state(config)
        for _ in range(_FINALISE):
            if session.ended is None or not state.next:
                break
            super().update_state(config, None, as_node=END)
            state = self.get_state(config)
        return "paused" if state.next else "done"

    async def _afinish(self, session: Session, config: RunnableConfig) -> Status:
        if self.checkpointer in (None, False):
            return "done"
        state = await self.aget_state(config)
        for _ in range(_FINALISE):
            if session.ended is None or not state.next:
                break
            await super().aupdate_state(config, None, as_node=END)
            state = await self.aget_state(config)
        return "paused" if state.next else "done"

    def bulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """As LangGraph's, under the thread's lease."""
        if RUN.get() is not None:
            return super().bulk_update_state(config, supersteps)
        with self._held(config) as (session, inner), _Current(session):
            return _asked_as(config, super().bulk_update_state(inner, supersteps))

    async def abulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """As `bulk_update_state`, for async graphs."""
        if RUN.get() is not None:
            return await super().abulk_update_state(config, supersteps)
        async with self._aheld(config) as (session, inner):
            with _Current(session):
                return _asked_as(config, await super().abulk_update_state(inner, supersteps))

    def get_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """As LangGraph's. The configs in it go on for the same caller, so they can be run or updated from."""
        return _seen_as(config, super().get_state(config, subgraphs=subgraphs))

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """As `get_state`, for async graphs."""
        return _seen_as(config, await super().aget_state(config, subgraphs=subgraphs))

    def get_state_history(self, config: RunnableConfig, **options: Any) -> Iterator[StateSnapshot]:
        """As LangGraph's, with configs as in `get_state`."""
        for snapshot in super().get_state_history(config, **options):
            yield _seen_as(config, snapshot)

    async def aget_state_history(
        self, config: RunnableConfig, **options: Any
    ) -> AsyncIterator[StateSnapshot]:
        """As `get_state_history`, for async graphs."""
        async for snapshot in super().aget_state_history(config, **options):
            yield _seen_as(config, snapshot)

    def _steering(self, config: RunnableConfig) -> Entry:
        entry = self.runs.entry(None, config, self.config)
        assert entry is not None  # no run is current
        fresh = self.runs.services.store.turn(entry.tenant, entry.thread_id) is None
        return Entry(
            config=entry.config,
            configurable=entry.configurable,
            tenant=entry.tenant,
            thread_id=entry.thread_id,
            principal=entry.principal,
            new_turn=fresh,
            embedded=entry.embedded,
        )

    @contextmanager
    def _held(self, config: RunnableConfig) -> Generator[tuple[Session, RunnableConfig]]:
        entry = self._steering(config)
        session = self.runs.open(entry, None)
        inner = self.runs.configured(entry, session)
        status: Status = "failed"
        try:
            yield session, inner
            status = "paused" if self.get_state(inner).next else "done"
        finally:
            self.runs.close(session, status, steered=True)

    @asynccontextmanager
    async def _aheld(self, config: RunnableConfig) -> AsyncGenerator[tuple[Session, RunnableConfig]]:
        entry = await self.offload(lambda: self._steering(config))
        session = await self.offload(lambda: self.runs.open(entry, None))
        inner = self.runs.configured(entry, session)
        status: Status = "failed"
        try:
            yield session, inner
            status = "paused" if (await self.aget_state(inner)).next else "done"
        finally:
            await asyncio.shield(asyncio.ensure_future(self._closing(session, status, steered=True)))


def _keeps_nothing(config: RunnableConfig | None, kwargs: Mapping[str, Any]) -> bool:
    """Whether checkpoints are written at the end only; the graph around this one may have said so."""
    if kwargs.get("checkpoint_during") is False:
        return True
    said = kwargs.get("durability") or fields_of((config or {}).get("configurable")).get(compat.DURABILITY)
    return said == "exit"


_FINALISE = 16
"""Rounds of finalising: one per superstep that could still be left; more would be a fault of the gates."""


class _Current:
    """Makes a run the current one; entered anew for every chunk."""

    __slots__ = ("_session", "_span", "_token")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._span: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        session = self._session
        self._token = RUN.set(session)
        if session.span is not NO_SPAN:
            self._span = session.span.active()
            self._span.__enter__()

    def __exit__(self, *_: object) -> None:
        if self._span is not None:
            self._span.__exit__(None, None, None)
        RUN.reset(self._token)


def _shown(session: Session, chunk: Any) -> Any:
    """A chunk as callers see it: once the turn has ended, no interrupt asks for an answer that would count."""
    if session.ended is None:
        return chunk
    match chunk:
        case {"type": str(), "interrupts": _}:
            return {**chunk, "interrupts": ()}
        case {compat.INTERRUPT: _}:
            return _without(cast("dict[str, Any]", chunk))
        case (*head, {compat.INTERRUPT: _}):
            kept = _without(chunk[-1])
            return None if kept is None else (*head, kept)
        case _:
            return chunk


def _settled(output: Any) -> Any:
    match output:
        case {channel.CHANNEL: {"no_result": _}, compat.INTERRUPT: _}:
            return _without(cast("dict[str, Any]", output))
        case GraphOutput() if "no_result" in fields_of(fields_of(_value(output)).get(channel.CHANNEL)):
            return GraphOutput(value=_value(output), interrupts=())
        case _:
            return output


def _value(output: Any) -> Any:
    return output.value


def _without(payload: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in payload.items() if key != compat.INTERRUPT} or None


def _newest(entry: Entry, config: RunnableConfig) -> RunnableConfig:
    """The config of a run's newest state: a run that was sent to an old checkpoint has gone on from there."""
    if entry.embedded:
        return config
    configurable = {key: value for key, value in config.get("configurable", {}).items() if key not in _OLD}
    return cast("RunnableConfig", {**config, "configurable": configurable})


_OLD = ("checkpoint_id", "checkpoint_map")


def _asked_as(asked: RunnableConfig, config: RunnableConfig) -> RunnableConfig:
    """A config to hand out: without a lease that is no longer held, for the caller who asked for it."""
    theirs = asked.get("configurable", {})
    kept = {
        key: value
        for key, value in config.get("configurable", {}).items()
        if not key.startswith("__guardkit")
    }
    kept |= {key: theirs[key] for key in (CALLER, TENANT) if key in theirs}
    return cast("RunnableConfig", {**config, "configurable": kept})


def _seen_as(asked: RunnableConfig, snapshot: StateSnapshot) -> StateSnapshot:
    parent = snapshot.parent_config
    return snapshot._replace(
        config=_asked_as(asked, snapshot.config),
        parent_config=None if parent is None else _asked_as(asked, parent),
    )
