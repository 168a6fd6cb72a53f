"""Which file system an SQLite file is on. Write-ahead logging shares memory between processes, so it must be a local one.

See "Write-Ahead Logging" in SQLite's documentation: all processes must be on the same host computer.
"""

import re
from pathlib import Path

from guardkit.errors import ConfigurationError

_OCTAL = re.compile(r"\\([0-7]{3})")
MOUNTS = Path("/proc/self/mounts")
"""Where Linux tells what is mounted."""

_NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ceph lustre glusterfs beegfs fuse.sshfs fuse.s3fs fuse.gcsfuse fuse.glusterfs fuse.rclone".split()
)


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
