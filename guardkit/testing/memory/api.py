"""What the HTTP API needs of a store, in memory."""

import secrets
from collections.abc import Sequence

from guardkit.core.audit import AuditEvent
from guardkit.core.replies import (
    HELD,
    KEPT,
    Answered,
    Held,
    Holding,
    InProgress,
    KeyedRequest,
    Reply,
    Reused,
)
from guardkit.core.tokens import ApiToken
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.testing.memory.state import MemoryReply, MemoryState


class MemoryApi(MemoryState):
    """The ports `Tokens` and `Replies`, in memory."""

    def add_token(self, token: ApiToken, seconds: float) -> ApiToken:
        """Keep a new token, audited; its times are replaced by the clock's.

        Raises:
            InputError: its id is taken.
        """
        with self._lock:
            if token.id in self._tokens:
                raise InputError(f"token {token.id!r} exists already", remedy="make another one")
            now = self.now()
            kept = token.model_copy(update={"created_at": now, "expires_at": now + seconds})
            self._tokens[token.id] = kept
            scopes: list[Json] = [scope.value for scope in kept.scopes]
            self._audit_token("token.created", kept, by=kept.created_by, scopes=scopes)
            return kept

    def token(self, token_id: str) -> ApiToken | None:
        """The token with this id, live or not."""
        with self._lock:
            return self._tokens.get(token_id)

    def tokens(self, tenant: str | None = None) -> Sequence[ApiToken]:
        """Tokens, newest first; of every tenant when `tenant` is `None`."""
        with self._lock:
            found = [token for token in self._tokens.values() if tenant in (None, token.tenant)]
            return sorted(found, key=lambda token: (-token.created_at, token.id))

    def revoke_token(self, token_id: str, *, by: str) -> bool:
        """Revoke a token for ever, audited. Returns whether it was there and not revoked."""
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None or token.revoked_at is not None:
                return False
            self._tokens[token_id] = token.model_copy(update={"revoked_at": self.now(), "revoked_by": by})
            self._audit_token("token.revoked", token, by=by)
            return True

    def _audit_token(self, kind: str, token: ApiToken, **data: Json) -> None:
        named: dict[str, Json] = {"token": token.id, "holder": token.holder, "subject": token.subject}
        self._add_events(token.tenant, [AuditEvent(kind=kind, data=named | data)])

    def hold(self, request: KeyedRequest, *, held: float = HELD, kept: float = KEPT) -> Holding:
        """Take a request's key unless it is taken."""
        with self._lock:
            now, owner = self.now(), secrets.token_hex(16)
            there = self._replies.get(request.name)
            if there is None or there.kept_until <= now:
                self._replies[request.name] = MemoryReply(request.fingerprint, owner, now + held, now + kept)
                return Held(owner)
            if there.fingerprint != request.fingerprint:
                return Reused()
            if there.reply is not None:
                return Answered(there.reply)
            if there.held_until > now:
                return InProgress()
            there.owner, there.held_until = owner, now + held
            return Held(owner)

    def answered(self, request: KeyedRequest, owner: str, reply: Reply) -> bool:
        """Keep an answer. Returns whether the key was still this owner's."""
        with self._lock:
            there = self._replies.get(request.name)
            if there is None or there.owner != owner or there.reply is not None:
                return False
            there.reply = reply
            return True

    def let_go(self, request: KeyedRequest, owner: str) -> bool:
        """Forget a key that is held and stands for nothing. Returns whether it was this owner's."""
        with self._lock:
            there = self._replies.get(request.name)
            if there is None or there.owner != owner or there.reply is not None:
                return False
            del self._replies[request.name]
            return True
