"""Approvals stand in people's lists, each list by an index.

The approvals that are there get their places, those that are open under the keys of every stage: whoever finds one judges
whether it waits for them, and the next answer leaves the right ones. What a process of an older release asks while it
still runs has no place in a list until somebody answers it; it is found by its link, its channels and the HTTP API.

Revision ID: 0011
Revises: 0010
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import rfc8785
import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

REFILLED = {"gk_listings": "gk_approvals"}
"""Tables that `upgrade` fills, and where from."""

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}
BATCH = 500
UNDATED = 5_000_000_000_000_000
FOREVER = 9_000_000_000_000_000


def name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "gk_listings",
        sa.Column(
            "approval_id",
            name(64),
            sa.ForeignKey("gk_approvals.id", name="gk_listings_approval", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("list", name(16), primary_key=True),
        sa.Column("who", name(32), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("state", name(16), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("thread_id", name(255), nullable=False),
        sa.Column("tool_hash", name(32), nullable=False),
        sa.Column("agent_hash", name(32), nullable=False),
        sa.Column("requester_hash", name(32), nullable=False),
        **TABLE,
    )
    fill()
    op.create_index("gk_listings_order", "gk_listings", ["tenant", "who", "list", "at", "approval_id"])


def fill() -> None:
    approvals = sa.table(
        "gk_approvals",
        *map(
            sa.column,
            (
                *("id", "tenant", "thread_id", "state", "request", "decisions"),
                *("requested_at", "expires_at", "on_expiry", "settled_at"),
            ),
        ),
    )
    columns = (
        *(
            "approval_id",
            "list",
            "who",
            "tenant",
            "at",
            "since",
            "until",
            "state",
            "requested_at",
            "thread_id",
        ),
        *("tool_hash", "agent_hash", "requester_hash"),
    )
    put = sa.insert(sa.table("gk_listings", *map(sa.column, columns)))
    first = sa.select(approvals).order_by(approvals.c.id).limit(BATCH)
    connection, chosen = op.get_bind(), first
    while rows := connection.execute(chosen).all():
        places = [place for row in rows for place in _places(row)]
        if places:
            connection.execute(put, places)
        chosen = first.where(approvals.c.id > rows[-1].id)


def _places(row: Any) -> Iterator[dict[str, Any]]:
    request = json.loads(row.request)["value"]
    action, agent = request["action"], request["agent"]
    same = {
        "approval_id": row.id,
        "tenant": row.tenant,
        "state": row.state,
        "requested_at": row.requested_at,
        "thread_id": row.thread_id,
        "tool_hash": _hash("guardkit.listed-name.v1", ["tool", action["tool"]]),
        "agent_hash": _hash("guardkit.listed-name.v1", ["agent", agent.removesuffix("@embedded")]),
        "requester_hash": _hash("guardkit.listed-name.v1", ["requester", request["principal"]["id"]]),
        "since": 0,
        "until": FOREVER,
    }
    due = UNDATED + row.requested_at if row.expires_at is None else min(row.expires_at, FOREVER)
    voices = {(_key("voice", said["person"]), 0) for said in json.loads(row.decisions)["value"]}
    steps = list(_steps(request["stages"]))
    if row.state == "pending":
        until = FOREVER if row.on_expiry == "keep" else min(row.expires_at or FOREVER, FOREVER)
        for key in {key for key, _ in steps}:
            yield {**same, "list": "waiting", "who": key, "at": due, "until": until}
    of, at = ("open", due) if row.state == "pending" else ("history", row.settled_at or row.requested_at)
    first: dict[str, int] = {}
    for key, after in [*steps, *voices]:
        first[key] = min(after, first.get(key, after))
    for key, after in first.items():
        yield {**same, "list": of, "who": key, "at": at, "since": row.requested_at + after if after else 0}
    principal = request["principal"]
    verified = principal.get("verified_by") != "nobody"
    askers = (principal["id"], *request.get("excluded", ())) if verified else ()
    for asker in {identity.casefold() for identity in askers}:
        yield {**same, "list": "asked", "who": _key("asker", asker), "at": row.requested_at}


def _steps(stages: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """The keys of who may answer, and the microseconds after which each does."""
    for stage in stages:
        for step in (stage, *stage.get("escalations", ())):
            after = round(step.get("after", 0) * 1_000_000)
            for delegated in (False, True) if stage.get("delegation") else (False,):
                for identity in step.get("approvers", ()):
                    yield _key("person", identity.casefold(), step.get("role"), delegated), after
                for group in step.get("groups", ()):
                    yield _key("group", group, step.get("role"), delegated), after


def _key(kind: str, name: str, role: str | None = None, delegated: bool = False) -> str:
    return _hash("guardkit.listing-key.v1", [kind, name, role, delegated])


def _hash(domain: str, value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps([domain, value])).hexdigest()[:32]


def downgrade() -> None:
    op.drop_table("gk_listings")
