"""The tokens of a local Slack and what they allow."""

import threading
from collections.abc import Iterable

from guardkit.testing.slack.values import SlackRefusal

DEFAULT_SCOPES = (
    "channels:read",
    "chat:write",
    "commands",
    "groups:read",
    "im:read",
    "im:write",
    "users:read",
    "users:read.email",
)
"""What the app may do unless a test says otherwise."""


class Access:
    """The bot token, the app token and their state.

    Args:
        scopes: what the bot token may do.

    Attributes:
        bot_token: for all methods but `apps.connections.open`.
        app_token: for `apps.connections.open` only.
    """

    def __init__(self, scopes: Iterable[str]) -> None:
        self.bot_token = "-".join(("xoxb", "local", "guardkit"))
        self.app_token = "-".join(("xapp", "local", "guardkit"))
        self._scopes = frozenset(scopes)
        self._refused: str | None = None
        self._lock = threading.Lock()

    @property
    def scopes(self) -> frozenset[str]:
        """What the bot token may do."""
        with self._lock:
            return self._scopes

    def grant(self, scopes: Iterable[str]) -> None:
        """Set what the bot token may do."""
        with self._lock:
            self._scopes = frozenset(scopes)

    def refuse(self, error: str | None) -> None:
        """Let both tokens be refused with an error, such as `token_revoked`; `None` ends that."""
        with self._lock:
            self._refused = error

    def check(self, token: str | None, *, app: bool) -> None:
        """Refuse a token that does not allow a call.

        Args:
            token: what the caller sent.
            app: whether the method is for app tokens.

        Raises:
            SlackRefusal: `not_authed`, `invalid_auth`, `not_allowed_token_type`, or what was asked for.
        """
        if not token:
            raise SlackRefusal("not_authed")
        if token not in (self.bot_token, self.app_token):
            raise SlackRefusal("invalid_auth")
        with self._lock:
            refused = self._refused
        if refused is not None:
            raise SlackRefusal(refused)
        if (token == self.app_token) != app:
            raise SlackRefusal("not_allowed_token_type")

    def require(self, scope: str) -> None:
        """Refuse what needs a scope that the bot token lacks.

        Raises:
            SlackRefusal: `missing_scope`, with `needed` and `provided`.
        """
        if scope not in self.scopes:
            raise SlackRefusal("missing_scope", {"needed": scope, "provided": ",".join(sorted(self.scopes))})
