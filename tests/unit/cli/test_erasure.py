"""Erasing a person, and checking the certificate of it, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardkit.core.keys import private_key
from guardkit.core.signing import Signer
from guardkit.errors import InputError, MissingKeyError
from guardkit.sql import Database
from tests.sql.erased import GRACE, life
from tests.sql.old import dump
from tests.unit.cli.test_encryption import typed


def test_a_person_is_erased_and_the_certificate_holds_until_somebody_changes_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    key = private_key()
    keys = {"GUARDKIT_AUDIT_KEY": key, "GUARDKIT_AUDIT_PUBLIC_KEYS": Signer(key).public_key}
    with Database(sqlite_url) as database:
        life(database)
        before = dump(database)
        looked = typed(sqlite_url, "db", "erase", *GRACE, "--dry-run")
        assert (looked.exit_code, "gk_contacts: 1" in looked.output) == (0, True), looked.output
        with pytest.raises(InputError, match="--by or --reason is missing"):
            typed(sqlite_url, "db", "erase", *GRACE, "--by", "dpo")
        with pytest.raises(MissingKeyError, match="GUARDKIT_AUDIT_KEY"):
            typed(sqlite_url, "db", "erase", *GRACE, "--by", "dpo", "--reason", "case 7")
        assert dump(database) == before

    done = typed(sqlite_url, "db", "erase", *GRACE, "--by", "dpo", "--reason", "case 7", **keys)
    assert done.exit_code == 0, done.output
    certificate = tmp_path / "certificate.json"
    certificate.write_text(done.stdout)
    said = json.loads(done.stdout)
    assert (said["by"], said["why"], said["rows"]["gk_contacts"]) == ("dpo", "case 7", 1)

    named = [word for name in GRACE for word in ("--person", name)]
    holds = typed(sqlite_url, "audit", "verify-certificate", str(certificate), *named, **keys)
    assert (holds.exit_code, "holds" in holds.output) == (0, True), holds.output
    export = tmp_path / "export.jsonl"
    export.write_text(typed(sqlite_url, "audit", "export").stdout)
    assert not any(name.lower() in export.read_text().lower() for name in GRACE)
    offline = typed(
        "sqlite:///none.db", "audit", "verify-certificate", str(certificate), "--file", str(export), **keys
    )
    assert offline.exit_code == 0, offline.output
    verified = typed(sqlite_url, "audit", "verify", "--file", str(export))
    assert (verified.exit_code, f"{said['values']} values erased" in verified.output) == (0, True), (
        verified.output
    )

    again = typed(sqlite_url, "audit", "certificate", said["case"], **keys)
    assert json.loads(again.stdout) | {"salt": said["salt"]} == said | {
        "signature": json.loads(again.stdout)["signature"]
    }
    other = typed(sqlite_url, "audit", "verify-certificate", str(certificate), "--person", "ada", **keys)
    assert (other.exit_code, "not of the person" in other.output) == (1, True)
    certificate.write_text(json.dumps({**said, "values": 0}))
    forged = typed(sqlite_url, "audit", "verify-certificate", str(certificate), **keys)
    assert (forged.exit_code, "not signed by a known audit key" in forged.output) == (1, True)


@pytest.mark.promise("P15")
def test_a_file_that_is_no_certificate_is_named(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json cannot be read as a certificate"):
        typed(sqlite_url, "audit", "verify-certificate", str(tmp_path / "x.json"))
    with pytest.raises(InputError, match=r"y\.json cannot be read as a certificate"):
        typed(sqlite_url, "audit", "verify-certificate", str(tmp_path / "y.json"))
