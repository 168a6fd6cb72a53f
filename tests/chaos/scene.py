"""The scene of every campaign: a desk that pays claims, its people and policy, and graphs that propose what they are told."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send
from pydantic import SecretStr

from guardkit import Approval, Effect, Guard, GuardedGraph, Keys, PeopleDirectory, Person, Policy, Principal
from guardkit.core.runs import Delivery
from guardkit.core.signing import Signer
from guardkit.sql import Database, upgrade
from guardkit.testing import FakeChannel
from tests.chaos.faults import Fault, Points
from tests.chaos.outside import Bank, Journal
from tests.conftest import new_database

Shape = Literal["node", "fan", "code"]
"""How the graph runs a message's calls: one ToolNode, one task a call, or node code that calls the tools itself."""

Kind = Literal["sqlite", "postgres", "mariadb"]
"""The databases in which campaigns run."""

Script = Sequence[Sequence[tuple[str, dict[str, Any]]]]
"""What the model proposes: a batch of calls a message."""

PEOPLE = PeopleDirectory(
    [
        Person(id="kim", email="kim@corp.example", groups=("leads", "finance")),
        Person(id="lea", email="lea@corp.example", groups=("leads",), identities=("slack:T1:LEA",)),
        Person(id="leo", email="leo@corp.example", groups=("leads",)),
        Person(id="fay", email="fay@corp.example", groups=("finance",), identities=("slack:T1:FAY",)),
        Person(id="finn", email="finn@corp.example", groups=("finance",)),
        Person(id="fred", email="fred@corp.example", groups=("finance",)),
        Person(id="bo", email="bo@corp.example"),
        Person(id="ines", email="ines@corp.example", groups=("leads", "finance"), active=False),
        Person(id="olga", email="olga@other.example", tenant="other", groups=("leads", "finance")),
    ]
)
KIM = Principal(id="kim")
"""Who asks, and so may not decide."""

NEEDS: dict[str, dict[str, int]] = {
    "pay": {"leads": 1},
    "refund": {"leads": 1},
    "hurry": {"leads": 1},
    "wire": {"leads": 1, "finance": 2},
}
"""How many people of which group must have said yes, by tool."""

FREE = frozenset({"note"})
"""Effects that the policy allows."""

RECONCILED = frozenset({"refund"})
"""Effects whose tool can find out at the bank whether they happened."""

_URL = "database.url"
"""In the folder of a scene whose database is on a server."""

_ONE_AT_A_TIME = threading.Lock()
"""Alembic's operations are one set for all threads."""

_LEADS = {"approvers": {"group": "leads"}, "channel": "desk", "assurance": "chat"}
_FINANCE = {"approvers": {"group": "finance"}, "required": 2, "channel": "desk", "assurance": "chat"}
_DECISIONS = ["approve", "edit", "reject", "respond"]


def _route(*stages: dict[str, Any], expires_in: str = "8h", on_expiry: str = "reject") -> dict[str, Any]:
    return {
        "stages": list(stages),
        "expires_in": expires_in,
        "on_expiry": on_expiry,
        "valid_for": "30m",
        "allowed_decisions": _DECISIONS,
    }


def policy(on_expiry: str = "reject") -> Policy:
    """The policy; what happens to a hurried payment that nobody answers in a second differs."""
    never = {"id": "no-loss", "when": "args.amount <= 0", "decide": "reject", "why": "no amount"}
    return Policy.from_dict(
        {
            "policy": "claims",
            "version": "7",
            "owner": "claims-risk@corp.example",
            "default": "reject",
            "tools": {
                "look_up": "allow",
                "note": "allow",
                "pay": {"otherwise": "escalate", "approval": "lead", "rules": [never]},
                "refund": {"otherwise": "escalate", "approval": "lead"},
                "hurry": {"otherwise": "escalate", "approval": "second"},
                "wire": {"otherwise": "escalate", "approval": "board"},
                "erase": "reject",
            },
            "approvals": {
                "lead": _route(_LEADS),
                "second": _route(_LEADS, expires_in="1s", on_expiry=on_expiry),
                "board": _route(_LEADS, _FINANCE),
            },
            "budgets": {"same_call": 50},
        },
        directory=PEOPLE,
    )


