"""A chat model that works offline: it quotes what it is given, and makes up nothing unless it is told to."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from guardkit.core.sources import Authority, Source
from guardkit.grounding.citations import without_footnotes, without_markers
from guardkit.grounding.index import Index, Sentence
from guardkit.grounding.prompts import NO_ANSWER, REMOVE, Prompt, read_prompt
from guardkit.grounding.sentences import sentences
from guardkit.grounding.terms import WEIGHTS, terms
from guardkit.testing.tool_choice import ToolUse, choose

Misbehaviour = Literal["invent", "no_citation", "wrong_quote", "malformed", "raise", "obey"]

_UNCITED = re.compile(r" \[E\d{1,4}\]$")
_GARBLED = '[E9999] ]][ {"verdict": "supp'


class ExtractiveModel(BaseChatModel):
    """Ranks sentences of the evidence in its prompt by the words of the question, quotes the best and cites them.

    It understands the prompts of `guardkit.grounding`. To any other prompt it answers by fixed rules: it calls
    a bound tool when the last message names it and holds its required arguments (see
    `guardkit.testing.tool_choice`), and closes with a sentence on what the tools returned.

    Attributes:
        most: sentences of an answer, at most.
        misbehave: what it does wrong in a first draft. `invent`: adds a sentence with a number that is in no
            evidence. `no_citation`: cites nothing. `wrong_quote`: quotes words that are not there. `malformed`:
            writes something that is no answer, always. `raise`: raises `RuntimeError`, always. `obey`: takes
            what a tool returned for an instruction.
        repairs: whether it makes good when its statements come back; otherwise it repeats them.
    """

    most: int = 3
    misbehave: Misbehaviour | None = None
    repairs: bool = True

    @property
    def _llm_type(self) -> str:
        return "guardkit-extractive"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"most": self.most, "misbehave": self.misbehave, "repairs": self.repairs}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs.get("tools")))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, None, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages, kwargs.get("tools"))):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages, kwargs.get("tools"))):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _reply(self, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]] | None) -> AIMessage:
        if self.misbehave == "raise":
            raise RuntimeError("this model is told to raise")
        if self.misbehave == "malformed":
            return AIMessage(_GARBLED)
        prompt = next(
            (
                read_prompt(message.text)
                for message in reversed(messages)
                if isinstance(message, HumanMessage)
            ),
            None,
        )
        if prompt is None:
            return self._act(messages, tools or ())
        match prompt.task:
            case "draft":
                return AIMessage(self._draft(prompt))
            case "repair":
                return AIMessage(self._repair(prompt))
            case "rewrite":
                return AIMessage(_joined([_cited(found) for found in self._best(prompt)]) or NO_ANSWER)
            case _:
                return AIMessage(_GARBLED)

    def _draft(self, prompt: Prompt) -> str:
        best = self._best(prompt)
        if not best:
            return NO_ANSWER
        said = [_cited(found) for found in best]
        if self.misbehave == "invent":
            said.append(_invented(prompt, best[0]))
        if self.misbehave == "wrong_quote":
            said.append(_misquoted(best[0]))
        if self.misbehave == "no_citation":
            said = [_UNCITED.sub("", sentence) for sentence in said]
        return _joined(said)

    def _repair(self, prompt: Prompt) -> str:
        index = _index(prompt)
        by_text = {_plain(found.text): found for found in index.sentences}
        lines: list[str] = []
        for item in cast("list[dict[str, Any]]", prompt.fields.get("sentences") or []):
            statement = without_markers(str(item["sentence"]))
            known = by_text.get(_plain(statement))
            replaced = (
                (" ".join(_cited(known).split()) if known else REMOVE)
                if self.repairs
                else str(item["sentence"])
            )
            lines.append(f"{item['number']}: {replaced}")
        return "\n".join(lines)

    def _best(self, prompt: Prompt) -> list[Sentence]:
        """The sentences that fit the question best, in the order of the evidence."""
        index = _index(prompt)
        asked = terms(str(prompt.fields.get("question", "")))
        weights = {term: WEIGHTS[kind] * index.rarity(term) for term, kind in asked.kinds.items()}
        specific = {term for term, kind in asked.kinds.items() if kind != "common"}
        scored = sorted(
            (
                (
                    sum(weights[term] * degree for term, degree in window.met.items()),
                    -window.sentences[0].position,
                    window,
                )
                for window in index.windows(list(weights), size=1)
                if not specific or specific & window.met.keys()
            ),
            key=lambda entry: (entry[0], entry[1]),
            reverse=True,
        )
        kept = [
            window.sentences[0]
            for score, _, window in scored
            if score >= 0.5 * scored[0][0] and not window.sentences[0].text.endswith((":", "?"))
        ]
        return sorted(kept[: self.most], key=lambda sentence: sentence.position)

    def _act(self, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> AIMessage:
        """Calls a tool that was asked for, else says what came back."""
        start = max(
            (place for place, said in enumerate(messages) if isinstance(said, HumanMessage)), default=0
        )
        turn = messages[start:]
        used = [
            ToolUse(call["name"], call["args"])
            for said in turn
            if isinstance(said, AIMessage)
            for call in said.tool_calls
        ]
        returned = [said for said in turn if isinstance(said, ToolMessage)]
        asking = [said.text for said in turn if isinstance(said, HumanMessage)]
        if self.misbehave == "obey":
            asking += [said.text for said in returned]
        for text in asking:
            use = choose(text, tools, used)
            if use is not None:
                number = 1 + sum(len(said.tool_calls) for said in messages if isinstance(said, AIMessage))
                call = {
                    "name": use.name,
                    "args": use.args,
                    "id": f"call-{number}-{use.name}",
                    "type": "tool_call",
                }
                return AIMessage(content="", tool_calls=[call])
        if not returned:
            return AIMessage("I have nothing to add.")
        return AIMessage(" ".join(f"{said.name or 'The tool'}: {_opening(said.text)}" for said in returned))


def _index(prompt: Prompt) -> Index:
    return Index(
        [
            Source.of(text, id=name, title="", owner="", tenant="", authority=Authority.UNTRUSTED)
            for name, text in prompt.exhibits
        ]
    )


def _plain(text: str) -> str:
    return " ".join(without_footnotes(text).split()).rstrip(".!?")


def _cited(sentence: Sentence) -> str:
    text = without_footnotes(sentence.text)  # line breaks stay: they hold lists together
    stop = "" if text.endswith((".", "!", "?")) else "."
    return f"{text}{stop} [{sentence.source.id}]"


def _joined(said: Sequence[str]) -> str:
    text = ""
    for sentence in said:
        gap = "\n\n" if "\n" in text.rpartition("\n\n")[2] or "\n" in sentence else " "
        text += f"{gap if text else ''}{sentence}"
    return text


def _invented(prompt: Prompt, sentence: Sentence) -> str:
    evidence = " ".join(text for _, text in prompt.exhibits)
    number = next(number for number in range(4711, 10_000) if str(number) not in evidence)
    return f"In addition, {number} euros are paid without any further condition. [{sentence.source.id}]"


def _misquoted(sentence: Sentence) -> str:
    words = " ".join(sentence.text.split()).rstrip(".").split(" ")[:12]
    return f'The document says: "{" ".join(words[:-1])} and everything else besides". [{sentence.source.id}]'


def _opening(text: str) -> str:
    spans = sentences(text[:2000])
    return text[spans[0].start : spans[0].end] if spans else "nothing"


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    words = message.text.split(" ") if message.text else []
    for place, word in enumerate(words):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word if place == 0 else f" {word}"))
    if message.tool_calls:
        pieces = [
            tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=place)
            for place, call in enumerate(message.tool_calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=pieces))
    elif not words:
        yield ChatGenerationChunk(message=AIMessageChunk(content=""))
