"""Guard a tool: policy decides on every call, and a payment happens once.

Run: python examples/01_guard_a_tool.py
"""

from decimal import Decimal
from tempfile import mkdtemp

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Effect, Guard, Policy, Principal
from guardkit.testing import ScriptedModel, calls

limit = {
    "id": "pay-limit",
    "when": "args.amount > 500.0",
    "decide": "reject",
    "why": "above the limit for automatic payments",
    "tell_model": "This amount is not permitted.",
}
policy = Policy.from_dict(
    {
        "policy": "claims",
        "version": "1",
        "owner": "claims-risk@example.com",
        "default": "reject",
        "tools": {"lookup_claim": "allow", "pay_claim": {"otherwise": "allow", "rules": [limit]}},
    }
)
guard = Guard(f"sqlite:///{mkdtemp()}/guardkit.db", policy=policy)
payments: list[str] = []


@guard.read(trust="trusted")
def lookup_claim(claim_id: str) -> str:
    """Look up a claim."""
    return f"{claim_id}: approved, 480 euros"


@guard.effect(key=lambda a: a.claim_id, timeout=30)
def pay_claim(claim_id: str, amount: Decimal, *, effect: Effect) -> str:
    """Pay a claim. `effect.key` is the idempotency key for the bank."""
    payments.append(f"{amount} for {claim_id} under {effect.key}")
    return f"paid {amount}"


# A model that tries too much first, then the right amount, then the same payment once more.
model = ScriptedModel(
    calls(("lookup_claim", {"claim_id": "C-1"})),
    calls(("pay_claim", {"claim_id": "C-1", "amount": "4800"}), text="I pay ten times the amount."),
    calls(("pay_claim", {"claim_id": "C-1", "amount": "480"})),
    calls(("pay_claim", {"claim_id": "C-1", "amount": "480"}), text="Did that work? Once more."),
    "Paid.",
)


def agent(state: MessagesState) -> MessagesState:
    return {"messages": [model.invoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node("agent", agent)
builder.add_node("tools", ToolNode([lookup_claim, pay_claim]))
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", tools_condition)
builder.add_edge("tools", "agent")
graph = guard.compile(builder)

config = guard.config("thread-1", Principal(id="kim@example.com"))
for message in graph.invoke({"messages": [("user", "Pay claim C-1.")]}, config)["messages"]:
    message.pretty_print()
print("payments:", payments)
assert len(payments) == 1
