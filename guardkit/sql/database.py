"""One database: its transactions, its writer, its threads."""

import asyncio
import contextvars
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import ParamSpec, Self, TypeVar

from sqlalchemy import URL, Connection, Engine, Pool

from guardkit.core.encryption import Encryption
from guardkit.core.settings import REPLICA_LAG, Settings
from guardkit.errors import ConfigurationError, StorageError
from guardkit.sql import dialects, names, schema as tables, secret
from guardkit.sql.commits import Commits
from guardkit.sql.engines import Target, alone, backend, name_tenant, reading, writing
from guardkit.sql.faults import told
from guardkit.sql.listening import Listening, listening
from guardkit.sql.replicas import Replica, UnfitError
from guardkit.sql.vault import OPTION, Vault

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """A database that keeps guardkit's promises, opened on first use.

    Safe to share between threads, event loops and forked processes. Everything is synchronous; async callers use
    `offload`.

    Args:
        target: a URL (`sqlite:///guardkit.db`) or an engine. Of an engine on SQLite only the URL is used.
        busy_timeout: seconds to wait for another writer of an SQLite file.
        threads: how many calls of async callers run at once.
        tenant: on PostgreSQL the only tenant of this process, named to the server in each transaction for row-level security.
            Checkpoints are then put in transactions of several statements.
        listen: URL of the same database for `LISTEN` on PostgreSQL, past a pooler in transaction mode.
        replica: URL of a streaming replica on PostgreSQL, from which lists are read; see `look`.
        replica_lag: seconds that what is read there may be old.
        schema: of PostgreSQL, that the tables are in; by default the first of the server's `search_path`. `upgrade` makes it.
        encryption: keys for what is stored. An empty database is encrypted from its first use with them.

    Raises:
        ConfigurationError: `target` names no database that guardkit can keep its promises on.
    """

    def __init__(
        self,
        target: Target,
        *,
        busy_timeout: float = 30.0,
        threads: int = 8,
        tenant: str | None = None,
        schema: str | None = None,
        listen: str | URL | None = None,
        replica: str | URL | None = None,
        replica_lag: float = REPLICA_LAG,
        encryption: Encryption | None = None,
    ) -> None:
        if not busy_timeout > 0:
            raise ConfigurationError(f"busy_timeout is {busy_timeout!r}", remedy="give seconds, more than 0")
        if threads < 1:
            raise ConfigurationError(f"threads is {threads!r}", remedy="at least 1 is needed")
        self.on_fault: Callable[[str], None] = _nobody
        """Told the type of every `StorageError` that leaves a transaction."""

        self.vault = Vault(encryption)
        """Seals what is stored, and opens it."""

        found = backend(target, busy_timeout=busy_timeout, connections=threads + 1, schema=schema)
        self._backend = replace(found, engine=found.engine.execution_options(**{OPTION: self.vault}))
        self.listening: Listening = listening(self._backend, listen)
        """How news of other processes' commits come in; see `guardkit.sql.news`."""

        self._names_tenant = tenant is not None
        if tenant is not None:
            if self._backend.engine.dialect.name != "postgresql":
                raise ConfigurationError(
                    f"{self._backend.location} has no row-level security",
                    remedy="give a tenant on PostgreSQL only",
                )
            name_tenant(self._backend.engine, names.tenant(tenant))
        self._replica: Replica | None = None
        if replica is not None:
            self._replica = Replica(
                replica,
                self._backend,
                tenant=tenant,
                connections=threads,
                max_lag=replica_lag,
                now=self.now,
            )
        self._busy_timeout = busy_timeout
        self._threads = threads
        self._begin_life()
        _DATABASES.add(self)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The database that is configured.

        Raises:
            ConfigurationError: none is, or guardkit cannot keep its promises on it.
        """
        return cls(
            settings.need_database(),
            schema=settings.database_schema,
            listen=settings.database_listen,
            replica=settings.database_replica,
            replica_lag=settings.database_replica_lag or REPLICA_LAG,
            encryption=settings.encryption,
        )

    def _begin_life(self) -> None:
        self._ready = False
        self._wrote_at: float | None = None
        self._setup = threading.Lock()
        self._hiring = threading.Lock()
        self._commits: Commits | None = None
        if self._backend.sqlite:
            self._commits = Commits(
                self._backend.engine, location=self._backend.location, timeout=self._busy_timeout
            )
        self._executor: ThreadPoolExecutor | None = None

    def renew_after_fork(self) -> None:
        """In a child process: leave the parent's connections, locks and threads to the parent."""
        pool: Pool = self._backend.engine.pool
        _INHERITED.append((pool, self._commits))
        self._backend.engine.dispose(close=False)
        if self._replica is not None:
            _INHERITED.append((self._replica.backend.engine.pool, None))
            self._replica.backend.engine.dispose(close=False)
            self._replica.begin_life()
        self._begin_life()

    @property
    def engine(self) -> Engine:
        """The engine, for listening to its events. Transactions are begun with `reading` and `writing`."""
        return self._backend.engine

    @property
    def location(self) -> str:
        """The database as it may be shown: a path, or a URL without its password."""
        return self._backend.location

    @property
    def schema(self) -> str | None:
        """The schema that the tables are in; `None` where the server decides."""
        return self._backend.schema

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite file, which has one writer at a time."""
        return self._backend.sqlite

    def prepare(self) -> None:
        """Connect, and see that the tables are those of this code. Happens by itself on first use.

        Raises:
            ConfigurationError: the tables are newer than this code, or a server's are missing or older; or what they hold is
                encrypted and this process has no key, or the other way round.
            SealError: they are encrypted with another key.
            StorageError: the database cannot be reached.
        """
        if self._ready:
            return
        with self._setup:
            if not self._ready:
                tables.ensure(self._backend)
                secret.unlock(self._backend, self.vault)
                self._ready = True

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """A transaction that only reads.

        Raises:
            StorageError: the database cannot be reached, or refuses.
        """
        with self._noted():
            self.prepare()
            with told(self.location, sqlite=self.is_sqlite), reading(self.engine) as connection:
                yield connection

    def look(self, read: Callable[[Connection], T]) -> T:
        """Read what people look at, and nothing rests on: from the replica, if there is one and it will do.

        It does when nothing that this process has written is missing there, and what is read is no older than `replica_lag`.
        Otherwise, and where it fails, it is read from the primary.

        Args:
            read: reads in a transaction; it may be called twice.

        Raises:
            StorageError: the database cannot be reached, or refuses.
        """
        if self._replica is not None:
            with self._noted():
                self.prepare()
            try:
                return self._replica.read(read, wrote_at=self._wrote_at)
            except UnfitError:
                pass
        with self.reading() as connection:
            return read(connection)

    @property
    def replica(self) -> Replica | None:
        """From which lists are read, if there is one."""
        return self._replica

    @contextmanager
    def writing(self, *, durable: bool = True) -> Generator[Connection]:
        """A transaction that may write; committed unless an exception leaves it. Keep it short.

        On SQLite, threads that write at the same time share a commit.

        Args:
            durable: whether a power cut must not lose it. Only on SQLite can it: `synchronous=NORMAL`.

        Raises:
            StorageError: the database cannot be reached, or refuses; nothing was written.
        """
        with self._noted(), self._remembered():
            self.prepare()
            with told(self.location, sqlite=self.is_sqlite):
                if self._commits is None:
                    with writing(self.engine) as connection:
                        yield connection
                else:
                    with self._commits.writing(durable=durable) as connection:
                        yield connection

    @contextmanager
    def _remembered(self) -> Generator[None]:
        """Know when this process has last written; where a commit fails, it may have."""
        try:
            yield
        finally:
            self._wrote_at = time.monotonic()

    @contextmanager
    def _noted(self) -> Generator[None]:
        try:
            yield
        except StorageError as error:
            self.on_fault(type(error).__name__)
            raise

    def check(self) -> None:
        """See that the database answers and that its tables are still those of this code.

        Raises:
            ConfigurationError: they are missing, older or newer.
            StorageError: the database cannot be reached.
        """
        self.prepare()
        found = tables.look(self.engine)
        if found.tables != "current":
            raise ConfigurationError(str(found))

    @property
    def has_roundtrips(self) -> bool:
        """Whether `roundtrip` works here."""
        return self._backend.engine.dialect.name == "postgresql" and not self._names_tenant

    @contextmanager
    def roundtrip(self) -> Generator[Connection]:
        """A connection on which each statement is a transaction, so that one statement is one round trip.

        Raises:
            StorageError: the database cannot be reached, or refuses.
        """
        with self._noted(), self._remembered():
            self.prepare()
            with told(self.location, sqlite=False), alone(self.engine) as connection:
                yield connection

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        with self.reading() as connection:
            return dialects.now(connection)

    async def offload(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in this database's own threads, with the caller's context variables.

        A caller that is cancelled stops waiting; a call that has begun runs to its end.
        """
        with self._hiring:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="guardkit-sql")
            executor = self._executor
        context = contextvars.copy_context()
        run = partial(context.run, partial(call, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(executor, run)

    def close(self) -> None:
        """Wait for calls under way, and close what was opened here. The database can be used again afterwards."""
        with self._hiring:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()
        if self._backend.owned:
            self._backend.engine.dispose()
        if self._replica is not None:
            self._replica.backend.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nobody(kind: str) -> None:
    """Nobody is told."""


_DATABASES: weakref.WeakSet[Database] = weakref.WeakSet()
_INHERITED: list[tuple[Pool, Commits | None]] = []
"""Pools and writers of a parent process. Closing its connections here could release its locks, so nobody ever does."""


def _renew_all() -> None:
    for database in list(_DATABASES):
        database.renew_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