def keys() -> Keys:
    """The same keys in every process of every campaign."""
    decision = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    return Keys(decision_key=SecretStr(decision), decision_public_keys=(Signer(decision).public_key,))


class Post(FakeChannel):
    """An approval channel at which processes die too."""

    def __init__(self, points: Points) -> None:
        super().__init__("desk")
        self._points = points

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Remember the message."""
        self._points.reach("sent", "before")
        rendered = super().send(delivery, approval)
        self._points.reach("sent", "after")
        return rendered


class Scene:
    """One database, one bank and the guard between them, as one process sees them.

    Args:
        folder: where all of it is; the same for every process.
        lease_seconds: how long a dead process keeps its thread.
        on_expiry: what happens to a hurried payment.
        fault: what happens to this process.
        busy_timeout: seconds to wait for another process's lock on the database.
        place: where this process says that it is where it is to be frozen; the folder by default.
    """

    def __init__(
        self,
        folder: Path,
        *,
        lease_seconds: float = 30.0,
        on_expiry: str = "reject",
        fault: Fault | None = None,
        busy_timeout: float = 30.0,
        place: Path | None = None,
    ) -> None:
        self.folder = folder
        self.points = Points(place or folder, fault)
        self.bank = Bank(folder, self.points)
        self.said = Journal(folder / "said.jsonl")
        self.errors = Journal(folder / "errors.jsonl")
        self.database = Database(url_of(folder), busy_timeout=busy_timeout)
        self.points.listen(self.database.engine)
        self._tools: dict[bool, list[Any]] = {}
        self.post = Post(self.points)
        self.guard = Guard(
            self.database,
            policy=policy(on_expiry),
            channels={"desk": self.post},
            keys=keys(),
            lease_seconds=lease_seconds,
        )

    def config(self, thread_id: str) -> RunnableConfig:
        """Kim's config of a thread."""
        return self.guard.config(thread_id, KIM)

    def graph(self, shape: Shape, *, in_async: bool, name: str = "agent") -> GuardedGraph:
        """The agent. Its model proposes what the last user message says."""
        if in_async not in self._tools:
            self._tools[in_async] = _tools(self.guard, self.bank, in_async=in_async)
        tools = self._tools[in_async]
        by_name = {tool.name: tool for tool in tools}

        def model(state: MessagesState) -> dict[str, Any]:
            self.points.reach("node", "before")
            said = _next_line(state["messages"])
            self.points.reach("node", "after")
            return {"messages": [said]}

        def called(state: MessagesState) -> dict[str, Any]:
            return {"messages": [by_name[call["name"]].invoke(call) for call in _calls(state)]}

        async def acalled(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await by_name[call["name"]].ainvoke(call) for call in _calls(state)]}

        async def amodel(state: MessagesState) -> dict[str, Any]:
            return model(state)

        def route(state: MessagesState) -> Any:
            if not _calls(state):
                return "__end__"
            if shape != "fan":
                return "tools"
            return [
                Send("tools", {"__type": "tool_call_with_context", "tool_call": call, "state": state})
                for call in _calls(state)
            ]

        builder = StateGraph(MessagesState)
        builder.add_node("agent", amodel if in_async else model)
        if shape == "code":
            builder.add_node("tools", acalled if in_async else called)
        else:
            builder.add_node("tools", ToolNode(tools))
        builder.add_edge(START, "agent")
        builder.add_conditional_edges("agent", route, ["tools", "__end__"])
        builder.add_edge("tools", "agent")
        return self.guard.compile(builder, name=name)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def prompt(script: Script, *, name: str = "", same_ids: bool = False) -> dict[str, Any]:
    """The input that makes the model follow a script; `same_ids` gives the calls of every message the same ids."""
    told = {"name": name, "script": script, "same_ids": same_ids}
    return {"messages": [HumanMessage(json.dumps(told))]}


