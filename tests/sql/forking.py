"""A program that opens a database, forks, and works with it on both sides; `python -m tests.sql.forking SCENE URL`.

It prints what a process that comes afterwards finds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from sqlalchemy import text

from guardkit.core.audit import AuditEvent, verify
from guardkit.sql import Database, SQLAlchemySaver, SQLStore

TENANT = "acme"
CHILDREN, THREADS, ENTRIES = 3, 2, 10
_PAUSE = 0.01
"""Seconds between two entries of a thread: SQLite has no queue, and others want to write too."""

_SESSION = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
_LIVES = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE pid = :session",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE id = :session",
}
_ANOTHER = "import sys; from guardkit.sql import Database, SQLStore; d = Database(sys.argv[1]); SQLStore(d).tenants(); d.close()"


class Process:
    """What each side does with the database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SQLStore(database)
        builder = StateGraph(MessagesState).add_node("say", lambda state: {"messages": [("ai", "said")]})
        self.graph: Any = builder.add_edge(START, "say").compile(checkpointer=SQLAlchemySaver(database))

    def work(self, what: str, thread: str) -> None:
        """Append to the audit log, and take a step on a thread."""
        self.note(what)
        self.graph.invoke({"messages": [("user", what)]}, {"configurable": {"thread_id": thread}})

    def note(self, what: str) -> None:
        self.store.append(TENANT, [AuditEvent(kind=what)])

    def said(self, thread: str) -> list[str]:
        """What users said on a thread."""
        state = self.graph.get_state({"configurable": {"thread_id": thread}})
        return [one.text for one in state.values["messages"] if one.type == "human"]

    def session(self) -> int | None:
        """The server's number of the connection that is used; files have none."""
        question = _SESSION.get(self.database.engine.dialect.name)
        if question is None:
            return None
        with self.database.reading() as connection:
            return connection.execute(text(question)).scalar_one()

    def lives(self, session: int | None) -> bool:
        """Whether a connection is still open, as the server knows it."""
        question = _LIVES.get(self.database.engine.dialect.name)
        if question is None:
            return True
        with self.database.reading() as connection:
            return connection.execute(text(question), {"session": session}).scalar_one() == 1

    def found(self) -> dict[str, Any]:
        """What the audit log holds."""
        entries = self.store.entries(TENANT, limit=10_000)
        return {"intact": verify(TENANT, entries).intact, "kinds": [entry.event.kind for entry in entries]}


def forked(body: Callable[[], None]) -> int:
    """A child that does something, and ends as a process does; returns its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    return pid


def ended(*children: int) -> list[int]:
    """The exit codes of children."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]


def taking_turns(url: str) -> dict[str, Any]:
    """Parent and child write in turns; the parent closes, another process comes to its file and goes, and the child writes once more."""
    mine = Process(Database(url))
    mine.work("parent before", "both")
    session = mine.session()
    (hears, tells), (listens, says) = os.pipe(), os.pipe()

    def child() -> None:
        mine.work("child", "both")
        os.write(tells, json.dumps(mine.session()).encode())
        os.read(listens, 1)
        mine.work("child again", "child's")

    pid = forked(child)
    theirs = json.loads(os.read(hears, 100))
    mine.work("parent after", "both")
    kept = mine.lives(session)
    mine.database.close()
    if url.startswith("sqlite"):
        subprocess.run([sys.executable, "-c", _ANOTHER, url], check=True)
    os.write(says, b"!")
    codes = ended(pid)
    with Database(url) as database:
        late = Process(database)
        return {
            "codes": codes,
            "sessions": [session, theirs],
            "kept": kept,
            "both": late.said("both"),
            "child's": late.said("child's"),
            **late.found(),
        }


@contextmanager
def others(mine: Process) -> Iterator[None]:
    """Threads of this process that write and read meanwhile; each a number of entries at least, and on until the block ends."""
    enough = threading.Event()

    def write(thread: int) -> None:
        number = 0
        while number < ENTRIES or not enough.is_set():
            mine.note(f"thread {thread} {number}")
            mine.store.tenants()
            number += 1
            time.sleep(_PAUSE)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def beside_threads(url: str) -> dict[str, Any]:
    """Children are forked while threads of the parent write; all of them write on."""
    mine = Process(Database(url))
    mine.note("first")

    def child(number: int) -> None:
        for entry in range(ENTRIES):
            mine.note(f"child {number} {entry}")

    with others(mine):
        children = [forked(lambda number=number: child(number)) for number in range(CHILDREN)]
    codes = ended(*children)
    mine.database.close()
    with Database(url) as database:
        return {"codes": codes, **Process(database).found()}


if __name__ == "__main__":
    scene, where = sys.argv[1:]
    print(json.dumps({"turns": taking_turns, "threads": beside_threads}[scene](where)))
