"""Tokens by which the app proves to Teams who it is: OAuth 2.0 client credentials, by msal."""

import re
import threading
from typing import Any, cast

import httpx
import msal  # pyright: ignore[reportMissingTypeStubs]
from msal.exceptions import MsalError  # pyright: ignore[reportMissingTypeStubs]

from guardkit.channels.teams.settings import Bot, TeamsSettings
from guardkit.errors import ChannelError

PUBLIC_AUTHORITY = "https://login.microsoftonline.com"

_STS_CODE = re.compile(r"AADSTS[0-9]{4,9}")
_ERROR = re.compile(r"[a-z_]{1,60}")
_REMEDIES = {
    "AADSTS7000215": "GUARDKIT_TEAMS_SECRET must be the secret's value, not its id",
    "AADSTS7000222": "the client secret has expired: make a new one",
    "AADSTS700016": "the app id is not known in this tenant: check GUARDKIT_TEAMS_APP_ID and GUARDKIT_TEAMS_TENANT_ID",
    "AADSTS90002": "there is no such tenant: check GUARDKIT_TEAMS_TENANT_ID",
}


class Tokens:
    """The app's tokens, kept in memory until shortly before they expire.

    msal speaks through the channel's own HTTP client, so one setting decides what is trusted: with msal's default,
    `REQUESTS_CA_BUNDLE` silently overrides it.

    Args:
        settings: authority and scope.
        bot: the app.
        client: what requests are made with.
    """

    def __init__(self, settings: TeamsSettings, bot: Bot, client: httpx.Client) -> None:
        self._settings = settings
        self._bot = bot
        self._client = client
        self._lock = threading.Lock()
        self._app: Any = None

    def token(self) -> str:
        """A token that is valid now.

        Raises:
            ChannelError: none can be had; says why, without the secret.
        """
        try:
            found = cast(
                "dict[str, Any]", self._confidential().acquire_token_for_client([self._settings.scope])
            )
        except (httpx.HTTPError, ValueError, LookupError, RuntimeError, MsalError) as error:
            # msal reports an authority that it does not take, and answers that are none, by all of these.
            raise ChannelError(
                f"Teams: no token from {self._authority()}: {type(error).__name__}",
                remedy="check authority, network and certificates",
            ) from error
        token = found.get("access_token")
        if isinstance(token, str) and token:
            return token
        raise _refused(found)

    def forget(self) -> None:
        """Ask for a new token the next time, because this one was refused."""
        with self._lock:
            self._app = None

    def _authority(self) -> str:
        return self._settings.authority or f"{PUBLIC_AUTHORITY}/{self._bot.tenant_id}"

    def _confidential(self) -> Any:
        with self._lock:
            if self._app is None:
                # The constructor asks the authority for its addresses.
                self._app = cast("Any", msal).ConfidentialClientApplication(
                    self._bot.app_id,
                    client_credential=self._bot.secret.get_secret_value(),
                    authority=self._authority(),
                    instance_discovery=self._settings.instance_discovery,
                    http_client=self._client,
                )
            return self._app


def _refused(answer: dict[str, Any]) -> ChannelError:
    said = _ERROR.fullmatch(str(answer.get("error", "")))
    code = _STS_CODE.search(str(answer.get("error_description", "")))
    parts = [part for part in (said and said.group(), code and code.group()) if part]
    return ChannelError(
        f"Teams: Entra gives no token: {' '.join(parts) or 'no reason given'}",
        remedy=_REMEDIES.get(parts[-1] if parts else "", "check app id, tenant id and secret"),
    )
