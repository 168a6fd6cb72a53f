"""A chat model that says what it is told to."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, SkipValidation

Line: TypeAlias = str | AIMessage | Exception | Callable[[Sequence[BaseMessage]], AIMessage]


class ScriptError(AssertionError):
    """The model was called more often than its script has lines."""


def calls(*proposed: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A message that proposes tool calls: `calls(("pay", {"amount": 5}), text="paying")`."""
    made = [
        {"name": name, "args": args, "id": f"call-{index}-{name}", "type": "tool_call"}
        for index, (name, args) in enumerate(proposed)
    ]
    return AIMessage(content=text, tool_calls=made)


class ScriptedModel(BaseChatModel):
    """Says one line after the other.

    Which line comes next is read off the conversation (one per AI message so far), not counted by the model, so a
    run that is resumed in another process goes on in the right place. A line is text, a message, an exception to
    raise, or a function of the messages.

    Raises:
        ScriptError: there is no line left.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    lines: Annotated[tuple[Line, ...], SkipValidation]

    def __init__(self, *lines: Line, **options: Any) -> None:
        options["lines"] = lines
        super().__init__(**options)

    @property
    def _llm_type(self) -> str:
        return "guardkit-scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """The model itself: its script says which tools it calls."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        spoken = sum(isinstance(message, AIMessage) for message in messages)
        if spoken >= len(self.lines):
            raise ScriptError(f"the script has {len(self.lines)} lines, and line {spoken + 1} was asked for")
        line = self.lines[spoken]
        if isinstance(line, Exception):
            raise line
        if isinstance(line, str):
            message = AIMessage(content=line)
        elif isinstance(line, AIMessage):
            # A copy without the id: each time a line is said it is a message of its own.
            message = line.model_copy(update={"id": None})
        else:
            message = line(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])
