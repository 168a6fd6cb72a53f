"""What the channel is told, and where its secrets come from."""

import os
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from pydantic import SecretStr

from guardkit.errors import ConfigurationError

BOT_TOKEN = "SLACK_BOT_TOKEN"  # noqa: S105  # the name of a variable
APP_TOKEN = "SLACK_APP_TOKEN"  # noqa: S105
SIGNING_SECRET = "SLACK_SIGNING_SECRET"  # noqa: S105

Secret: TypeAlias = str | SecretStr | None

_FORMS = {BOT_TOKEN: "xoxb-", APP_TOKEN: "xapp-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a channel is told; see `Slack`."""

    conversation: str | None
    app_id: str | None
    base_url: str
    confirm: bool
    values: int
    proxy: str | None
    token: SecretStr | None
    app_token: SecretStr | None
    signing_secret: SecretStr | None

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: names the setting.
        """
        if self.conversation is not None and not self.conversation.strip():
            raise ConfigurationError("Slack(conversation='')", remedy="an id such as 'C0123', or None")
        if self.values < 2:
            raise ConfigurationError(f"Slack(values={self.values})", remedy="at least 2")
        _check_address(self.base_url)


def hidden(given: Secret) -> SecretStr | None:
    """A secret that no `repr` shows."""
    return SecretStr(given) if isinstance(given, str) else given


def secret(given: SecretStr | None, variable: str) -> str | None:
    """A secret as it was given, or else from the environment; `None` when it is in neither.

    Args:
        given: the argument.
        variable: the environment variable.

    Raises:
        ConfigurationError: it does not begin like one of its kind; tells nothing of it.
    """
    shown = None if given is None else given.get_secret_value()
    found = (os.environ.get(variable, "") if shown is None else shown).strip()
    form = _FORMS.get(variable, "")
    if found and not found.startswith(form):
        raise ConfigurationError(
            f"{variable} does not begin with {form}", remedy="copy the right one of the app's tokens"
        )
    return found or None


def bot_token(given: SecretStr | None) -> str:
    """The bot token.

    Raises:
        ConfigurationError: there is none.
    """
    found = secret(given, BOT_TOKEN)
    if found is None:
        raise ConfigurationError(
            f"{BOT_TOKEN} is not set", remedy="copy the Bot User OAuth Token of the installed app, xoxb-…"
        )
    return found


def _check_address(base_url: str) -> None:
    """Refuse an address that would get the token over an open network."""
    parts = urlsplit(base_url)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ConfigurationError(f"Slack(base_url={base_url!r}) is not an HTTPS address")
