"""SQLite files on network file systems are found by what is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.errors import ConfigurationError
from guardkit.sql import filesystems

MOUNTS = r"""
/dev/vda / ext4 rw 0 0
tmpfs /scratch tmpfs rw 0 0
server:/export /srv/shared nfs4 rw 0 0
//server/c /srv/shared/our\040files cifs rw 0 0
/dev/vdb /srv/shared/local ext4 rw 0 0
old /data ext4 rw 0 0
new /data fuse.sshfs rw 0 0
not a mount
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/guardkit.db", "ext4"),
        ("/scratch/guardkit.db", "tmpfs"),
        ("/srv/shared/guardkit.db", "nfs4"),
        ("/srv/shared/our files/guardkit.db", "cifs"),
        ("/srv/shared/local/guardkit.db", "ext4"),
        ("/srv/shareddb/guardkit.db", "ext4"),
        ("/data/guardkit.db", "fuse.sshfs"),
    ],
)
def test_a_path_is_on_what_is_mounted_deepest_and_last(path: str, kind: str) -> None:
    assert filesystems.kind_of(Path(path), MOUNTS) == kind


@pytest.mark.promise("P15")
def test_a_file_on_a_network_is_refused(tmp_path: Path) -> None:
    """No test can mount one, so it is told of in a table of its own."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/export {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(ConfigurationError, match="network file system \\(nfs4\\)") as caught:
        filesystems.refuse_network(tmp_path / "guardkit.db", mounts)
    assert caught.value.remedy


def test_where_the_system_does_not_tell_nothing_is_refused(tmp_path: Path) -> None:
    filesystems.refuse_network(tmp_path / "guardkit.db", tmp_path / "no such table")
