"""LangGraph's own saver in memory, with the upkeep that it lacks, and what may happen to a saver."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointTuple,
    empty_checkpoint,
)
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.memory import InMemorySaver


class Oracle(InMemorySaver):
    """What every saver has to answer. Plain dictionaries, and no cleverness."""

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        for ns, stored in list(self.storage[source_thread_id].items()):
            self.storage[target_thread_id][ns] = dict(stored)
        for (thread, ns, at), stored in list(self.writes.items()):
            if thread == source_thread_id:
                self.writes[(target_thread_id, ns, at)] = dict(stored)
        for (thread, *rest), stored in list(self.blobs.items()):
            if thread == source_thread_id:
                self.blobs[(target_thread_id, *rest)] = stored  # pyright: ignore[reportArgumentType]

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        for thread in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread)
                continue
            for ns, stored in self.storage[thread].items():
                for at in sorted(stored)[:-1]:
                    self._drop(thread, ns, at)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        for thread, spaces in self.storage.items():
            for ns, stored in spaces.items():
                for at, (_, metadata, _) in list(stored.items()):
                    if self.serde.loads_typed(metadata).get("run_id") in run_ids:
                        self._drop(thread, ns, at)

    def _drop(self, thread: str, ns: str, at: str) -> None:
        del self.storage[thread][ns][at]
        self.writes.pop((thread, ns, at), None)


def at(thread: str, ns: str = "", checkpoint_id: str | None = None) -> RunnableConfig:
    more = {} if checkpoint_id is None else {"checkpoint_id": checkpoint_id}
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, **more}}


def shown(found: CheckpointTuple | None) -> Any:
    """What matters of a checkpoint, to be compared."""
    if found is None:
        return None
    conf = found.config.get("configurable", {})
    where = {key: conf[key] for key in ("thread_id", "checkpoint_ns", "checkpoint_id")}
    return where, found.checkpoint, found.metadata, found.parent_config, found.pending_writes


THREADS = ("a", "b", "c")
SPACES = ("", "sub:1")
RUNS = ("r1", "r2", "r3")
CHANNELS = ("messages", "window", "tree", "text", "delta", "n")


class Life:
    """Does the same to savers and to the oracle, and compares what they say.

    Args:
        savers: several on one database, as several processes have them; one is chosen for each thing that is done.
        seed: of everything that happens.
    """

    def __init__(self, savers: Sequence[BaseCheckpointSaver[Any]], seed: int) -> None:
        self._savers = savers
        self.oracle = Oracle()
        self._random = random.Random(seed)

    def step(self) -> None:
        pick = self._random.choices(
            (self.put, self.write, self.overwrite, self.copy, self.prune, self.delete, self.delete_runs),
            weights=(60, 20, 4, 4, 5, 2, 3),
        )[0]
        pick()

    @property
    def _saver(self) -> BaseCheckpointSaver[Any]:
        return self._random.choice(self._savers)

    def _place(self) -> tuple[str, str]:
        return self._random.choice(THREADS), self._random.choice(SPACES)

    def _parent(self, thread: str, ns: str) -> CheckpointTuple | None:
        """Mostly the newest, as a run does it; sometimes another one, as a fork does."""
        stored = sorted(self.oracle.storage[thread][ns])
        if not stored:
            return None
        chosen = None if self._random.random() < 0.8 else self._random.choice(stored)
        saver = self._saver
        found = self.oracle.get_tuple(at(thread, ns, chosen))
        assert shown(saver.get_tuple(at(thread, ns, chosen))) == shown(found)
        return found

    def _message(self) -> AIMessage:
        words = " ".join(
            self._random.choices(("pay", "claim", "desk", "ü🎈", "7"), k=self._random.randrange(90))
        )
        return AIMessage(words, id=f"{self._random.getrandbits(64):x}")

    def _changed(self, channel: str, value: Any) -> Any:
        chance = self._random.random()
        match channel:
            case "messages":
                grown = [*(value or []), *(self._message() for _ in range(self._random.randrange(1, 4)))]
                return grown if chance < 0.9 else grown[len(grown) // 2 :]
            case "window":
                return [*(value or []), self._message()][-5:]
            case "tree":
                tree = dict(value or {})
                tree[f"k{self._random.randrange(30)}"] = {"list": list(range(self._random.randrange(200)))}
                return tree
            case "text":
                text = value or ""
                cut = self._random.randrange(len(text) + 1)
                return text[:cut] + f"<{self._random.random()}>" * self._random.randrange(12) + text[cut:]
            case "n":
                return self._random.choice((None, 1, 2.5, True, b"\x00" * self._random.randrange(600)))
            case _:
                return [self._random.random()]

    def put(self) -> None:
        thread, ns = self._place()
        parent = self._parent(thread, ns)
        values = {} if parent is None else dict(parent.checkpoint["channel_values"])
        versions = {} if parent is None else dict(parent.checkpoint["channel_versions"])
        saver = self._saver
        fresh = saver.get_next_version(max(versions.values(), default=None), None)
        touched = self._random.sample(CHANNELS, self._random.randrange(len(CHANNELS)))
        for channel in touched:
            versions[channel] = fresh
            if self._random.random() < (0.2 if channel == "delta" else 0.95):
                values[channel] = self._changed(channel, values.get(channel))
            else:
                values.pop(channel, None)
        checkpoint: Checkpoint = {
            **empty_checkpoint(),
            "id": str(uuid6(clock_seq=-2)),
            "channel_values": values,
            "channel_versions": versions,
        }
        metadata: Any = {"source": "loop", "step": self._random.randrange(9), "parents": {}}
        if self._random.random() < 0.5:
            metadata["run_id"] = self._random.choice(RUNS)
        config = at(thread, ns, None if parent is None else parent.checkpoint["id"])
        new: ChannelVersions = {channel: fresh for channel in touched}  # noqa: C420  # of text, not of literals
        stored = saver.put(config, checkpoint, metadata, new)
        assert stored == self.oracle.put(config, checkpoint, metadata, new)

    def overwrite(self) -> None:
        """The same checkpoint once more, as a retry puts it."""
        thread, ns = self._place()
        found = self._parent(thread, ns)
        if found is not None:
            parent = (found.parent_config or {}).get("configurable", {}).get("checkpoint_id")
            new = dict(found.checkpoint["channel_versions"])
            metadata: Any = {**found.metadata, "again": True}
            for saver in (self._saver, self.oracle):
                saver.put(at(thread, ns, parent), found.checkpoint, metadata, new)

    def write(self) -> None:
        thread, ns = self._place()
        found = self._parent(thread, ns)
        if found is None:
            return
        written = [(channel, self._changed(channel, None)) for channel in self._random.sample(CHANNELS, 2)]
        if self._random.random() < 0.3:
            written.append(("__resume__", self._random.random()))
        task, path = f"task-{self._random.randrange(3)}", self._random.choice(("", "~1", "~2"))
        for saver in (self._saver, self.oracle):
            saver.put_writes(at(thread, ns, found.checkpoint["id"]), written, task, path)

    def copy(self) -> None:
        source, target = self._random.sample(THREADS, 2)
        for saver in (self._saver, self.oracle):
            saver.delete_thread(target)
            saver.copy_thread(source, target)

    def prune(self) -> None:
        threads = self._random.sample(THREADS, self._random.randrange(1, 3))
        strategy = self._random.choice(("keep_latest", "keep_latest", "keep_latest", "delete"))
        for saver in (self._saver, self.oracle):
            saver.prune(threads, strategy=strategy)

    def delete(self) -> None:
        thread = self._random.choice(THREADS)
        for saver in (self._saver, self.oracle):
            saver.delete_thread(thread)

    def delete_runs(self) -> None:
        runs = self._random.sample(RUNS, self._random.randrange(1, 3))
        for saver in (self._saver, self.oracle):
            saver.delete_for_runs(runs)

    def compare(self) -> None:
        """Compare everything that is stored."""
        for saver in self._savers:
            for thread in THREADS:
                for ns in SPACES:
                    wanted = [shown(one) for one in self.oracle.list(at(thread, ns))]
                    assert [shown(one) for one in saver.list(at(thread, ns))] == wanted
                    assert shown(saver.get_tuple(at(thread, ns))) == (wanted[0] if wanted else None)
                    for where, *_ in wanted:
                        config: RunnableConfig = {"configurable": where}
                        assert shown(saver.get_tuple(config)) == shown(self.oracle.get_tuple(config))
                        told = {"config": config, "channels": ("delta", "messages")}
                        assert saver.get_delta_channel_history(
                            **told
                        ) == self.oracle.get_delta_channel_history(**told)
            assert len(list(saver.list(None))) == len(list(self.oracle.list(None)))
