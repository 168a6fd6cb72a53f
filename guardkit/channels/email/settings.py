"""What a mail channel's settings must be. Each message names the setting, its value and the remedy."""

import ipaddress
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import SecretStr

from guardkit.channels.email.smtp import Security
from guardkit.errors import ConfigurationError, MissingKeyError

PASSWORD_VARIABLE = "GUARDKIT_SMTP_PASSWORD"  # noqa: S105  # the variable's name

_KEY_LENGTH = 32


def check_server(host: str, port: int, security: Security) -> None:
    """Refuse a mail server that cannot be used, or only unsafely.

    Raises:
        ConfigurationError: host, port or security is unusable.
    """
    if not host.strip():
        raise ConfigurationError("email.host is empty")
    if not 0 < port < 65536:
        raise ConfigurationError(f"email.port {port} is not 1 to 65535")
    if security not in ("starttls", "tls", "none"):
        raise ConfigurationError(f"email.security {security!r} is not starttls, tls or none")
    if security == "none" and not _is_loopback(host):
        raise ConfigurationError(
            f"email.security 'none' is only for loopback, and email.host is {host!r}", remedy="use starttls"
        )


def seconds(name: str, value: float) -> float:
    """A length of time.

    Raises:
        ConfigurationError: it is not positive and finite.
    """
    if not 0 < value < float("inf"):
        raise ConfigurationError(f"email.{name} {value!r} is not a positive number of seconds")
    return value


def zone(name: str) -> ZoneInfo:
    """A time zone.

    Raises:
        ConfigurationError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"email.timezone {name!r} is not a time zone", remedy="e.g. Europe/Lisbon"
        ) from error


def password_of(given: SecretStr | None) -> SecretStr:
    """The password, from the environment unless it is given.

    Raises:
        MissingKeyError: there is none.
        ConfigurationError: it is not ASCII.
    """
    variable = os.environ.get(PASSWORD_VARIABLE)
    password = given or (SecretStr(variable) if variable else None)
    if password is None:
        raise MissingKeyError("email.password is not configured", remedy=f"set {PASSWORD_VARIABLE}")
    if not password.get_secret_value().isascii():
        raise ConfigurationError(
            "email.password is not ASCII, and AUTH carries no other", remedy="choose another"
        )
    return password


def check_username(username: str | None) -> None:
    """Refuse a name that nobody can sign in by.

    Raises:
        ConfigurationError: it is not ASCII.
    """
    if username is not None and not (username.isascii() and username.isprintable() and username.strip()):
        raise ConfigurationError(f"email.username {username!r} is not printable ASCII")


def tls_context(ca_file: str | Path | None) -> ssl.SSLContext:
    """Trusts the system's certificates, or only those of a file.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise ConfigurationError(
            f"email.ca_file {str(ca_file)!r} cannot be used: {type(error).__name__}", remedy="name a PEM file"
        ) from error


def inbox_url(url: str | None) -> str:
    """Where links lead to, without a slash at the end.

    Raises:
        ConfigurationError: there is no inbox, or links would lead to it in the clear.
    """
    try:
        split = urlsplit(url or "")
    except ValueError:
        split = urlsplit("")
    if url is None or not split.hostname:
        raise ConfigurationError(
            "email: mails lead to the web inbox, and its URL is not configured",
            remedy="pass decide_at= to Guard, or set GUARDKIT_INBOX_URL",
        )
    if split.scheme != "https" and not (split.scheme == "http" and _is_loopback(split.hostname)):
        raise ConfigurationError(
            f"email: the inbox {url!r} is neither https nor on loopback, and links to it decide",
            remedy="serve it by https",
        )
    return url.rstrip("/")


def link_key(secret: SecretStr | None) -> SecretStr:
    """The secret that links are signed with.

    Raises:
        MissingKeyError: there is none that is long enough.
    """
    if secret is None or len(secret.get_secret_value()) < _KEY_LENGTH:
        raise MissingKeyError(
            f"email: links in mails need a web secret of at least {_KEY_LENGTH} characters",
            remedy="set GUARDKIT_WEB_SECRET",
        )
    return secret


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
