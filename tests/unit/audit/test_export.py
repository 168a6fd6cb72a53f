"""A chain that was exported: verified again without the database, or read by a collector."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from guardkit.core.audit import GENESIS, AuditEvent, chain
from guardkit.core.cef import to_cef
from guardkit.errors import InputError
from guardkit.sql import Database, SQLStore
from guardkit.testing.contracts.samples import EVENT
from tests.unit.audit.operator import Operator

DECIDED = AuditEvent(
    kind="approval.decided", thread_id="t=1|x", turn=2, data={"person": "kim", "decision": "approve"}
)


@pytest.fixture
def operator(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    with Database(sqlite_url) as database:
        store = SQLStore(database)
        store.append("acme", [EVENT, DECIDED, EVENT])
        store.append("other", [EVENT])
    return Operator(sqlite_url, tmp_path)


def exported(operator: Operator, *tenants: str) -> list[str]:
    return [
        line for tenant in tenants for line in operator.run("export", "--tenant", tenant).stdout.splitlines()
    ]


@pytest.mark.promise("P10")
def test_an_export_is_verified_without_the_database(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    lines = exported(operator, "acme", "other")
    assert len(lines) == 4
    file.write_text("\n".join(lines) + "\n")
    operator.file.write_text(operator.run("head", "--tenant", "acme").stdout)
    del operator.environment["GUARDKIT_DATABASE"]
    code, said = operator.verify("--file", str(file), "--head", str(operator.file))
    assert code == 0
    assert "intact acme: 3 entries, 0 not covered" in said
    assert "intact other: 1 entries, 1 not covered" in said

    file.write_text("\n".join(lines[:2]) + "\n")
    code, said = operator.verify("--file", str(file), "--head", str(operator.file))
    assert code == 1
    assert "broken acme: entry 3 is missing: a signed head covers 3 entries" in said
    file.write_text("\n".join([lines[0], lines[1].replace("kim", "kai"), *lines[2:]]) + "\n")
    code, said = operator.verify("--file", str(file))
    assert code == 1
    assert "broken acme: entry 2 was changed after it was written" in said


def test_an_export_goes_on_behind_an_entry(operator: Operator) -> None:
    rest = operator.run("export", "--tenant", "acme", "--after", "2").stdout
    assert [json.loads(line)["seq"] for line in rest.splitlines()] == [3]


@pytest.mark.parametrize("text", ["no json\n", "{}\n", "\n", "[]\n"])
def test_a_file_that_is_no_export_is_told(operator: Operator, tmp_path: Path, text: str) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(line + "\n" for line in exported(operator, "other")) + text)
    with pytest.raises(InputError, match=r"line 2 of audit\.jsonl is not an audit entry"):
        operator.verify("--file", str(file))
    with pytest.raises(InputError, match=r"missing\.jsonl cannot be read"):
        operator.verify("--file", "missing.jsonl")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"audit\.jsonl cannot be read: UnicodeDecodeError"):
        operator.verify("--file", str(file))


def test_a_collector_reads_who_decided_what(operator: Operator) -> None:
    line = operator.run("export", "--tenant", "acme", "--format", "cef").stdout.splitlines()[1]
    header, extension = line.split("|approval.decided|approval.decided|2|")
    assert header.startswith("CEF:0|guardkit|guardkit|")
    fields = parsed(extension)
    assert fields["suser"] == "kim"
    assert fields["act"] == "approve"
    assert (fields["cs1Label"], fields["cs1"]) == ("tenant", "acme")
    assert (fields["cs2Label"], fields["cs2"]) == ("thread", "t=1|x")
    assert (fields["cn1Label"], fields["cn1"]) == ("turn", "2")
    assert json.loads(fields["cs4"]) == DECIDED.data
    assert fields["externalId"] == "2"


def parsed(extension: str) -> dict[str, str]:
    """What a reader of CEF makes of an extension: a key is a word before an equals sign that is not escaped."""
    keys = list(re.finditer(r"(?:^| )(\w+)(?<!\\)=", extension))
    found: dict[str, str] = {}
    for key, following in zip(keys, [*keys[1:], None], strict=True):
        raw = extension[key.end() : following.start() if following else len(extension)]
        found[key.group(1)] = re.sub(
            r"\\(.)", lambda seen: {"n": "\n", "r": "\r"}.get(seen.group(1), seen.group(1)), raw
        )
    return found


hostile = st.text(
    st.sampled_from("a=|\\ \n\r\x0b\x85\u2028n") | st.characters(exclude_categories=["Cs"]), max_size=30
)


@given(tenant=hostile, thread=hostile, person=hostile, value=hostile)
def test_nothing_breaks_out_of_its_field(tenant: str, thread: str, person: str, value: str) -> None:
    event = AuditEvent(kind="approval.decided", thread_id=thread, data={"person": person, "x": value})
    (entry,) = chain(tenant, (0, GENESIS), 1.5, [event])
    line = to_cef(entry, "1.0")
    assert line.splitlines() == [line]
    extension = line.split("|", 7)[7]
    fields = parsed(extension)
    assert set(fields) <= {
        "rt", "externalId", "cs1Label", "cs1", "cs2Label", "cs2", "suser", "cs3Label", "cs3", "cs4Label", "cs4"
    }  # fmt: skip
    assert fields["rt"] == "1500"
    assert fields["cs3"] == entry.hash
