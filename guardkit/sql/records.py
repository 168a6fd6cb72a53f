"""What channels remember: where their messages are, whom they have met, what they have already taken."""

from typing import cast

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update

from guardkit.core.digest import canonical, parse, sha256
from guardkit.core.runs import Contact, Post
from guardkit.core.values import JsonObject
from guardkit.errors import InputError
from guardkit.sql import dialects, names
from guardkit.sql.secrecy import Opened, opened, sealed
from guardkit.sql.side_tables import contacts, posts, taken
from guardkit.sql.tables import approvals
from guardkit.sql.vault import vault_of

_TAKEN = "guardkit.taken.v1"
_CONTACT = "guardkit.contact.v1"
_SWEPT = 100
"""Rows that are over and that one new row clears away at most."""


def keep_post(connection: Connection, post: Post) -> None:
    """Insert a copy of a question, or replace the one with the same id.

    Raises:
        InputError: the id is too long, or there is no such approval of that tenant.
    """
    names.checked("post.id", post.id, 64)
    tenant = connection.execute(
        select(approvals.c.tenant).where(approvals.c.id == post.approval_id).with_for_update()
    ).scalar_one_or_none()
    if tenant != post.tenant:
        raise InputError(f"there is no approval {post.approval_id!r} of tenant {post.tenant!r}")
    values = {
        "approval_id": post.approval_id,
        "tenant": post.tenant,
        "channel": post.channel,
        "delivery": post.delivery,
        "stage": post.stage,
        "recipient": post.recipient,
        "address": None if post.address is None else canonical(post.address).decode(),
        "version": post.version,
        "open": post.open,
    }
    values = sealed(connection, posts, values, {"id": post.id, "tenant": post.tenant})
    # The approval's row is locked, so nobody inserts the same copy between the two statements.
    there = connection.execute(select(posts.c.approval_id).where(posts.c.id == post.id)).scalar_one_or_none()
    if there is None:
        now = dialects.now(connection)
        connection.execute(insert(posts).values(id=post.id, kept_at=now, **values))
    elif there != post.approval_id:
        raise InputError(f"post {post.id!r} is of another approval")
    else:
        connection.execute(update(posts).where(posts.c.id == post.id).values(**values))


def of_approval(connection: Connection, tenant: str, approval_id: str) -> list[Post]:
    """Every copy of a question, oldest first."""
    rows = connection.execute(
        select(posts)
        .where(posts.c.approval_id == approval_id, posts.c.tenant == tenant)
        .order_by(posts.c.kept_at, posts.c.id)
    ).all()
    return [_post(opened(connection, posts, row)) for row in rows]


def _post(row: Opened) -> Post:
    return Post(
        id=row.id,
        approval_id=row.approval_id,
        tenant=row.tenant,
        channel=row.channel,
        delivery=row.delivery,
        stage=row.stage,
        recipient=row.recipient,
        address=None if row.address is None else _object(row.address),
        version=row.version,
        open=row.open,
    )


def _object(text: str) -> JsonObject:
    return cast("JsonObject", parse(text))


def keep_contact(connection: Connection, contact: Contact) -> None:
    """Insert a contact, or replace the one with the same tenant, channel and key."""
    names.owner(contact.tenant)
    forget_contact(connection, contact.tenant, contact.channel, contact.key)
    row = {
        "tenant": contact.tenant,
        "contact_hash": vault_of(connection).hashed(_hash(contact.channel, contact.key)),
        "channel": contact.channel,
        "key": contact.key,
        "reference": canonical(contact.reference).decode(),
        "kept_at": dialects.now(connection),
    }
    connection.execute(insert(contacts).values(**sealed(connection, contacts, row)))


def contact(connection: Connection, tenant: str, channel: str, key: str) -> Contact | None:
    """The contact with this key."""
    row = connection.execute(
        select(contacts).where(contacts.c.tenant == tenant, _is(connection, channel, key)).limit(1)
    ).one_or_none()
    if row is None:
        return None
    reference = opened(connection, contacts, row).reference
    return Contact(tenant=tenant, channel=channel, key=key, reference=_object(reference))


def _hash(channel: str, key: str) -> str:
    return sha256(_CONTACT, [channel, key])


def _is(connection: Connection, channel: str, key: str) -> ColumnElement[bool]:
    return vault_of(connection).is_hash(contacts.c.contact_hash, _hash(channel, key))


def forget_contact(connection: Connection, tenant: str, channel: str, key: str) -> bool:
    """Remove a contact. Returns whether it was there."""
    gone = connection.execute(
        delete(contacts).where(contacts.c.tenant == tenant, _is(connection, channel, key))
    )
    return gone.rowcount > 0


def first_time(connection: Connection, scope: str, key: str, seconds: float) -> bool:
    """Whether nobody has taken this in the last `seconds`; see `guardkit.core.ports.ChannelRecords.first_time`."""
    now = dialects.now(connection)
    mine = sha256(_TAKEN, [scope, key])
    over = connection.execute(select(taken.c.taken_hash).where(taken.c.until <= now).limit(_SWEPT)).scalars()
    connection.execute(
        delete(taken).where(
            or_(taken.c.taken_hash == mine, taken.c.taken_hash.in_(list(over))), taken.c.until <= now
        )
    )
    return dialects.insert_new(connection, taken, {"taken_hash": mine, "until": now + seconds})
