"""The HTTP API of the inbox: the same as JSON, for callers with a token."""

from guardkit.web.api.app import BesideInbox, http_api
from guardkit.web.api.openapi import document

__all__ = ["BesideInbox", "document", "http_api"]
