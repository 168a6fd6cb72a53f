"""Each answer of people is a row beside its approval, so that answers are counted.

The answers that are there get their rows. What a process of an older release takes while it still runs has none.

Revision ID: 0015
Revises: 0014
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import rfc8785
import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

REFILLED = {"gk_answers": "gk_approvals"}
"""Tables that `upgrade` fills, and where from."""

UNREADABLE = {"gk_deliveries": "kind = 'review'"}
"""Rows that code of the revision before refuses."""

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
BATCH = 500


def name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "gk_answers",
        sa.Column(
            "approval_id",
            name(64),
            sa.ForeignKey("gk_approvals.id", name="gk_answers_approval", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("waited", sa.Double[float](), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("who", name(32), nullable=False),
        sa.Column("rule", name(255), nullable=False),
        sa.Column("delegated", sa.Boolean(), nullable=False),
        **TABLE,
    )
    fill()
    op.create_index("gk_answers_window", "gk_answers", ["tenant", "at"])


def fill() -> None:
    approvals = sa.table(
        "gk_approvals", *map(sa.column, ("id", "tenant", "request", "decisions", "requested_at"))
    )
    columns = (
        *("approval_id", "number", "tenant", "at", "waited", "kind", "stage", "who", "rule", "delegated"),
    )
    put = sa.insert(sa.table("gk_answers", *map(sa.column, columns)))
    first = sa.select(approvals).order_by(approvals.c.id).limit(BATCH)
    connection, chosen = op.get_bind(), first
    while rows := connection.execute(chosen).all():
        answers = [answer for row in rows for answer in _answers(row)]
        if answers:
            connection.execute(put, answers)
        chosen = first.where(approvals.c.id > rows[-1].id)


def _answers(row: Any) -> Iterator[dict[str, Any]]:
    decisions = json.loads(row.decisions)["value"]
    rules = json.loads(row.request)["value"].get("rules", ()) if decisions else ()
    for number, said in enumerate(decisions, start=1):
        since = row.requested_at / 1_000_000
        for before in decisions[: number - 1]:
            if before["kind"] == "edit" or before["stage"] < said["stage"]:
                since = before["decided_at"]
        yield {
            "approval_id": row.id,
            "number": number,
            "tenant": row.tenant,
            "at": round(said["decided_at"] * 1_000_000),
            "waited": max(said["decided_at"] - since, 0.0),
            "kind": said["kind"],
            "stage": said["stage"],
            "who": _hash("guardkit.listed-name.v1", ["person", said["person"]]),
            "rule": ",".join(sorted(rules))[:255],
            "delegated": said.get("on_behalf_of") is not None,
        }


def _hash(domain: str, value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps([domain, value])).hexdigest()[:32]


def downgrade() -> None:
    op.drop_table("gk_answers")
