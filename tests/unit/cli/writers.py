"""Processes that write to a database for as long as a test looks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WRITER = """
import sys
from langgraph.graph import START, MessagesState, StateGraph
from guardkit.sql import Database, SQLAlchemySaver, SQLStore
from guardkit.testing.contracts import samples

with Database(sys.argv[1]) as database:
    store = SQLStore(database)
    graph = StateGraph(MessagesState).add_node("work", lambda s: {"messages": ["done"]}).add_edge(START, "work")
    built = graph.compile(checkpointer=SQLAlchemySaver(database))
    number = 0
    while True:
        number += 1
        name = f"{sys.argv[2]}-{number}"
        store.open_run(samples.opening(f"run-{name}"), [samples.EVENT])
        built.invoke({"messages": ["begin"]}, {"configurable": {"thread_id": f"t-{name}"}})
        print(number, flush=True)
"""


@contextmanager
def eight_writers(url: str) -> Iterator[None]:
    """Eight processes that open runs, append to the audit log and put checkpoints; none of them is held up."""
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, url, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(8)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline()
        yield
        assert all(writer.poll() is None for writer in writers), "nobody was held up"
    finally:
        for writer in writers:
            writer.kill()
            writer.wait(30)
            if writer.stdout is not None:
                writer.stdout.close()
