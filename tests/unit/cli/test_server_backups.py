"""Servers are backed up with their own tools while others write, and restored into another database."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import make_url

from guardkit import Finished
from guardkit.sql import inspect_database, upgrade
from tests.conftest import installed, new_database
from tests.unit.cli.conftest import Line, opened_desk
from tests.unit.cli.writers import eight_writers

Kind = Literal["postgres", "mariadb"]
BOTH = pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)


def dump(kind: Kind, url: str, file: Path) -> None:
    """What `docs/how-to/look-after-the-database.md` says."""
    match kind:
        case "postgres":
            command = [installed("pg_dump"), "--format=custom", f"--file={file}", plain(url)]
        case "mariadb":
            options = ["--single-transaction", "--hex-blob", f"--result-file={file}"]
            command = [installed("mariadb-dump"), *login(url), *options, str(make_url(url).database)]
    subprocess.run(command, check=True, timeout=120)


def restore(kind: Kind, url: str, file: Path) -> None:
    """Likewise, into an empty database."""
    match kind:
        case "postgres":
            command = [installed("pg_restore"), "--exit-on-error", "--no-owner", "--no-privileges"]
            subprocess.run([*command, f"--dbname={plain(url)}", str(file)], check=True, timeout=120)
        case "mariadb":
            command = [installed("mariadb"), *login(url), str(make_url(url).database)]
            with file.open("rb") as dumped:
                subprocess.run(command, stdin=dumped, check=True, timeout=120)


def plain(url: str) -> str:
    """A URL as PostgreSQL's own programs read it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def login(url: str) -> list[str]:
    """How MariaDB's own programs are told where to."""
    parts = make_url(url)
    password = [] if parts.password is None else [f"--password={parts.password}"]
    return [f"--host={parts.host}", f"--port={parts.port}", f"--user={parts.username}", *password]


@BOTH
def test_a_dump_made_under_eight_writers_verifies_elsewhere_and_its_paused_thread_pays_once(
    kind: Kind, line: Line
) -> None:
    file = line.folder / "dumped"
    with new_database(kind) as url:
        upgrade(url)
        with opened_desk(line, url) as desk:
            approval = desk.start("paused")
        with eight_writers(url):
            dump(kind, url, file)
    with new_database(kind) as elsewhere:
        restore(kind, elsewhere, file)
        line.environment["GUARDKIT_DATABASE"] = elsewhere
        verified = line("audit", "verify")
        assert (verified.status, "intact default" in verified.out) == (0, True), verified
        assert [one for one in inspect_database(elsewhere) if not one.ok] == []
        decided = line(
            "approvals",
            "decide",
            approval.request.id,
            "approve",
            "--as",
            "dana@example.com",
            "--digest",
            approval.digest,
        )
        assert decided.status == 0, decided
        with opened_desk(line, elsewhere) as desk:
            assert isinstance(desk.go_on("paused"), Finished)
            assert isinstance(desk.go_on("paused"), Finished)
            assert desk.paid == ["C-[red]1"]
