"""Which file system an SQLite file is on. Write-ahead logging shares memory between processes, so it must be a local one.

"All processes using a database must be on the same host computer; WAL does not work over a network filesystem", for they share memory
(SQLite's documentation, "Write-Ahead Logging"). So what several hosts mount is refused, cluster file systems too. What a virtual machine has
from its host is not (`9p`, `virtiofs`, `vboxsf`): the processes in one machine do share memory, sandboxes have all their files so,
and where a file cannot be shared in memory SQLite itself refuses write-ahead logging.
"""

import re
from pathlib import Path
from urllib.parse import unquote

from guardkit.errors import ConfigurationError

_OCTAL = re.compile(r"\\([0-7]{3})")
MOUNTS = Path("/proc/self/mounts")
"""Where Linux tells what is mounted."""

_NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ceph lustre glusterfs beegfs gpfs ocfs2 gfs2 fuse.sshfs fuse.s3fs fuse.gcsfuse fuse.glusterfs "
    "fuse.rclone fuse.ceph fuse.ceph-fuse fuse.juicefs".split()
)


def file_of(location: str) -> Path:
    """The file of a database: its path, or what a URI says as SQLite reads it (its documentation, "Uniform Resource Identifiers")."""
    if not is_uri(location):
        return Path(location)
    path = re.split(r"[?#]", location.removeprefix("file:"), maxsplit=1)[0]
    if path.startswith("//"):
        path = f"/{path[2:].partition('/')[2]}"  # what is between is a host: none, or this one
    return Path(unquote(path))


def is_uri(location: str) -> bool:
    """Whether a database is named by a URI."""
    return location.startswith("file:")


def refuse_network(path: Path, mounts: Path = MOUNTS) -> None:
    """See that a file is not shared between hosts. Where the system does not tell, nothing is refused.

    Args:
        path: the database's.
        mounts: the table of what is mounted, in the format of `fstab(5)`.

    Raises:
        ConfigurationError: its file system is a network's.
    """
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = kind_of(path.resolve(), table)
    if kind in _NETWORK:
        raise ConfigurationError(
            f"the database {path} is on a network file system ({kind})",
            remedy="put it on a local disk, or use PostgreSQL or MariaDB",
        )


def kind_of(path: Path, mounts: str) -> str | None:
    """The type of the file system that holds a path.

    Args:
        path: absolute.
        mounts: what is mounted, in the format of `fstab(5)`.
    """
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        at = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), words[1]))
        # What was mounted last hides what was there before.
        if path.is_relative_to(at) and (found is None or len(at.parts) >= found[0]):
            found = len(at.parts), words[2]
    return None if found is None else found[1]
