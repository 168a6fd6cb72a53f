"""Taking over threads from LangGraph's own savers.

A thread is copied checkpoint by checkpoint, each in a transaction of its own, so what was stopped goes on where it
stopped. Then every row is read back through both savers and compared: a thread is taken over when nothing differs.
"""

from collections.abc import Collection, Generator, Sequence
from typing import Any, Literal, TypeAlias

from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from sqlalchemy import URL, select

from guardkit.core.values import Value
from guardkit.errors import BusyError, ConfigurationError, InputError, MissingDataError
from guardkit.sql import dialects, names, pending
from guardkit.sql.access import Access, configurable, permit
from guardkit.sql.checkpoints import Place, ns_hash
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.engines import Target
from guardkit.sql.official import Source, Written, opened
from guardkit.sql.revisions import standing
from guardkit.sql.saver import SQLAlchemySaver
from guardkit.sql.sealing import Seal
from guardkit.sql.tables import checkpoints, writes

_SOME = 200
"""How many writes share a transaction."""

State: TypeAlias = Literal["imported", "there", "lacking", "refused"]

_PENDING = "pending writes"

_Key = tuple[str, str, str, int]
"""Hash of a namespace, checkpoint, task, index: which write."""


class ImportedThread(Value):
    """What became of a thread of another saver."""

    thread_id: str
    state: State
    """`imported` now; `there` already, and the same; `lacking`, which a dry run says of what would be imported; `refused`."""

    checkpoints: int
    """How many it has there."""

    writes: int
    """How many pending writes it has there."""

    problem: str | None = None
    """Why it was refused."""


class _Refused(Exception):
    """A thread that cannot be taken over."""


def import_threads(
    database: Database | Target,
    source: str | URL,
    *,
    tenant: str = "default",
    threads: Collection[str] = (),
    dry_run: bool = False,
    serde: SerializerProtocol | None = None,
) -> Generator[ImportedThread]:
    """Take over threads from LangGraph's SQLite or PostgreSQL saver, one after the other. May be run again.

    The source is read as it was when the first thread was asked for, and not changed.

    Args:
        database: where the threads go, or its URL.
        source: URL of the database that LangGraph's saver wrote to.
        tenant: whose threads they become.
        threads: only these; all of them where it is empty.
        dry_run: compare only, and write nothing.
        serde: the serializer of both savers; each has its own by default.

    Yields:
        What became of each thread. One that is refused does not hold up the others.

    Raises:
        ConfigurationError: the official saver is not installed, or, in a dry run, there are no tables to compare with.
        InputError: no such source, no such thread, or `tenant` cannot be the name of one.
        StorageError: one of the two databases cannot be reached.
    """
    if dry_run and standing(database).tables != "current":
        raise ConfigurationError(
            "a dry run compares with tables that are not there, or not up to date",
            remedy="run `guardkit db upgrade`",
        )
    target = database if isinstance(database, Database) else Database(database)
    try:
        with opened(source, serde) as found:
            known = found.threads()
            if unknown := sorted(set(threads) - set(known)):
                raise InputError(f"the source has no thread {unknown[0]!r}")
            for thread_id in sorted(set(threads)) or known:
                saver = SQLAlchemySaver(target, serde=serde, tenant=tenant)
                yield _Move(found, saver, thread_id).done(dry_run=dry_run)
    finally:
        if target is not database:
            target.close()


