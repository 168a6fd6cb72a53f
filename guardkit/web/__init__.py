"""The web inbox: where people see what waits for them, and decide. Needs the extra `web`."""

from guardkit.web.app import inbox
from guardkit.web.oidc import OIDC
from guardkit.web.proxy import TrustedProxy
from guardkit.web.settings import WebSettings
from guardkit.web.signin import Door, LinkRefusedError, OneTimeLink, SignIn

__all__ = [
    "OIDC",
    "Door",
    "LinkRefusedError",
    "OneTimeLink",
    "SignIn",
    "TrustedProxy",
    "WebSettings",
    "inbox",
]
