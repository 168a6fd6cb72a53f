"""Change the rows of an audit chain by hand: what lies before the newest head outside is found, the rest is named."""

from __future__ import annotations

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guardkit.core.audit import AuditEvent, AuditHead, AuditReport, entry_hash, verify
from guardkit.core.disclosure import Salts
from guardkit.errors import AuditError
from guardkit.sql import Database, SQLStore
from tests.chaos.results import keep
from tests.conftest import Campaign

TENANT = "acme"
ENTRIES = 40
COLUMNS = ("tenant", "seq", "at", "kind", "thread_id", "turn", "data", "previous", "hash", "salts")

Row = dict[str, Any]
Rows = list[Row]


def written(path: Path, rng: random.Random) -> None:
    """A chain as a busy desk leaves it."""
    with Database(f"sqlite:///{path}") as database:
        store = SQLStore(database)
        left = ENTRIES
        while left:
            count = min(left, rng.randint(1, 5))
            left -= count
            store.append(
                TENANT,
                [
                    AuditEvent(
                        kind=rng.choice(["action.decided", "approval.decided", "effect.claimed"]),
                        thread_id=rng.choice([None, "t-1", "t-2"]),
                        turn=rng.choice([None, 1, 2]),
                        data={"n": rng.random(), "who": rng.choice(["kim", "lea"])},
                    )
                    for _ in range(count)
                ],
            )


def edit(rows: Rows, rng: random.Random) -> None:
    """One value of one entry."""
    row = rng.choice(rows)
    column = rng.choice(COLUMNS[2:])
    before = row[column]
    row[column] = {
        "at": lambda: before + rng.choice([1, -1_000_000, 86_400_000_000]),
        "kind": lambda: rng.choice(["effect.claimed", before + " ", before.upper(), ""]),
        "thread_id": lambda: rng.choice([None, "", "t-3", f"{before}"]),
        "turn": lambda: rng.choice([None, 0, 3, "two"]),
        "data": lambda: rng.choice(
            ["{}", "{", "[]", before.replace("kim", "kai"), before.replace("0.", "1.")]
        ),
        "previous": lambda: rng.choice(rows)["hash"],
        "hash": lambda: rng.choice([rng.choice(rows)["hash"], before[::-1]]),
        "salts": lambda: rng.choice([None, "{}", rng.choice(rows)["salts"], (before or "")[::-1]]),
    }[column]()


def remove(rows: Rows, rng: random.Random) -> None:
    """One entry, and those after it may close up."""
    at = rng.randrange(len(rows))
    del rows[at]
    if rng.random() < 0.5:
        for row in rows[at:]:
            row["seq"] -= 1


def swap(rows: Rows, rng: random.Random) -> None:
    """The places of two entries."""
    one, other = rng.sample(rows, 2) if len(rows) > 1 else (rows[0], rows[0])
    one["seq"], other["seq"] = other["seq"], one["seq"]


def cut(rows: Rows, rng: random.Random) -> None:
    """The end."""
    del rows[rng.randrange(len(rows)) :]


def insert(rows: Rows, rng: random.Random) -> None:
    """A copy of an entry between two others."""
    at = rng.randrange(len(rows))
    for row in rows[at:]:
        row["seq"] += 1
    rows.insert(at, {**rng.choice(rows), "seq": at + 1})


def rewrite(rows: Rows, rng: random.Random) -> None:
    """An entry, and all hashes from it on, so that the chain holds in itself."""
    rows.sort(key=lambda row: row["seq"])
    if any(not isinstance(row["turn"], int | None) or not row["data"].endswith('"}') for row in rows):
        return
    at = rng.randrange(len(rows))
    rows[at]["kind"] = "effect.claimed"
    previous = rows[at - 1]["hash"] if at else "0" * 64
    for seq, row in enumerate(rows[at:], at + 1):
        if not str(row["salts"]).endswith("}}"):
            return
        event = AuditEvent(
            kind=row["kind"], thread_id=row["thread_id"], turn=row["turn"], data=json.loads(row["data"])
        )
        row |= {
            "seq": seq,
            "previous": previous,
            "hash": entry_hash(TENANT, seq, row["at"] / 1e6, event, previous, _salts(row)),
        }
        previous = row["hash"]


def _salts(row: dict[str, Any]) -> Salts | None:
    return None if row["salts"] is None else Salts.model_validate(json.loads(row["salts"])["value"])


ACTS: tuple[Callable[[Rows, random.Random], None], ...] = (edit, remove, swap, cut, insert, rewrite)


def tampered(original: Rows, rng: random.Random) -> tuple[Rows, list[str]]:
    rows = [dict(row) for row in original]
    done: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if rows:
            act = rng.choice(ACTS)
            act(rows, rng)
            done.append(act.__name__)
    # The table has one row a place.
    return sorted({row["seq"]: row for row in rows}.values(), key=lambda row: row["seq"]), done


def verified(store: SQLStore, head: AuditHead) -> AuditReport | None:
    """What verification says; None where an entry cannot even be read."""
    try:
        return verify(TENANT, store.entries(TENANT), [head])
    except AuditError:
        return None


@pytest.mark.chaos
@pytest.mark.timeout(7200)
@pytest.mark.promise("P10")
def test_tampering_before_the_newest_head_is_found(campaign: Campaign, tmp_path: Path) -> None:
    rng = random.Random(campaign.seed)
    path = tmp_path / "audit.db"
    written(path, rng)
    counts: Counter[str] = Counter()
    with (
        Database(f"sqlite:///{path}") as database,
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA synchronous = OFF")
        store = SQLStore(database)
        found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM gk_audit ORDER BY seq").fetchall()
        original: Rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
        for trial in range(campaign.tamperings):
            seq = rng.randint(1, ENTRIES)
            head = AuditHead(tenant=TENANT, seq=seq, hash=original[seq - 1]["hash"], at=0.0)
            rows, acts = tampered(original, rng)
            connection.execute("BEGIN")
            connection.execute("DELETE FROM gk_audit")
            connection.executemany(
                f"INSERT INTO gk_audit ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})",
                [[row[column] for column in COLUMNS] for row in rows],
            )
            connection.execute("COMMIT")
            report = verified(store, head)
            said = f"--chaos-seed={campaign.seed} trial {trial}: {acts}, head {seq}: {report}"
            counts["tamperings"] += 1
            counts.update(f"with {act}" for act in set(acts))
            if rows[:seq] != original[:seq]:
                assert report is None or not report.intact, said
                counts["before the head: found"] += 1
            elif rows == original[: len(rows)]:
                assert report is not None, said
                assert (report.intact, report.entries, report.covered) == (True, len(rows), seq), said
                counts["a cut tail that no head covers: named"] += 1
            elif report is not None and report.intact:
                assert (report.entries, report.covered) == (len(rows), seq), said
                counts["a rewritten tail that no head covers: named"] += 1
            else:
                counts["behind the head: found"] += 1
    assert counts["before the head: found"] > campaign.tamperings / 4
    assert counts["a cut tail that no head covers: named"] > 0
    assert counts["a rewritten tail that no head covers: named"] > 0
    if campaign.full:
        keep("chaos_tampering", campaign.seed, counts)
