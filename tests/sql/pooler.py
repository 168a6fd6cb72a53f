"""PgBouncer in transaction mode, on loopback, for as long as somebody needs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from tests.conftest import pgbouncer

_CONFIG = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 200
"""


@contextmanager
def pooled(url: str, *, sessions: int = 4) -> Iterator[str]:
    """The URL of a pooler before the server of a URL.

    Args:
        url: of a database on a PostgreSQL server that trusts loopback.
        sessions: how many sessions all clients of the pooler share.
    """
    program, server = pgbouncer(), make_url(url)
    folder = Path(tempfile.mkdtemp(prefix="guardkit-pooler-"))
    own = free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(
        _CONFIG.format(host=server.host, port=server.port or 5432, own=own, folder=folder, sessions=sessions)
    )
    (folder / "users").write_text(f'"{server.username}" ""\n')
    command = [program, str(config)]
    if os.geteuid() == 0:  # it refuses to be root
        shutil.chown(folder, "postgres")
        command[1:1] = ["-u", "postgres"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield _reachable(server.set(host="127.0.0.1", port=own), process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        shutil.rmtree(folder)


def _reachable(url: URL, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", url.port or 0)) == 0:
                return url.render_as_string(hide_password=False)
        time.sleep(0.02)
    process.kill()
    raise RuntimeError(f"PgBouncer does not answer: {process.communicate()[1].decode()}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
