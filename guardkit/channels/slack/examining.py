"""`guardkit doctor slack`: whether the settings work, and what is missing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from guardkit.channels.finding import Finding
from guardkit.channels.slack.manifests import SCOPES
from guardkit.channels.slack.settings import APP_TOKEN, SIGNING_SECRET, Settings, bot_token, secret
from guardkit.errors import ConfigurationError

if TYPE_CHECKING:
    from guardkit.channels.slack.api import Clients
    from guardkit.channels.slack.channel import Slack

_CLOCK = 60.0
"""Seconds of difference that are worth telling; signatures are refused at 300."""


def examine(channel: Slack) -> Sequence[Finding]:
    """Look at a channel's settings, and ask Slack about each. Nothing is written anywhere.

    Args:
        channel: attached or not.
    """
    try:
        from guardkit.channels.slack.api import Clients  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError:
        return [_error("extra", "slack_sdk is not installed", "pip install guardkit[slack]")]
    settings = channel.settings
    try:
        token = bot_token(settings.token)
        app_token = secret(settings.app_token, APP_TOKEN)
        signing_secret = secret(settings.signing_secret, SIGNING_SECRET)
    except ConfigurationError as error:
        return [_error("token", error.message, error.remedy)]
    clients = Clients.of(token, base_url=settings.base_url, proxy=settings.proxy)
    return [
        *_token(clients),
        *(_conversation(clients, settings.conversation) if settings.conversation is not None else ()),
        *_transports(settings, app_token, signing_secret),
    ]


def _token(clients: Clients) -> Iterator[Finding]:
    from guardkit.channels.slack.api import SlackError, call  # noqa: PLC0415  # needs the extra

    try:
        identity = call(clients.updating, "auth.test")
    except SlackError as error:
        yield _error("token", error.message, error.remedy)
        return
    yield _ok("token", f"workspace {identity.text('team_id')}, bot user {identity.text('user_id')}")
    headers = identity.headers
    granted = {scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",") if scope.strip()}
    missing = sorted(set(SCOPES) - granted)
    if not granted:
        yield Finding(level="warning", subject="scopes", message="Slack does not say which scopes there are")
    elif missing:
        yield _error("scopes", f"missing: {', '.join(missing)}", "add them and install the app again")
    else:
        yield _ok("scopes", ", ".join(SCOPES))
    yield from _clock(headers)


def _clock(headers: Mapping[str, str]) -> Iterator[Finding]:
    try:
        apart = time.time() - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        yield Finding(level="warning", subject="clock", message="Slack does not say what time it is")
        return
    if abs(apart) > _CLOCK:
        yield _error(
            "clock",
            f"this machine's clock is {apart:+.0f} seconds off Slack's",
            "set it by NTP; signed requests are refused at 300",
        )
    else:
        yield _ok("clock", "agrees with Slack's")


def _conversation(clients: Clients, conversation: str) -> Iterator[Finding]:
    from guardkit.channels.slack.api import SlackError, call  # noqa: PLC0415  # needs the extra

    try:
        found = call(clients.updating, "conversations.info", {"channel": conversation})
    except SlackError as error:
        if error.said == "missing_scope":
            yield Finding(
                level="warning",
                subject="conversation",
                message="whether the bot is in it cannot be told without channels:read and groups:read",
            )
        else:
            yield _error("conversation", error.message, error.remedy)
        return
    if found.value("channel", "is_archived") is True:
        yield _error("conversation", f"{conversation} is archived", "unarchive it, or name another")
    elif found.value("channel", "is_member") is not True:
        yield _error("conversation", f"the bot is not in {conversation}", "/invite @guardkit")
    else:
        yield _ok("conversation", f"the bot is in {conversation}")


def _transports(settings: Settings, app_token: str | None, signing_secret: str | None) -> Iterator[Finding]:
    from guardkit.channels.slack.api import Clients  # noqa: PLC0415  # needs the extra
    from guardkit.channels.slack.sockets import checked  # noqa: PLC0415  # needs the extra

    if app_token is not None:
        clients = Clients.of(app_token, base_url=settings.base_url, proxy=settings.proxy)
        error = checked(clients)
        if error is None:
            yield _ok("socket mode", "the app token opens connections")
        else:
            yield _error("socket mode", error.message, error.remedy)
    if signing_secret is not None:
        yield _ok("http", f"{SIGNING_SECRET} is set; whether it is right shows at the first request")
    if app_token is None and signing_secret is None:
        yield Finding(
            level="warning",
            subject="answers",
            message=f"neither {APP_TOKEN} nor {SIGNING_SECRET} is set: answers come only through a Bolt app",
            remedy="set one of them, or call guardkit.channels.slack.register",
        )


def _ok(subject: str, message: str) -> Finding:
    return Finding(level="ok", subject=subject, message=message)


def _error(subject: str, message: str, remedy: str | None) -> Finding:
    return Finding(level="error", subject=subject, message=message, remedy=remedy)
