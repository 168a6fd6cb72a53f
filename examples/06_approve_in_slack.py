"""A payment that somebody approves in Slack; the run goes on by itself.

Offline: the Slack is that of `guardkit.testing.slack`, and the program clicks. With your own workspace leave `token`,
`app_token` and `base_url` out and set SLACK_BOT_TOKEN and SLACK_APP_TOKEN. Run: python examples/06_approve_in_slack.py
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from tempfile import mkdtemp
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Guard, Keys, PeopleDirectory, Person, Policy, Principal
from guardkit.channels import Slack
from guardkit.testing import ScriptedModel, calls
from guardkit.testing.slack import SlackServer

POLICY = {
    "policy": "payments", "version": "1.0", "owner": "finance@corp.example", "default": "reject",
    "tools": {"pay": {"otherwise": "escalate", "approval": "desk"}},
    "approvals": {"desk": {"stages": [{"approvers": ["ana@corp.example"], "channel": "claims-desk"}],
                           "expires_in": "8h", "on_expiry": "reject"}},
}  # fmt: skip


async def until(found: Callable[[], Any]) -> Any:
    while not (value := found()):  # noqa: ASYNC110  # Slack tells a bot nothing about its own messages
        await asyncio.sleep(0.05)
    return value


async def main(slack: SlackServer) -> None:
    ana = slack.person("Ana", "ana@corp.example")
    room = slack.conversation("claims", ana)
    channel = Slack(room.id, token=slack.bot_token, app_token=slack.app_token, base_url=slack.base_url)
    people = PeopleDirectory([Person(id="ana", name="Ana", email="ana@corp.example")])
    guard = Guard(
        f"sqlite:///{mkdtemp()}/guardkit.db",
        policy=Policy.from_dict(POLICY, directory=people),
        keys=Keys.generate(),
        channels={"claims-desk": channel},
    )

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str, amount: Decimal) -> str:
        """Pay a claim."""
        return f"paid {amount}"

    def agent(state: MessagesState) -> MessagesState:
        return {"messages": [model.invoke(state["messages"])]}

    model = ScriptedModel(calls(("pay", {"claim": "C-1", "amount": "480.00"})), "C-1 is paid.")
    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([pay]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    graph = guard.compile(builder, name="payments")

    config = guard.config("thread-1", Principal(id="kim@corp.example"))
    await graph.ainvoke({"messages": [("user", "Pay C-1.")]}, config)

    # One process does it all here. Where others share the database, tools and answers get a process each.
    worker = asyncio.create_task(guard.worker(graph, parts=("runs", "messages", "answers")).run())
    (message,) = await until(lambda: slack.messages(room))
    print(message.text)
    await asyncio.to_thread(slack.click, ana, message, "gk_approve")
    print((await until(lambda: [one.text for one in slack.messages(room) if "done" in one.text]))[0])
    worker.cancel()
    print(guard.outcome(None, config))


if __name__ == "__main__":
    with SlackServer() as server:
        asyncio.run(main(server))
