"""Tokens of the HTTP API as rows."""

import json
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Select, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.tokens import ApiToken
from guardkit.errors import InputError
from guardkit.sql import audit, dialects, names
from guardkit.sql.codec import damaged, load_json
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.secrecy import Opened, opened, sealed
from guardkit.sql.side_tables import api_tokens

_ALL: Select[Any] = select(api_tokens)


def add(connection: Connection, token: ApiToken, seconds: float) -> ApiToken:
    """Keep a new token; see `guardkit.core.tokens.Tokens.add_token`."""
    names.tenant(token.tenant)
    names.checked("token.subject", token.subject, NAME_LENGTH)
    names.checked("token.created_by", token.created_by, NAME_LENGTH)
    now = dialects.now(connection)
    kept = token.model_copy(update={"created_at": now, "expires_at": now + seconds})
    row = {
        **kept.model_dump(exclude={"scopes"}),
        "scopes": json.dumps([scope.value for scope in kept.scopes]),
    }
    if not dialects.insert_new(connection, api_tokens, sealed(connection, api_tokens, row)):
        raise InputError(f"token {token.id!r} exists already", remedy="make another one")
    scopes = [scope.value for scope in kept.scopes]
    audit.append(
        connection,
        kept.tenant,
        [_event("token.created", kept, by=kept.created_by, scopes=scopes, expires_at=kept.expires_at)],
        now,
    )
    return kept


def find(connection: Connection, token_id: str) -> ApiToken | None:
    """The token with this id."""
    row = connection.execute(_ALL.where(api_tokens.c.id == token_id)).one_or_none()
    return None if row is None else _read(opened(connection, api_tokens, row))


def listed(connection: Connection, tenant: str | None) -> list[ApiToken]:
    """Tokens, newest first."""
    chosen = _ALL.order_by(api_tokens.c.created_at.desc(), api_tokens.c.id)
    if tenant is not None:
        chosen = chosen.where(api_tokens.c.tenant == tenant)
    return [_read(opened(connection, api_tokens, row)) for row in connection.execute(chosen)]


def revoke(connection: Connection, token_id: str, *, by: str) -> bool:
    """Revoke a token; see `guardkit.core.tokens.Tokens.revoke_token`."""
    names.checked("by", by, NAME_LENGTH)
    row = connection.execute(_ALL.where(api_tokens.c.id == token_id).with_for_update()).one_or_none()
    if row is None or row.revoked_at is not None:
        return False
    now = dialects.now(connection)
    revoked = sealed(connection, api_tokens, {"revoked_at": now, "revoked_by": by}, row)
    connection.execute(update(api_tokens).where(api_tokens.c.id == token_id).values(**revoked))
    token = _read(opened(connection, api_tokens, row))
    audit.append(connection, row.tenant, [_event("token.revoked", token, by=by)], now)
    return True


def _event(kind: str, token: ApiToken, **data: Any) -> AuditEvent:
    return AuditEvent(
        kind=kind, data={"token": token.id, "holder": token.holder, "subject": token.subject, **data}
    )


def _read(row: Opened) -> ApiToken:
    try:
        kept = {name: getattr(row, name) for name in ApiToken.model_fields}
        return ApiToken.model_validate({**kept, "scopes": load_json(row.scopes)})
    except ValidationError as error:
        raise damaged("API token", error) from None
