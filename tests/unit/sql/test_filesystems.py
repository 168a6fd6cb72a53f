"""SQLite files on network file systems are found by what is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.errors import ConfigurationError, InputError
from guardkit.sql import Database, SQLStore, filesystems
from guardkit.sql.backups import back_up
from guardkit.sql.engines import backend, enter_wal
from guardkit.sql.news import News
from guardkit.testing.contracts import samples

MOUNTS = r"""
/dev/vda / ext4 rw 0 0
tmpfs /scratch tmpfs rw 0 0
server:/export /srv/shared nfs4 rw 0 0
//server/c /srv/shared/our\040files cifs rw 0 0
/dev/vdb /srv/shared/local ext4 rw 0 0
old /data ext4 rw 0 0
new /data fuse.sshfs rw 0 0
cluster /cluster gpfs rw 0 0
share /host virtiofs rw 0 0
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
        ("/cluster/guardkit.db", "gpfs"),
    ],
)
def test_a_path_is_on_what_is_mounted_deepest_and_last(path: str, kind: str) -> None:
    assert filesystems.kind_of(Path(path), MOUNTS) == kind


@pytest.mark.promise("P15")
@pytest.mark.parametrize("kind", ["nfs4", "gpfs", "ocfs2", "gfs2", "fuse.ceph", "fuse.juicefs"])
@pytest.mark.parametrize("url", ["sqlite:///{}/a.db", "sqlite:///file:{}/a.db?uri=true&mode=rwc"])
def test_a_file_on_a_network_is_refused(tmp_path: Path, kind: str, url: str) -> None:
    """No test can mount one, so it is told of in a table of its own."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/export {tmp_path} {kind} rw 0 0\n")
    found = backend(url.format(tmp_path), busy_timeout=1.0, connections=1)
    with pytest.raises(ConfigurationError, match=f"network file system \\({kind}\\)") as caught:
        enter_wal(found, busy_timeout=1.0, mounts=mounts)
    assert caught.value.remedy
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize("kind", ["ext4", "9p", "virtiofs"])
def test_a_file_that_processes_of_one_machine_share_is_taken(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"share {tmp_path} {kind} rw 0 0\n")
    found = backend(f"sqlite:///{tmp_path}/a.db", busy_timeout=1.0, connections=1)
    enter_wal(found, busy_timeout=1.0, mounts=mounts)
    found.engine.dispose()


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("guardkit.db", "guardkit.db"),
        ("/srv/a?b#c.db", "/srv/a?b#c.db"),
        ("file:guardkit.db", "guardkit.db"),
        ("file:/srv/guardkit.db", "/srv/guardkit.db"),
        ("file:///srv/guardkit.db", "/srv/guardkit.db"),
        ("file://localhost/srv/guardkit.db", "/srv/guardkit.db"),
        ("file:/srv/our%20files/a.db?mode=ro#x", "/srv/our files/a.db"),
    ],
)
def test_a_uri_names_the_file_that_sqlite_opens(location: str, path: str) -> None:
    assert filesystems.file_of(location) == Path(path)


@pytest.mark.promise("P15")
def test_a_uri_that_does_not_say_so_is_refused(tmp_path: Path) -> None:
    """Drivers take it for the name of a file, or not, as SQLite was built."""
    with pytest.raises(ConfigurationError, match="is a URI") as caught:
        Database(f"sqlite:///file:{tmp_path}/a.db")
    assert caught.value.remedy == "add ?uri=true to it"


def test_a_database_named_by_a_uri_is_the_one_that_is_listened_to_and_backed_up(tmp_path: Path) -> None:
    url = f"sqlite:///file:{tmp_path}/a.db?uri=true&mode=rwc"
    with pytest.raises(InputError, match="is not there"):
        back_up(url, tmp_path / "copy.db")
    with Database(url) as database, Database(f"sqlite:///{tmp_path}/a.db") as other:
        store = SQLStore(other)
        news = News(database)
        store.threads(None)
        assert not news.wait(0.1)
        assert not news.wait(0.1)
        samples.opened(store)
        assert news.wait(60.0), "commits of others are heard"
        news.close()
    back_up(url, tmp_path / "copy.db")
    with Database(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert len(SQLStore(copy).threads(None)) == 1
    assert {one.name for one in tmp_path.iterdir()} == {"a.db", "copy.db"}, "nothing astray"


def test_where_the_system_does_not_tell_nothing_is_refused(tmp_path: Path) -> None:
    filesystems.refuse_network(tmp_path / "guardkit.db", tmp_path / "no such table")
