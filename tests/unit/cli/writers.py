"""Processes that write to a database for as long as a test looks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_WRITERS = 8
_WRITER = """
import os, sys
from langgraph.graph import START, MessagesState, StateGraph
from guardkit.sql import Database, SQLAlchemySaver, SQLStore
from guardkit.testing.contracts import samples

def write(url, writer):
    with Database(url, busy_timeout=300) as database:
        store = SQLStore(database)
        graph = StateGraph(MessagesState).add_node("work", lambda s: {"messages": ["done"]}).add_edge(START, "work")
        built = graph.compile(checkpointer=SQLAlchemySaver(database))
        number = 0
        while True:
            number += 1
            name = f"{writer}-{number}"
            store.open_run(samples.opening(f"run-{name}"), [samples.EVENT])
            built.invoke({"messages": ["begin"]}, {"configurable": {"thread_id": f"t-{name}"}})
            if number == 1:
                print(writer, flush=True)

for writer in range(int(sys.argv[2])):
    if os.fork() == 0:
        write(sys.argv[1], writer)
os.wait()
"""
"""One process that imports everything, and its children, who write. It ends when one of them does."""


@contextmanager
def eight_writers(url: str) -> Iterator[None]:
    """Eight processes that open runs, append to the audit log and put checkpoints; none of them is held up."""
    command = [sys.executable, "-c", _WRITER, url, str(_WRITERS)]
    writers = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert writers.stdout is not None
        begun = {writers.stdout.readline() for _ in range(_WRITERS)}
        assert len(begun) == _WRITERS
        yield
        assert writers.poll() is None, "nobody was held up"
    finally:
        os.killpg(writers.pid, signal.SIGKILL)
        writers.wait(30)
        if writers.stdout is not None:
            writers.stdout.close()
