"""Database servers of a test's own, on loopback and in a folder that is removed: they may be killed, and filled up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.conftest import installed
from tests.sql.pooler import free_port

_PATIENCE = 60.0
_PLACES = (
    "/usr/sbin",
    *(str(one) for one in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
)
"""Where Debian puts what only servers need."""


class Server(ABC):
    """A server, started by `start`."""

    scheme: str
    user: str
    """Whom it runs as where a test is run by root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Of a database that is always there, for administration."""

    def start(self) -> None:
        """Start it, and wait until it answers; what a crash has left is recovered."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.as_user(*self.command()), stdout=subprocess.DEVNULL, stderr=log
            )
        until = time.monotonic() + _PATIENCE
        while not self.answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(
                    f"{type(self).__name__} does not start: {(self.folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.05)

    def crash(self) -> None:
        """End it at once; nothing is finished or written out."""
        if self._process is not None:
            self._process.send_signal(self.crashing)
            self._process.wait(_PATIENCE)

    crashing: signal.Signals = signal.SIGKILL

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        """Whether somebody can connect."""
        try:
            self.execute("SELECT 1")
        except DBAPIError:
            return False
        return True

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Execute statements, each a transaction; returns the rows of the last one."""
        engine = create_engine(
            self.of(database) if database else self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        rows: list[tuple[object, ...]] = []
        with engine.connect() as connection:
            for statement in statements:
                found = connection.execute(text(statement))
                rows = [tuple(row) for row in found] if found.returns_rows else []
        return rows

    def of(self, database: str) -> str:
        """The URL of a database."""
        return f"{self.url.rpartition('/')[0]}/{database}"

    def as_user(self, *command: str) -> list[str]:
        """A command that root does not run as root."""
        program = shutil.which(command[0], path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES)))
        if program is None:
            installed(command[0])  # skips, or fails
        plain = [str(program), *command[1:]]
        if os.geteuid() != 0:
            return plain
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *plain]


class PostgresServer(Server):
    """PostgreSQL. What it has told the system survives a crash of its processes, so nothing waits for the disk.

    Args:
        folder: where its data are.
        settings: of `postgresql.conf`.
        made: whether the data are there already, e.g. those of a replica.
    """

    user = "postgres"
    crashing = signal.SIGQUIT  # what `pg_ctl stop -m immediate` sends

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, made: bool = False
    ) -> None:
        super().__init__(folder)
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "80",
            **(settings or {}),
        }
        if not made:
            subprocess.run(
                self.as_user(
                    "initdb",
                    "-D",
                    str(folder / "data"),
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-N",
                    "--wal-segsize=1",
                ),
                check=True,
                capture_output=True,
            )

    @property
    def url(self) -> str:
        """Of the database `postgres`."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        """`postgres` itself, without a control program around it."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        return ["postgres", "-D", str(self.folder / "data"), "-p", str(self.port), *settings]

    def crash(self) -> None:
        """End it at once, and forget who it was: the number of a process may be somebody else's soon."""
        super().crash()
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)


class MariaServer(Server):
    """MariaDB."""

    user = "mysql"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        subprocess.run(
            self.as_user(
                "mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db",
                "--auth-root-authentication-method=normal", "--innodb-log-file-size=8M",
            ),
            check=True,
            capture_output=True,
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Of the database `mysql`."""
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/mysql"

    def command(self) -> Sequence[str]:
        """`mariadbd` itself, without a program that starts it again."""
        return [
            "mariadbd", "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}",
            f"--socket={self.folder / 'socket'}", "--bind-address=127.0.0.1", f"--pid-file={self.folder / 'pid'}",
            "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=2",
        ]  # fmt: skip


@contextmanager
def own_server(kind: Literal["postgres", "mariadb"]) -> Generator[Server]:
    """A new server that runs, removed afterwards.

    Args:
        kind: which.
    """
    with own_folder(kind if kind == "postgres" else "mysql") as folder:
        server = PostgresServer(folder) if kind == "postgres" else MariaServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.crash()


@contextmanager
def own_folder(user: str) -> Generator[Path]:
    """A folder of a user's, to which every folder above lets them: pytest's do not."""
    folder = Path(tempfile.mkdtemp(prefix="guardkit-server-"))
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
