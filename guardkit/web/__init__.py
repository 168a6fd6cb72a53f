"""The web inbox: where people see what waits for them, and decide. Needs the extra `web`."""

from guardkit.web.app import inbox
from guardkit.web.settings import WebSettings
from guardkit.web.signin import Door, LinkRefusedError, OneTimeLink, SignIn

__all__ = ["Door", "LinkRefusedError", "OneTimeLink", "SignIn", "WebSettings", "inbox"]
