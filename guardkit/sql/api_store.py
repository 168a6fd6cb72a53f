"""The part of the store that the HTTP API needs: each method of `Tokens` and `Replies`, one transaction."""

from collections.abc import Sequence

from guardkit.core.replies import HELD, KEPT, Holding, KeyedRequest, Reply
from guardkit.core.tokens import ApiToken
from guardkit.sql import replies, tokens
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone


class ApiStore:
    """Tokens and answers in one SQL database.

    Args:
        database: the database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @redone
    def add_token(self, token: ApiToken, seconds: float) -> ApiToken:
        """Keep a new token, audited; its times are replaced by the database's.

        Raises:
            InputError: its id is taken, or one of its names cannot be kept.
        """
        with self.database.writing() as connection:
            return tokens.add(connection, token, seconds)

    def token(self, token_id: str) -> ApiToken | None:
        """The token with this id, live or not."""
        with self.database.reading() as connection:
            return tokens.find(connection, token_id)

    def tokens(self, tenant: str | None = None) -> Sequence[ApiToken]:
        """Tokens, newest first; of every tenant when `tenant` is `None`."""
        with self.database.reading() as connection:
            return tokens.listed(connection, tenant)

    @redone
    def revoke_token(self, token_id: str, *, by: str) -> bool:
        """Revoke a token for ever, audited. Returns whether it was there and not revoked."""
        with self.database.writing() as connection:
            return tokens.revoke(connection, token_id, by=by)

    @redone
    def hold(self, request: KeyedRequest, *, held: float = HELD, kept: float = KEPT) -> Holding:
        """Take a request's key, in any process, unless it is taken."""
        with self.database.writing() as connection:
            return replies.hold(connection, request, held=held, kept=kept)

    @redone
    def answered(self, request: KeyedRequest, owner: str, reply: Reply) -> bool:
        """Keep an answer. Returns whether the key was still this owner's."""
        with self.database.writing() as connection:
            return replies.answered(connection, request, owner, reply)

    @redone
    def let_go(self, request: KeyedRequest, owner: str) -> bool:
        """Forget a key that is held and stands for nothing. Returns whether it was this owner's."""
        with self.database.writing() as connection:
            return replies.let_go(connection, request, owner)
