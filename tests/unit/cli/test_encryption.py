"""Encrypting the database and changing its key, from the command line, and the settings that say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from guardkit import Guard
from guardkit.cli import app
from guardkit.core.encryption import encryption_key
from guardkit.core.settings import load_settings
from guardkit.errors import ConfigurationError, MissingKeyError, SealError
from guardkit.sql import Database, SQLStore
from guardkit.sql.tables import turns
from guardkit.testing.contracts import samples
from tests.sql.planted import keys, live, seen

KEY = "GUARDKIT_ENCRYPTION_KEY"
OLD = "GUARDKIT_ENCRYPTION_OLD_KEYS"
PLAIN = "GUARDKIT_ENCRYPTION_ACCEPTS_PLAIN"


def typed(url: str, *words: str, **environment: str) -> Result:
    """A command in this process."""
    ran = CliRunner().invoke(
        app, list(words), env={"GUARDKIT_DATABASE": url, "COLUMNS": "200", **environment}
    )
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran


def test_a_database_is_encrypted_looked_over_and_given_another_key(sqlite_url: str) -> None:
    old, new = encryption_key(), encryption_key()
    with Database(sqlite_url) as database:
        live(database)
        before = seen(database)
    with pytest.raises(MissingKeyError, match=KEY):
        typed(sqlite_url, "db", "encrypt", "--by", "dana")
    with pytest.raises(ConfigurationError, match="guardkit db encrypt"):
        typed(sqlite_url, "db", "rekey", "--by", "dana", **{KEY: old})

    done = typed(sqlite_url, "db", "encrypt", "--by", "dana", "--batch", "3", **{KEY: old})
    assert (done.exit_code, "gk_approvals: 3" in done.output) == (0, True), done.output
    looked = typed(sqlite_url, "db", "check", **{KEY: old})
    assert (looked.exit_code, "encryption: every value opens" in looked.output) == (0, True), looked.output
    blind = typed(sqlite_url, "db", "check", "--json")
    assert blind.exit_code == 1
    (bad,) = [one for one in json.loads(blind.output) if not one["ok"]]
    assert (bad["what"], KEY in bad["remedy"]) == ("encryption", True)

    with pytest.raises(SealError, match="does not have"):
        typed(sqlite_url, "audit", "verify", **{KEY: new})
    typed(sqlite_url, "db", "rekey", "--by", "dana", **{KEY: new, OLD: f"{new}, {old}"})
    assert typed(sqlite_url, "db", "check", **{KEY: new}).exit_code == 0
    assert typed(sqlite_url, "audit", "verify", **{KEY: new}).exit_code == 0
    with Database(sqlite_url, encryption=keys(new)) as database:
        assert seen(database) == before
        told = [one.event for one in SQLStore(database).entries("*")]
    assert [(one.kind, one.data["by"]) for one in told] == [("database.encrypted", "dana")] * 2
    assert told[0].data["key"] != told[1].data["key"]
    assert old not in str(told)
    assert new not in str(told)


@pytest.mark.promise("P15")
def test_a_check_names_the_table_of_a_forged_value(sqlite_url: str) -> None:
    key = encryption_key()
    with Database(sqlite_url, encryption=keys(key)) as database:
        live(database)
        with database.writing() as connection:
            connection.execute(update(turns).values(marks='{"v":1,"value":{}}'))
    looked = typed(sqlite_url, "db", "check", **{KEY: key})
    assert looked.exit_code == 1
    assert "gk_turns do not open: gk_turns.marks of tenant 'default' is not encrypted" in looked.output


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({KEY: "hunter2"}, "not base64"),
        ({KEY: "AAAA"}, "has 3 bytes"),
        ({KEY: encryption_key(), OLD: "AAAA"}, "has 3 bytes"),
        ({KEY: encryption_key(), PLAIN: "maybe"}, "encryption_accepts_plain is 'maybe'"),
        ({PLAIN: "true"}, "encryption_accepts_plain is set, and no key encrypts"),
        ({OLD: encryption_key()}, "encryption_old_keys is set, and no key encrypts"),
    ],
)
def test_settings_that_encrypt_nothing_are_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        load_settings(environment, Path("/"))
    assert "hunter2" not in str(refused.value)


def test_keys_come_from_files_too_and_the_newest_encrypts(tmp_path: Path) -> None:
    new, *old = (encryption_key() for _ in range(3))
    (tmp_path / "new.key").write_text(new + "\n")
    (tmp_path / "old.keys").write_text("\n".join(old))
    (tmp_path / "guardkit.toml").write_text(
        '[guardkit]\nencryption_key_file = "new.key"\nencryption_old_keys_file = "old.keys"\n'
        "encryption_accepts_plain = true\n"
    )
    found = load_settings({}, tmp_path)
    assert found.encryption == keys(new, *old, accepts_plain=True)
    assert load_settings({PLAIN: "false"}, tmp_path).encryption == keys(new, *old)
    assert load_settings({}, tmp_path / "nowhere").encryption is None
    assert new not in repr(found)


def test_a_guard_encrypts_with_the_key_of_its_settings(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = encryption_key()
    (tmp_path / "policy.yaml").write_text('policy: p\nversion: "1"\nowner: o\ndefault: reject\ntools: {}\n')
    monkeypatch.chdir(tmp_path)
    environment = {"GUARDKIT_DATABASE": sqlite_url, "GUARDKIT_POLICY": "policy.yaml", KEY: key}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    guard = Guard.from_env(tmp_path, telemetry=None)
    samples.opened(guard.store)
    guard.database.close()
    with Database(sqlite_url) as database, pytest.raises(MissingKeyError):
        database.prepare()
    with Database(sqlite_url, encryption=keys(key)) as database:
        assert SQLStore(database).turn("default", "t") is not None