def _next_line(messages: Sequence[Any]) -> AIMessage:
    last = max(index for index, message in enumerate(messages) if isinstance(message, HumanMessage))
    told = json.loads(messages[last].content)
    spoken = sum(isinstance(message, AIMessage) for message in messages[last:])
    if spoken >= len(told["script"]):
        return AIMessage("done")
    line = "c" if told["same_ids"] else f"{told['name']}-{spoken}"
    made = [
        {"name": tool, "args": args, "id": f"{line}-{index}", "type": "tool_call"}
        for index, (tool, args) in enumerate(told["script"][spoken])
    ]
    return AIMessage("Next.", tool_calls=made)


def _calls(state: MessagesState) -> list[Any]:
    last = state["messages"][-1]
    return list(last.tool_calls) if isinstance(last, AIMessage) else []


def _tools(guard: Guard, bank: Bank, *, in_async: bool) -> list[Any]:
    def coloured(function: Callable[..., str]) -> Callable[..., Any]:
        if not in_async:
            return function

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> str:
            return function(*args, **kwargs)

        return call

    def effect(function: Callable[..., str], **options: Any) -> Any:
        return guard.effect(key=lambda args: args.item, **options)(coloured(function))

    def look_up(item: str) -> str:
        return bank.look("look_up", {"item": item})

    def note(item: str, amount: int, *, effect: Effect) -> str:
        return bank.do("note", {"item": item, "amount": amount}, effect)

    def pay(item: str, amount: int, *, effect: Effect) -> str:
        return bank.do("pay", {"item": item, "amount": amount}, effect)

    def refund(item: str, amount: int, *, effect: Effect) -> str:
        return bank.do("refund", {"item": item, "amount": amount}, effect)

    def hurry(item: str, amount: int, *, effect: Effect) -> str:
        return bank.do("hurry", {"item": item, "amount": amount}, effect)

    def wire(item: str, amount: int, *, effect: Effect) -> str:
        return bank.do("wire", {"item": item, "amount": amount}, effect)

    def erase(item: str, amount: int, *, effect: Effect) -> str:
        return bank.do("erase", {"item": item, "amount": amount}, effect)

    return [
        guard.read(trust="trusted")(coloured(look_up)),
        effect(refund, reconcile=bank.ask),
        *(effect(function) for function in (note, pay, hurry, wire, erase)),
    ]


def template(folder: Path) -> Path:
    """An empty guardkit database to copy."""
    path = folder / "template.db"
    if not path.exists():
        database = Database(f"sqlite:///{path}")
        database.prepare()
        database.close()
    return path


def new_folder(parent: Path, name: str, empty: Path) -> Path:
    """A folder for one scene, its tables made in an SQLite file."""
    folder = parent / name
    folder.mkdir()
    shutil.copy(empty, folder / "guardkit.db")
    return folder


@contextmanager
def new_place(parent: Path, name: str, kind: Kind, empty: Path) -> Generator[Path]:
    """A folder for one scene, its tables made in a database of a kind; on a server only for so long."""
    if kind == "sqlite":
        yield new_folder(parent, name, empty)
        return
    with new_database(kind) as url:
        yield folder_for(parent, name, url)


def folder_for(parent: Path, name: str, url: str) -> Path:
    """A folder for one scene, its tables made in a database of a server."""
    folder = parent / name
    folder.mkdir()
    (folder / _URL).write_text(url)
    with _ONE_AT_A_TIME:
        upgrade(url)
    return folder


def url_of(folder: Path) -> str:
    """Where the database of a scene is."""
    told = folder / _URL
    return told.read_text() if told.exists() else f"sqlite:///{folder / 'guardkit.db'}"
