"""A disk whose syncs take as long as one says: the real one, behind `fsync` and `fdatasync` that wait first.

What group commit is worth is decided by what a sync costs, and that differs from machine to machine by forty times. The wait
is the same for everybody who is measured.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.sql.servers import PostgresServer, own_folder

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_for_disk(void) {
    const char *told = getenv("SLOW_DISK_US");
    long us = told ? atol(told) : 0;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left)) {}
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_for_disk();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_for_disk();
    return real(fd);
}
"""


def environment(folder: Path, milliseconds: float) -> dict[str, str]:
    """What a process is started with whose syncs wait, beside everything else.

    Args:
        folder: where the library is made, readable to everybody.
        milliseconds: how long each waits.

    Raises:
        SystemExit: there is no C compiler, or the system has no `LD_PRELOAD`.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.name != "posix" or ctypes.util.find_library("dl") is None:
        raise SystemExit("--sync-ms needs Linux and a C compiler")
    source, library = folder / "slow_disk.c", folder / "slow_disk.so"
    source.write_text(_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    library.chmod(0o755)
    return {"LD_PRELOAD": str(library), "SLOW_DISK_US": str(round(milliseconds * 1000))}


@contextmanager
def slow_postgres(milliseconds: float) -> Generator[str]:
    """A PostgreSQL of one's own whose syncs wait. Yields the URL of a database.

    Args:
        milliseconds: how long each waits.
    """
    settings = {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "128MB"}
    with own_folder("postgres") as folder:
        server = PostgresServer(folder, settings=settings)
        added = environment(folder, milliseconds)
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            server.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        try:
            yield server.url
        finally:
            server.crash()
