"""Ask people: the run pauses, a reviewer decides on the exact action, and a worker goes on with the run.

Run: python examples/02_ask_people.py
"""

import asyncio
from tempfile import mkdtemp

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Assurance, Guard, Keys, Paused, PeopleDirectory, Person, Policy, Principal
from guardkit.testing import FakeChannel, ScriptedModel, calls

people = PeopleDirectory([Person(id="dana", email="dana@example.com"), Person(id="kim")])
stage = {"approvers": ["dana@example.com"], "channel": "desk", "assurance": "local_operator"}
policy = Policy.from_dict(
    {
        "policy": "mail",
        "version": "1",
        "owner": "compliance@example.com",
        "default": "reject",
        "tools": {"send_mail": {"otherwise": "escalate", "approval": "manager"}},
        "approvals": {
            "manager": {"stages": [stage], "expires_in": "8h", "on_expiry": "reject", "valid_for": "30m"}
        },
    },
    directory=people,
)
desk = FakeChannel("desk")
database = f"sqlite:///{mkdtemp()}/guardkit.db"
guard = Guard(database, policy=policy, channels={"desk": desk}, keys=Keys.generate())


@guard.effect
def send_mail(to: str, text: str) -> str:
    """Send a mail to a customer."""
    print(f"   sent to {to}: {text}")
    return "sent"


mail = {"to": "ada@example.net", "text": "Your claim is closed."}
model = ScriptedModel(calls(("send_mail", mail)), "Done.")


def agent(state: MessagesState) -> MessagesState:
    return {"messages": [model.invoke(state["messages"])]}


builder = StateGraph(MessagesState)
builder.add_node("agent", agent)
builder.add_node("tools", ToolNode([send_mail]))
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", tools_condition)
builder.add_edge("tools", "agent")
graph = guard.compile(builder)

config = guard.config("thread-1", Principal(id="kim"))
paused = guard.outcome(graph.invoke({"messages": [("user", "Tell Ada.")]}, config), config)
assert isinstance(paused, Paused)
approval = paused.approvals[0]
print("1. paused:", approval.request.action.tool, approval.args)

# A reviewer decides: here in Python, else in the inbox (`guardkit serve`). The decision is signed and bound to the digest.
guard.desk.decide(
    approval.request.id,
    identity="dana@example.com",
    digest=approval.digest,
    kind="approve",
    assurance=Assurance.LOCAL_OPERATOR,
    via="example",
)
print("2. approved; a worker (`guardkit worker app:graph`) goes on:")
asyncio.run(guard.worker(graph).once())
print("3.", guard.outcome(None, config))
