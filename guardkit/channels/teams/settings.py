"""What a Teams channel is told: by its arguments, else by the environment of the process that it works in."""

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from guardkit.core.visible import one_line
from guardkit.errors import ConfigurationError

SERVICE_URL = "https://smba.trafficmanager.net/teams"
"""Where Teams takes messages of bots, in the public cloud."""

METADATA_URL = "https://login.botframework.com/v1/.well-known/openidconfiguration"
"""Where the Bot Framework says which keys it signs with, in the public cloud."""

ISSUER = "https://api.botframework.com"
"""Who signs the requests that a bot gets."""

SCOPE = "https://api.botframework.com/.default"
"""What a bot asks a token for."""

HOSTS = frozenset(
    {
        "smba.trafficmanager.net",
        "smba.infra.gcc.teams.microsoft.com",
        "smba.infra.gov.teams.microsoft.us",
        "smba.infra.dod.teams.microsoft.us",
    }
)
"""Hosts of Teams' own services. A request that names another one gets no token sent there."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VARIABLES = {
    "app_id": "GUARDKIT_TEAMS_APP_ID",
    "tenant_id": "GUARDKIT_TEAMS_TENANT_ID",
    "secret": "GUARDKIT_TEAMS_SECRET",
}


def is_guid(text: str) -> bool:
    """Whether a text is a GUID in lower case, as Entra writes the ids of apps, tenants and people."""
    return _GUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """The app that posts: what is known of it once it works."""

    app_id: str
    tenant_id: str
    secret: SecretStr

    @property
    def id(self) -> str:
        """How Teams names the bot in a conversation."""
        return f"28:{self.app_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSettings:
    """Where a Teams channel posts, and whom it trusts. Secrets are read only when it begins to work.

    Attributes:
        conversation: id of the channel or chat to post in; `None` writes to each approver personally.
        app_id: the app's (client) id in Entra.
        tenant_id: the Entra tenant that the app lives in.
        secret: the app's client secret.
        service_url: where messages go until a conversation says otherwise.
        authority: where tokens come from, without a slash at its end.
        instance_discovery: whether msal asks Microsoft if `authority` is genuine.
        verify: a file of certificates to trust instead of the system's.
        openid_metadata_url: where the keys of incoming requests are found.
        issuer: who signs incoming requests.
        scope: what outgoing tokens are for.
        allowed_tenants: Entra tenants whose people may answer; by default the app's own.
        backoff: seconds before the second attempt of a request; doubles with each.
    """

    conversation: str | None = None
    app_id: str | None = None
    tenant_id: str | None = None
    secret: SecretStr | None = field(default=None, repr=False)
    service_url: str = SERVICE_URL
    authority: str | None = None
    instance_discovery: bool = True
    verify: str | Path | None = None
    openid_metadata_url: str = METADATA_URL
    issuer: str = ISSUER
    scope: str = SCOPE
    allowed_tenants: tuple[str, ...] = ()
    backoff: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what can never work, with the argument's name."""
        for name in ("service_url", "openid_metadata_url", "authority"):
            url = getattr(self, name)
            if url is not None and not is_private_url(url):
                raise ConfigurationError(
                    f"Teams: {name} is {one_line(str(url), 200)!r}",
                    remedy="write an https URL; plain http is only for 127.0.0.1",
                )
        if self.conversation is not None and not self.conversation.strip():
            raise ConfigurationError("Teams: conversation is empty", remedy="leave it out, or write its id")

    def bot(self, environ: Mapping[str, str] = os.environ) -> Bot:
        """The app, from the arguments, else from the environment.

        Raises:
            ConfigurationError: one of its three parts is missing, or is no GUID where it has to be.
        """
        secret = None if self.secret is None else self.secret.get_secret_value()
        return Bot(
            app_id=_guid("app_id", self.app_id, environ),
            tenant_id=_guid("tenant_id", self.tenant_id, environ),
            secret=SecretStr(_found("secret", secret, environ)),
        )

    def tenants(self, bot: Bot) -> frozenset[str]:
        """The Entra tenants whose people may answer.

        Raises:
            ConfigurationError: one of them is no GUID.
        """
        named = tuple(_guid("allowed_tenants", tenant, {}) for tenant in self.allowed_tenants)
        return frozenset(named or (bot.tenant_id,))

    def trusts(self, service_url: str) -> bool:
        """Whether the app's token may be sent to this address: Teams' own, or the configured one.

        Args:
            service_url: as a request names it.
        """
        try:
            url, own = urlsplit(service_url), urlsplit(self.service_url)
            origin = (url.scheme, url.hostname, url.port)
            plain = url.username is None and url.password is None and not url.query and not url.fragment
            if not plain or len(service_url) > 500:
                return False
            if origin == (own.scheme, own.hostname, own.port):
                return True
        except ValueError:
            return False
        return origin[0] == "https" and origin[1] in HOSTS and origin[2] in (None, 443)

    def trust(self) -> ssl.SSLContext:
        """What outgoing connections trust.

        Raises:
            ConfigurationError: the file of certificates cannot be read.
        """
        try:
            return ssl.create_default_context(cafile=None if self.verify is None else str(self.verify))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"Teams: verify is {one_line(str(self.verify), 200)!r}, which cannot be read: {type(error).__name__}",
                remedy="name a PEM file of certificates",
            ) from error


def is_private_url(url: str) -> bool:
    """Whether nobody between here and there can read what is sent: https, or this machine itself.

    Args:
        url: any text.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.username is not None or not host or parts.port == 0:
            return False
        if parts.scheme == "https":
            return True
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def _found(name: str, given: str | None, environ: Mapping[str, str]) -> str:
    variable = _VARIABLES.get(name)
    value = (given or (environ.get(variable, "") if variable else "")).strip()
    if not value:
        raise ConfigurationError(f"Teams: no {name}", remedy=f"set {variable}, or pass {name}=")
    return value


def _guid(name: str, given: str | None, environ: Mapping[str, str]) -> str:
    value = _found(name, given, environ).lower()
    if not is_guid(value):
        raise ConfigurationError(
            f"Teams: {name} is {one_line(value, 80)!r}",
            remedy="write the GUID that the Entra admin center shows",
        )
    return value