class _Move:
    """One thread on its way from one saver to the other."""

    def __init__(self, source: Source, saver: SQLAlchemySaver, thread_id: str) -> None:
        self._source = source
        self._saver = saver
        self._thread = thread_id
        self._seal = Seal(saver.serde, saver.database.vault)
        self._at = source.checkpoints(thread_id)
        self._blocked: str | None = None

    def done(self, *, dry_run: bool) -> ImportedThread:
        """Copy what is not there yet, unless it is a dry run, and compare all that is there."""
        written: list[Written] = []
        forget = register_serde_event_listener(self._heard)
        try:
            written = list(self._source.written(names.thread(self._thread)))
            self._require_built()
            state = self._moved(written, dry_run=dry_run)
        except (InputError, BusyError, MissingDataError, _Refused) as error:
            return self._report("refused", written, str(error))
        finally:
            forget()
        return self._report(state, written)

    def _heard(self, event: SerdeEvent) -> None:
        if event["kind"].endswith("blocked"):
            self._blocked = f"{event['module']}.{event['name']}"

    def _require_built(self) -> None:
        """What the serializer may not build comes as raw data, and would be kept as such."""
        if self._blocked is not None:
            raise _Refused(f"the serializer may not build {self._blocked!r}: allow it, then import again")

    def _report(self, state: State, written: Sequence[Written], problem: str | None = None) -> ImportedThread:
        return ImportedThread(
            thread_id=self._thread,
            state=state,
            checkpoints=len(self._at),
            writes=len(written),
            problem=problem,
        )

    def _moved(self, written: Sequence[Written], *, dry_run: bool) -> State:
        there, written_there = self._checkpoints_there(), self._writes_there()
        if others := there - {(ns_hash(ns), checkpoint_id) for ns, checkpoint_id in self._at}:
            raise _Refused(f"the thread is there and goes on otherwise: checkpoint {min(others)[1]!r}")
        lacking = [at for at in self._at if (ns_hash(at[0]), at[1]) not in there]
        unwritten = [one for one in written if _key(one) not in written_there]
        self._compare([at for at in self._at if at not in lacking], apart=(_PENDING,))
        self._compare_writes(written_there, written)
        if not lacking and not unwritten:
            return "there"
        if dry_run:
            return "lacking"
        self._copy(lacking)
        for start in range(0, len(unwritten), _SOME):
            self._copy_writes(unwritten[start : start + _SOME])
        fresh = SQLAlchemySaver(self._saver.database, serde=self._saver.serde, tenant=self._saver.tenant)
        after = _Move(self._source, fresh, self._thread)
        after._compare(self._at)
        found = after._writes_there()
        if len(found) != len(written):
            raise _Refused(f"{len(found)} of {len(written)} pending writes are there after the import")
        after._compare_writes(found, written)
        return "imported"

    def _copy(self, lacking: Sequence[tuple[str, str]]) -> None:
        stored: set[tuple[str, str, str]] = set()
        for ns, checkpoint_id in lacking:
            found = self._of_source(ns, checkpoint_id)
            versions = found.checkpoint["channel_versions"]
            # A channel that an older checkpoint has brought in this version is pointed to, and not stored again.
            new = {name: one for name, one in versions.items() if (ns, name, str(one)) not in stored}
            stored.update((ns, name, str(one)) for name, one in versions.items())
            parent = (
                None if found.parent_config is None else configurable(found.parent_config)["checkpoint_id"]
            )
            self._saver.put(
                {"configurable": {"thread_id": self._thread, "checkpoint_ns": ns, "checkpoint_id": parent}},
                found.checkpoint,
                found.metadata,
                new,
            )

    @redone
    def _copy_writes(self, some: Sequence[Written]) -> None:
        rows: list[dict[str, Any]] = []
        for one in some:
            keys = {
                **self._place(one.ns).keys(),
                "checkpoint_id": names.checkpoint("checkpoint_id", one.checkpoint_id),
                "task_id": names.checkpoint("task_id", one.task_id),
                "idx": one.idx,
                "task_path": one.task_path,
                "channel": one.channel,
            }
            rows.append(pending.row(self._seal, keys, one.value))
        with self._saver.database.writing() as connection:
            permit(connection, Access(place=self._place(""), run=None))
            dialects.insert_all_new(connection, writes, rows)

    def _compare(self, at: Sequence[tuple[str, str]], *, apart: Collection[str] = ()) -> None:
        """See that checkpoints are the same, as both savers give them, apart from some parts."""
        for ns, checkpoint_id in at:
            theirs = self._of_source(ns, checkpoint_id)
            ours = self._saver.get_tuple(
                {
                    "configurable": {
                        "thread_id": self._thread,
                        "checkpoint_ns": ns,
                        "checkpoint_id": checkpoint_id,
                    }
                }
            )
            if ours is None:
                raise _Refused(f"checkpoint {checkpoint_id!r} is gone")
            self._compare_parts(checkpoint_id, _parts(theirs), _parts(ours), apart)

    def _compare_parts(
        self, checkpoint_id: str, theirs: dict[str, Any], ours: dict[str, Any], apart: Collection[str]
    ) -> None:
        for part in sorted({*theirs, *ours} - set(apart)):
            if part not in theirs or part not in ours or not self._same(theirs[part], ours[part]):
                raise _Refused(f"checkpoint {checkpoint_id!r} is there and differs in {part}")

    def _compare_writes(self, found: dict[_Key, Any], written: Sequence[Written]) -> None:
        """See that those writes that are there are the same."""
        left = dict(found)
        for one in written:
            row = left.pop(_key(one), None)
            if row is None:
                continue
            keys = {**self._place(one.ns).keys(), "checkpoint_id": one.checkpoint_id}
            value = pending.value_of(self._seal, keys, row)
            if (row.task_path, row.channel) != (one.task_path, one.channel) or not self._same(
                one.value, value
            ):
                raise _Refused(f"a write of task {one.task_id!r} is there and differs")
        if left:
            raise _Refused(f"task {min(left)[2]!r} wrote what the source does not have")

    def _same(self, one: Any, other: Any) -> bool:
        if type(one) is not type(other):
            return False
        serde = self._source.saver.serde
        # Many values cannot be compared but as they are stored.
        return serde.dumps_typed(one) == serde.dumps_typed(other) or bool(one == other)

    def _of_source(self, ns: str, checkpoint_id: str) -> CheckpointTuple:
        found = self._source.tuple(self._thread, ns, checkpoint_id)
        if found is None:
            raise _Refused(f"checkpoint {checkpoint_id!r} of the source cannot be read")
        self._require_built()
        return found

    def _place(self, ns: str) -> Place:
        return Place.named(self._saver.tenant, self._thread, ns)

    def _checkpoints_there(self) -> set[tuple[str, str]]:
        table = checkpoints.c
        chosen = select(table.ns_hash, table.checkpoint_id).where(
            table.tenant == self._saver.tenant, table.thread_id == self._thread
        )
        with self._saver.database.reading() as connection:
            return {(row.ns_hash, row.checkpoint_id) for row in connection.execute(chosen)}

    def _writes_there(self) -> dict[_Key, Any]:
        chosen = select(writes).where(
            writes.c.tenant == self._saver.tenant, writes.c.thread_id == self._thread
        )
        with self._saver.database.reading() as connection:
            return {
                (row.ns_hash, row.checkpoint_id, row.task_id, row.idx): row
                for row in connection.execute(chosen)
            }


def _key(one: Written) -> _Key:
    return ns_hash(one.ns), one.checkpoint_id, one.task_id, one.idx


def _parts(found: CheckpointTuple) -> dict[str, Any]:
    """What makes up a checkpoint, by what to call it in an error."""
    bare = {f"{name!r}": value for name, value in found.checkpoint.items() if name != "channel_values"}
    channels = {f"channel {name!r}": value for name, value in found.checkpoint["channel_values"].items()}
    described = {f"metadata {name!r}": value for name, value in found.metadata.items()}
    return {
        **bare,
        **channels,
        **described,
        "parent": None if found.parent_config is None else configurable(found.parent_config)["checkpoint_id"],
        _PENDING: list(found.pending_writes or ()),
    }
