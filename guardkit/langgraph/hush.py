"""Running a model where nobody can listen, and then saying only what was verified.

A draft is written under a hushed config: streaming handlers are gone, the stream writer is muted, subgraphs do not
report up. Tracers stay: they see whole texts by nature, and operators want them to. The verified text is spoken by a
small model of its own, whose chunks reach the stream handlers and nobody else.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager, CallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers.base import BaseTracer

from guardkit.langgraph import compat

_TOKENS = frozenset({"on_llm_new_token", "on_stream_event"})


class NoTokens(BaseCallbackHandler):
    """A handler that hears everything but the tokens as they come."""

    def __init__(self, handler: BaseCallbackHandler) -> None:
        self._handler = handler
        self.raise_error = handler.raise_error
        self.run_inline = handler.run_inline

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and name not in _TOKENS:
            return getattr(object.__getattribute__(self, "_handler"), name)
        if name.startswith("ignore_"):
            return getattr(object.__getattribute__(self, "_handler"), name)
        return object.__getattribute__(self, name)


def _manager(config: RunnableConfig) -> BaseCallbackManager:
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        return callbacks.copy()
    return CallbackManager.configure(inheritable_callbacks=callbacks)


def _kept(config: RunnableConfig, keep: Callable[[BaseCallbackHandler], BaseCallbackHandler | None]) -> Any:
    manager = _manager(config)
    for name in ("handlers", "inheritable_handlers"):
        kept = (keep(handler) for handler in cast("Sequence[BaseCallbackHandler]", getattr(manager, name)))
        setattr(manager, name, [handler for handler in kept if handler is not None])
    return manager


def hushed(config: RunnableConfig) -> RunnableConfig:
    """A config under which nothing of what is written can be overheard."""

    def keep(handler: BaseCallbackHandler) -> BaseCallbackHandler | None:
        if isinstance(handler, compat.STREAMING):
            return None
        return handler if isinstance(handler, BaseTracer) else NoTokens(handler)

    configurable: Mapping[str, Any] = config.get("configurable", {})
    quiet = {key: value for key, value in configurable.items() if key != compat.STREAM}
    runtime = quiet.get(compat.RUNTIME)
    if runtime is not None:
        quiet[compat.RUNTIME] = runtime.override(stream_writer=_mute)
    return cast("RunnableConfig", {**config, "callbacks": _kept(config, keep), "configurable": quiet})


def _mute(_: Any) -> None:
    return None


def for_listeners(config: RunnableConfig) -> RunnableConfig:
    """A config whose only handlers are those that stream to the caller."""

    def keep(handler: BaseCallbackHandler) -> BaseCallbackHandler | None:
        return handler if isinstance(handler, compat.STREAMING) else None

    return cast("RunnableConfig", {**config, "callbacks": _kept(config, keep)})


class Speak(BaseChatModel):
    """Says given parts, one chunk each."""

    parts: tuple[str, ...]
    message_id: str

    @property
    def _llm_type(self) -> str:
        return "guardkit-verified"

    def _chunks(self) -> Iterator[ChatGenerationChunk]:
        last = len(self.parts) - 1
        for index, part in enumerate(self.parts):
            message = AIMessageChunk(
                content=part, id=self.message_id, chunk_position="last" if index == last else None
            )
            yield ChatGenerationChunk(message=message)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks():
            if run_manager is not None:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks():
            if run_manager is not None:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        message = AIMessageChunk(content="".join(self.parts), id=self.message_id)
        return ChatResult(generations=[ChatGeneration(message=message)])
