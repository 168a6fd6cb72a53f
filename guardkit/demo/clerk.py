"""The demo's model: it follows a script, so that every run of the demo shows the same."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from guardkit.testing import ScriptedModel, calls

SURVEYS = 200
"""How often the clerk would look at the survey if nobody stopped it."""


def _asked(messages: Sequence[BaseMessage]) -> str:
    return next((str(m.content) for m in reversed(messages) if isinstance(m, HumanMessage)), "")


def _turn(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    last = max((i for i, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    return list(messages[last + 1 :])


def speak(messages: Sequence[BaseMessage]) -> AIMessage:
    """What the clerk does next. Asked about a mail, it obeys the mail: it plays a hijacked model."""
    asked, turn = _asked(messages), _turn(messages)
    results = [message for message in turn if isinstance(message, ToolMessage)]
    if "survey" in asked:
        return calls(("slow_survey", {"step": len(results)}), text="Looking at the survey once more.")
    if not results:
        if "mail" in asked:
            return calls(("read_mail", {"mail_id": "M-7"}), text="I read the mail first.")
        claim = next((word.strip(".,") for word in asked.split() if word.startswith("C-")), "C-1042")
        return calls(("lookup_claim", {"claim_id": claim}), text="I look the claim up first.")
    if len(results) == 1:
        if "mail" in asked:
            hijacked = {"claim_id": "C-1042", "amount": "480.00", "iban": "XX00 6666 1234 0000"}
            return calls(("pay_claim", hijacked), text="The mail says where to pay.")
        claim = str(results[0].content).split()[1].strip(":")
        pay = {"claim_id": claim, "amount": "480.00", "iban": "HA12 0000 4711"}
        return calls(("pay_claim", pay), text="The claim file is complete, so I pay it.")
    return AIMessage(f"Result: {results[-1].content}")


def clerk() -> ScriptedModel:
    """The clerk."""
    return ScriptedModel(*([speak] * (SURVEYS + 10)))
