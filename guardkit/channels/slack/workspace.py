"""The Slack workspace that the token belongs to, and who this app is in it."""

from dataclasses import dataclass
from typing import NoReturn

from guardkit.channels.slack.api import Clients, SlackError, call
from guardkit.errors import ConfigurationError

_SETTING = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "token_expired",
        "token_revoked",
    }
)
"""Errors that no repetition cures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What Slack says about the token."""

    clients: Clients
    team: str
    """Id of the workspace."""

    bot_user: str
    bot: str | None
    """What messages of this app carry as `bot_id`."""

    app: str
    """The app's id. Payloads of others are refused, so it has to be known."""

    @classmethod
    def known_by(cls, clients: Clients, *, app: str | None) -> "Workspace":
        """Ask Slack once who the token is.

        Args:
            clients: with the bot token.
            app: the app's id, if it is known; otherwise Slack is asked, which needs `users:read`.

        Raises:
            ConfigurationError: the token is refused, or Slack does not say which app it is of; says what to do.
            SlackError: Slack does not answer.
        """
        try:
            identity = call(clients.updating, "auth.test")
        except SlackError as error:
            _fail(error)
        team, user, bot = (identity.text(name) for name in ("team_id", "user_id", "bot_id"))
        if team is None or user is None:
            raise SlackError("auth.test", None, unsure=False)
        return cls(clients=clients, team=team, bot_user=user, bot=bot, app=app or _app_of(clients, bot))

    def identity(self, user: str) -> str:
        """The name of a Slack user as the directory lists it."""
        return f"slack:{self.team}:{user}"

    def wrote(self, *, app: str | None, bot: str | None) -> bool:
        """Whether a message with these ids is this app's."""
        return (bot is not None and bot == self.bot) or app == self.app


def _app_of(clients: Clients, bot: str | None) -> str:
    try:
        found = None if bot is None else call(clients.updating, "bots.info", {"bot": bot})
    except SlackError as error:
        _fail(error)
    app = None if found is None else found.text("bot", "app_id")
    if app is None:
        raise ConfigurationError(
            "SLACK_BOT_TOKEN: Slack does not say which app it is of", remedy="name it: Slack(app_id=…)"
        )
    return app


def _fail(error: SlackError) -> NoReturn:
    if error.said in _SETTING:
        raise ConfigurationError(f"SLACK_BOT_TOKEN: {error.message}", remedy=error.remedy) from error
    raise error
