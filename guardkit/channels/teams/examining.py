"""`guardkit doctor teams`: whether the settings work, and what is missing. Nothing is posted anywhere."""

import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

from guardkit.channels.finding import Finding
from guardkit.channels.teams.settings import Bot, TeamsSettings
from guardkit.errors import ConfigurationError, GuardkitError

if TYPE_CHECKING:
    import httpx

    from guardkit.channels.teams.channel import Teams

_CLOCK = 60.0
"""Seconds of difference that are worth telling; tokens are refused at 300."""


def examine(channel: "Teams") -> Sequence[Finding]:
    """Look at a channel's settings, and ask Microsoft about each.

    Args:
        channel: attached or not.
    """
    missing = next((name for name in ("httpx", "jwt", "msal") if find_spec(name) is None), None)
    if missing is not None:
        return [_error("extra", f"{missing} is not installed", "pip install guardkit[teams]")]
    import httpx  # noqa: PLC0415  # an optional extra

    settings = channel.settings
    try:
        bot = settings.bot()
        settings.tenants(bot)
        trust = settings.trust()
    except ConfigurationError as error:
        return [_error("settings", error.message, error.remedy)]
    with httpx.Client(verify=trust, timeout=10.0, follow_redirects=False) as client:
        return [
            _tried("token", lambda: _token(settings, bot, client)),
            _tried("keys", lambda: _keys(settings, client)),
            *_service(settings, client),
            _conversation(settings),
        ]


def _token(settings: TeamsSettings, bot: Bot, client: "httpx.Client") -> str:
    from guardkit.channels.teams.entra import Tokens  # noqa: PLC0415  # needs the extra

    Tokens(settings, bot, client).token()
    return f"Entra gives one to app {bot.app_id} of tenant {bot.tenant_id}"


def _keys(settings: TeamsSettings, client: "httpx.Client") -> str:
    from guardkit.channels.teams.keys import SigningKeys  # noqa: PLC0415  # needs the extra

    return f"{SigningKeys(client, settings.openid_metadata_url).fetch()} keys sign what comes in"


def _service(settings: TeamsSettings, client: "httpx.Client") -> Sequence[Finding]:
    """Whether the service answers at all, and what time it has."""
    import httpx  # noqa: PLC0415  # needs the extra

    try:
        reply = client.get(settings.service_url)
    except httpx.HTTPError as error:
        kind = type(error).__name__
        return [
            _error("service", f"{settings.service_url} cannot be reached: {kind}", "check network and proxy")
        ]
    found = [Finding(level="ok", subject="service", message=f"{settings.service_url} answers")]
    try:
        theirs = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except ValueError:
        return found
    apart = abs(time.time() - theirs)
    if apart > _CLOCK:
        return [
            *found,
            Finding(
                level="warning",
                subject="clock",
                message=f"this machine's clock is {apart:.0f} s away from Teams'",
                remedy="set it by NTP; at 300 s every answer is refused",
            ),
        ]
    return [*found, Finding(level="ok", subject="clock", message=f"{apart:.0f} s away from Teams'")]


def _conversation(settings: TeamsSettings) -> Finding:
    if settings.conversation is None:
        message = "each approver is written to, once they have installed the app"
        return Finding(level="ok", subject="conversation", message=message)
    if not settings.conversation.startswith(("19:", "a:")):
        return Finding(
            level="warning",
            subject="conversation",
            message="does not look like the id of a channel or chat",
            remedy="copy it from the link to the channel: 19:…@thread.tacv2",
        )
    return Finding(level="ok", subject="conversation", message="questions are posted in one conversation")


def _tried(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(level="ok", subject=subject, message=look())
    except GuardkitError as error:
        return _error(subject, error.message, error.remedy)


def _error(subject: str, message: str, remedy: str | None) -> Finding:
    return Finding(level="error", subject=subject, message=message, remedy=remedy)
