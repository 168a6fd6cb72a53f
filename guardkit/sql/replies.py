"""Answers to requests with an idempotency key, as rows."""

import secrets

from sqlalchemy import Connection, delete, select, update

from guardkit.core.replies import Answered, Held, Holding, InProgress, KeyedRequest, Reply, Reused
from guardkit.sql import dialects, names
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.side_tables import api_replies

_SWEPT = 100
"""Rows that are over and that one new row clears away at most."""


def hold(connection: Connection, request: KeyedRequest, *, held: float, kept: float) -> Holding:
    """Take a request's key; see `guardkit.core.replies.Replies.hold`."""
    names.tenant(request.tenant)
    now = dialects.now(connection)
    mine = api_replies.c.name == request.name
    owner = secrets.token_hex(16)
    holding = {"owner": owner, "held_until": now + held}
    new = {
        "name": request.name,
        "tenant": request.tenant,
        "fingerprint": request.fingerprint,
        "kept_until": now + kept,
        "status": None,
        "body": None,
        **holding,
    }
    # Nothing is locked before it is changed: on MariaDB an insert that meets its row keeps a shared lock on it, and two
    # that want to change it then wait for one another.
    row = connection.execute(select(api_replies).where(mine)).one_or_none()
    if row is None:
        if not dialects.insert_new(connection, api_replies, new):
            return InProgress()
        _sweep(connection, now)
        return Held(owner)
    if row.kept_until <= now:
        taken_over = new
    elif row.fingerprint != request.fingerprint:
        return Reused()
    elif row.status is not None:
        return Answered(Reply(status=row.status, body=opened(connection, api_replies, row).body))
    elif row.held_until > now:
        return InProgress()
    else:
        taken_over = holding
    done = connection.execute(
        update(api_replies).where(mine, api_replies.c.owner == row.owner).values(**taken_over)
    )
    return Held(owner) if done.rowcount == 1 else InProgress()


def answered(connection: Connection, request: KeyedRequest, owner: str, reply: Reply) -> bool:
    """Keep an answer; see `guardkit.core.replies.Replies.answered`."""
    given = {"status": reply.status, "body": reply.body}
    done = connection.execute(
        update(api_replies)
        .where(
            api_replies.c.name == request.name,
            api_replies.c.owner == owner,
            api_replies.c.status.is_(None),
        )
        .values(**sealed(connection, api_replies, given, {"tenant": request.tenant, "name": request.name}))
    )
    return done.rowcount == 1


def let_go(connection: Connection, request: KeyedRequest, owner: str) -> bool:
    """Forget a key that is held; see `guardkit.core.replies.Replies.let_go`."""
    gone = connection.execute(
        delete(api_replies).where(
            api_replies.c.name == request.name,
            api_replies.c.owner == owner,
            api_replies.c.status.is_(None),
        )
    )
    return gone.rowcount == 1


def _sweep(connection: Connection, now: float) -> None:
    """Clear away what is over, a bounded part at a time."""
    over = select(api_replies.c.name).where(api_replies.c.kept_until <= now).order_by(api_replies.c.name)
    names_over = list(connection.execute(over.limit(_SWEPT)).scalars())
    if names_over:
        connection.execute(
            delete(api_replies).where(api_replies.c.name.in_(names_over), api_replies.c.kept_until <= now)
        )
