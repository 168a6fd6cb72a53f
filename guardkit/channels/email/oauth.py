"""Signing in to a mail server by OAuth, as Exchange Online asks for it. Needs msal."""

import os
import re
import smtplib
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from guardkit.errors import ChannelError, ConfigurationError, MissingKeyError

SECRET_VARIABLE = "GUARDKIT_SMTP_CLIENT_SECRET"  # noqa: S105  # the variable's name

_IDENTIFIER = re.compile(r"[a-z_]{1,40}")


class MailOAuth:
    """An application of Entra ID that sends mail in its own name (client credentials, SASL XOAUTH2).

    The token comes from msal, which keeps it until shortly before it is over.

    Args:
        tenant: directory (tenant) id.
        client_id: application (client) id.
        secret: client secret; by default `GUARDKIT_SMTP_CLIENT_SECRET` in the environment, read when the channel starts.
        authority: where tokens are issued, without the tenant.
        scope: what the token is for.
        instance_discovery: `False` for an authority that Microsoft does not list.
        ca_file: PEM file with the only certificates that the authority is trusted by; by default those of `certifi`.

    Raises:
        ConfigurationError: a setting cannot be used.
    """

    def __init__(
        self,
        *,
        tenant: str,
        client_id: str,
        secret: str | SecretStr | None = None,
        authority: str = "https://login.microsoftonline.com",
        scope: str = "https://outlook.office365.com/.default",
        instance_discovery: bool = True,
        ca_file: str | Path | None = None,
    ) -> None:
        for name, value in (("tenant", tenant), ("client_id", client_id), ("scope", scope)):
            if not value.strip():
                raise ConfigurationError(f"email.oauth.{name} is empty")
        if not authority.startswith("https://"):
            raise ConfigurationError(f"email.oauth.authority {authority!r} is not an https URL")
        self._tenant = tenant
        self._client_id = client_id
        self._given = SecretStr(secret) if isinstance(secret, str) else secret
        self._authority = authority.rstrip("/")
        self._scope = scope
        self._instance_discovery = instance_discovery
        self._ca_file = ca_file
        self._secret: SecretStr | None = None
        self._app: Any = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Read the secret, in a process that sends.

        Raises:
            MissingKeyError: there is none.
            ConfigurationError: msal is not installed.
        """
        if find_spec("msal") is None:
            raise ConfigurationError("email.oauth needs msal", remedy="pip install msal")
        variable = os.environ.get(SECRET_VARIABLE)
        self._secret = self._given or (SecretStr(variable) if variable else None)
        if self._secret is None:
            raise MissingKeyError("email.oauth has no client secret", remedy=f"set {SECRET_VARIABLE}")

    def sign_in(self, smtp: smtplib.SMTP, username: str) -> None:
        """Sign in to the server as a mailbox.

        The answer's form is Microsoft's and Google's "SASL XOAUTH2"; a second challenge is the server's refusal in
        JSON, which an empty line answers.

        Args:
            smtp: a connection that has said EHLO.
            username: the mailbox that mails are sent from.

        Raises:
            ChannelError: no token was issued.
        """
        said = f"user={username}\x01auth=Bearer {self._token()}\x01\x01"

        def answer(challenge: bytes | None = None) -> str:
            return said if challenge is None else ""

        smtp.auth("XOAUTH2", cast("Any", answer))

    def _token(self) -> str:
        import msal  # noqa: PLC0415  # only where OAuth is used  # pyright: ignore[reportMissingTypeStubs]

        with self._lock:
            try:
                if self._app is None:
                    self._app = cast("Any", msal).ConfidentialClientApplication(
                        self._client_id,
                        authority=f"{self._authority}/{self._tenant}",
                        client_credential=None if self._secret is None else self._secret.get_secret_value(),
                        instance_discovery=self._instance_discovery,
                        verify=True if self._ca_file is None else str(self._ca_file),
                    )
                answer = cast("Mapping[str, object]", self._app.acquire_token_for_client([self._scope]))
            except (OSError, ValueError) as error:  # requests' errors are OSErrors
                raise ChannelError(
                    f"email.oauth: no token could be asked for: {type(error).__name__}"
                ) from None
        token = answer.get("access_token")
        if isinstance(token, str):
            return token
        code = answer.get("error")
        named = code if isinstance(code, str) and _IDENTIFIER.fullmatch(code) else "no reason given"
        raise ChannelError(f"email.oauth: no token was issued: {named}")
