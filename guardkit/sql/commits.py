"""One writer at a time in an SQLite file, and one commit for all who waited for it.

SQLite has one writer, and with `synchronous=FULL` a commit waits for the disk. So a writer that sees others waiting leaves
its transaction open for the next one, and the last of them commits for all. Nobody returns before that commit: each member
is as durable as if it had committed by itself. A member that fails is undone by its own savepoint.
"""

import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, RootTransaction

from guardkit.errors import StorageError
from guardkit.sql import hot
from guardkit.sql.engines import beginning

_MEMBERS = 64
"""How many share a commit at most."""

_SECONDS = 0.02
"""How long a transaction takes new members: other processes wait for it."""

_RESCUE = 0.05
"""Seconds after which one who waits looks whether those who should have come are gone."""


class _Group:
    """An open transaction, and those who wait for its commit."""

    def __init__(self, engine: Engine, *, durable: bool) -> None:
        self.durable = durable
        self.began = time.monotonic()
        self.members = 0
        self.over = threading.Event()
        self.failure: BaseException | None = None
        self._transaction: RootTransaction
        self.connection, self._transaction = beginning(engine, durable=durable)
        hot.find_driver(self.connection)

    @property
    def raw(self) -> sqlite3.Connection:
        driver: sqlite3.Connection | None = self.connection.connection.driver_connection
        assert driver is not None
        return driver

    def full(self) -> bool:
        return self.members >= _MEMBERS or time.monotonic() - self.began > _SECONDS

    def end(self) -> None:
        """Commit, or undo everything where there is no transaction any more."""
        try:
            if self.failure is None:
                self._transaction.commit()
            else:
                self._transaction.rollback()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            try:
                hot.forget_driver(self.connection)
                self.connection.close()
            finally:
                self.over.set()


class Commits:
    """The writer of one process on an SQLite file.

    Args:
        engine: of the file.
        location: what to call the file in errors.
        timeout: seconds to wait for one's turn.
    """

    def __init__(self, engine: Engine, *, location: str, timeout: float) -> None:
        self._engine = engine
        self._location = location
        self._timeout = timeout
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None

    @contextmanager
    def writing(self, *, durable: bool) -> Generator[Connection]:
        """A part of a transaction; committed with it unless an exception leaves it.

        Args:
            durable: whether a power cut must not lose it.

        Raises:
            StorageError: another thread of this process does not give the file back.
        """
        self._take_turn()
        try:
            group = self._joined(durable=durable)
            try:
                with self._member(group):
                    yield group.connection
            finally:
                if group.failure is not None or group.full() or not self._waiting:
                    self._end(group)
        finally:
            self._turn.release()
        while not group.over.wait(_RESCUE):
            # Who should have gone on may have given up.
            if self._turn.acquire(blocking=False):
                try:
                    if not group.over.is_set():
                        self._end(group)
                finally:
                    self._turn.release()
        if group.failure is not None:
            raise StorageError(
                f"the database {self._location} failed while it committed; nothing was written",
                remedy="look at its disk, and try again",
            ) from group.failure

    def _take_turn(self) -> None:
        with self._counting:
            self._waiting += 1
        try:
            if not self._turn.acquire(timeout=self._timeout):
                raise StorageError(
                    f"the database {self._location} is locked by another thread of this process",
                    remedy="do not call the store from inside one of its transactions",
                )
        finally:
            with self._counting:
                self._waiting -= 1

    def _joined(self, *, durable: bool) -> _Group:
        group = self._group
        if group is not None and durable and not group.durable:
            # How durable a commit is cannot be changed once its transaction has begun.
            self._end(group)
            group = None
        if group is None:
            group = self._group = _Group(self._engine, durable=durable)
        return group

    @contextmanager
    def _member(self, group: _Group) -> Generator[None]:
        group.members += 1
        group.raw.execute("SAVEPOINT gk_member")
        try:
            yield
        except BaseException as error:
            if group.raw.in_transaction:
                group.raw.execute("ROLLBACK TO gk_member")
                group.raw.execute("RELEASE gk_member")
            else:
                # A full disk makes SQLite undo the whole transaction.
                group.failure = error
            raise
        group.raw.execute("RELEASE gk_member")

    def _end(self, group: _Group) -> None:
        self._group = None
        group.end()
