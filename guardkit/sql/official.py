"""The tables of LangGraph's own savers, opened to be read and nothing else."""

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from guardkit.errors import ConfigurationError, InputError, StorageError

_POSTGRES = ("postgres", "postgresql")

_Rows = Callable[[str, Sequence[object]], Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a task wrote, as its row says it."""

    ns: str
    checkpoint_id: str
    task_id: str
    idx: int
    task_path: str
    channel: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One of LangGraph's savers, and the rows that it does not list."""

    saver: BaseCheckpointSaver[str]
    rows: _Rows
    mark: str
    """How its driver writes a parameter."""

    writes: str
    """`SELECT` of a thread's writes, without its condition."""

    def threads(self) -> Sequence[str]:
        """The threads that it has."""
        return sorted(str(row[0]) for row in self.rows("SELECT DISTINCT thread_id FROM checkpoints", ()))

    def checkpoints(self, thread_id: str) -> Sequence[tuple[str, str]]:
        """Namespace and id of each checkpoint of a thread, the oldest first."""
        statement = f"SELECT checkpoint_ns, checkpoint_id FROM checkpoints WHERE thread_id = {self.mark}"  # noqa: S608  # made of constants
        return sorted(
            ((str(ns), str(one)) for ns, one in self.rows(statement, (thread_id,))), key=lambda at: at[::-1]
        )

    def tuple(self, thread_id: str, ns: str, checkpoint_id: str) -> CheckpointTuple | None:
        """A checkpoint as the saver gives it."""
        return self.saver.get_tuple(
            {
                "configurable": {
                    "thread_id": thread_id,
                    "checkpoint_ns": ns,
                    "checkpoint_id": checkpoint_id,
                }
            }
        )

    def written(self, thread_id: str) -> Iterator[Written]:
        """What the tasks of a thread wrote."""
        for row in self.rows(f"{self.writes} WHERE thread_id = {self.mark}", (thread_id,)):
            ns, checkpoint_id, task_id, idx, task_path, channel, kind, value = row
            yield Written(
                ns=ns,
                checkpoint_id=checkpoint_id,
                task_id=task_id,
                idx=idx,
                task_path=task_path,
                channel=channel,
                value=self.saver.serde.loads_typed((kind, value)),
            )


@contextmanager
def opened(url: str | URL, serde: SerializerProtocol | None = None) -> Generator[Source]:
    """Open the database of LangGraph's SQLite or PostgreSQL saver, as it is at this moment, to be read only.

    Args:
        url: of the database, as SQLAlchemy writes it.
        serde: the serializer that its checkpoints were written with; the saver's own by default.

    Raises:
        ConfigurationError: the saver is not installed.
        InputError: not the URL of such a database, or it has no checkpoints of LangGraph's.
        StorageError: it cannot be reached.
    """
    found = _url(url)
    family = found.get_backend_name()
    if family == "sqlite":
        with _sqlite(found, serde) as source:
            yield source
    elif family in _POSTGRES:
        with _postgres(found, serde) as source:
            yield source
    else:
        raise InputError(
            f"LangGraph has no saver for the database {family!r}",
            remedy="name one of its SQLite or PostgreSQL saver: sqlite:///file.db, postgresql://user@host/name",
        )


def _url(url: str | URL) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        # The text may hold a password.
        raise InputError(
            "the source is not a database URL",
            remedy="e.g. sqlite:///checkpoints.db or postgresql://user@host/name",
        ) from None


def _lacking(package: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"reading these checkpoints needs {error.name!r}", remedy=f"pip install {package}"
    )


def _no_tables(where: str) -> InputError:
    return InputError(
        f"{where} has no checkpoints of LangGraph's saver",
        remedy="name the database that its saver writes to",
    )


@contextmanager
def _sqlite(url: URL, serde: SerializerProtocol | None) -> Generator[Source]:
    try:
        from langgraph.checkpoint.sqlite import SqliteSaver  # noqa: PLC0415  # not needed but here
    except ImportError as error:
        raise _lacking("langgraph-checkpoint-sqlite", error) from error
    path = Path(url.database or "")
    if not path.is_file():
        raise InputError(f"{path} is not a file", remedy="name an SQLite database that is there")
    try:
        with closing(
            sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro",
                uri=True,
                timeout=30.0,
                check_same_thread=False,
                isolation_level=None,
            )
        ) as connection:

            def rows(statement: str, parameters: Sequence[object]) -> Sequence[Any]:
                return connection.execute(statement, tuple(parameters)).fetchall()

            columns = {str(row[1]) for row in rows("PRAGMA table_info(writes)", ())}
            if not columns or not rows("PRAGMA table_info(checkpoints)", ()):
                raise _no_tables(str(path))
            saver = SqliteSaver(connection, serde=serde)
            saver.setup()  # finds everything there; where the file is too old for a column, that it is
            connection.execute("BEGIN")
            task_path = "task_path" if "task_path" in columns else "''"
            yield Source(
                saver=saver,
                rows=rows,
                mark="?",
                writes=f"SELECT checkpoint_ns, checkpoint_id, task_id, idx, {task_path}, channel, type, value FROM writes",  # noqa: S608
            )
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be read: {error}", remedy="see that it is whole") from error


@contextmanager
def _postgres(url: URL, serde: SerializerProtocol | None) -> Generator[Source]:
    try:
        import psycopg  # noqa: PLC0415  # an optional extra
        from langgraph.checkpoint.postgres import PostgresSaver  # noqa: PLC0415  # not needed but here
        from psycopg.rows import DictRow, dict_row  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise _lacking("langgraph-checkpoint-postgres psycopg[binary]", error) from error
    where = url.set(query={}).render_as_string(hide_password=True)  # drivers take passwords in the query too
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.Connection[DictRow].connect(plain, autocommit=True, row_factory=dict_row) as connection:

            def rows(statement: str, parameters: Sequence[object]) -> Sequence[Any]:
                found = connection.execute(cast("Any", statement), parameters).fetchall()
                return [tuple(row.values()) for row in found]

            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
                if rows("SELECT to_regclass(%s)", (table,)) == [(None,)]:
                    raise _no_tables(where)
            yield Source(
                saver=PostgresSaver(connection, serde=serde),
                rows=rows,
                mark="%s",
                writes="SELECT checkpoint_ns, checkpoint_id, task_id, idx, task_path, channel, type, blob FROM checkpoint_writes",
            )
    except psycopg.Error as error:
        # Its words may hold the connection's.
        raise StorageError(
            f"{where} cannot be read: {type(error).__name__}",
            remedy="see that it is reachable and up to date",
        ) from error
