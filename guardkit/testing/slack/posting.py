"""The request URL: signed POSTs to the app, as Slack sends them without Socket Mode."""

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from guardkit.core.values import Json
from guardkit.testing.slack.values import Ack

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def signature_headers(body: str, *, timestamp: str, secret: str) -> dict[str, str]:
    """The headers of a request of Slack.

    Args:
        body: the body, exactly as it is sent.
        timestamp: seconds since the epoch, as text, so that a test can send what is no number.
        secret: the app's signing secret.
    """
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def check_request_url(url: str) -> None:
    """Refuse an address that is not on this machine.

    Raises:
        ValueError: it is not `http://` and loopback.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        raise ValueError(f"the request URL must be http:// and loopback, not {url!r}")


def post(url: str, body: str, headers: Mapping[str, str], *, seconds: float) -> Ack:
    """Send a request to the app; acknowledged means status 200 within the deadline.

    Args:
        url: the request URL.
        body: what is sent.
        headers: with which headers.
        seconds: the deadline.
    """
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    begun = time.monotonic()
    try:
        connection.request("POST", target, body=body.encode(), headers=dict(headers))
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return Ack(
            acknowledged=False,
            seconds=time.monotonic() - begun,
            reason="no answer in time" if isinstance(error, TimeoutError) else "no answer",
        )
    finally:
        connection.close()
    taken = time.monotonic() - begun
    reason = None
    if taken > seconds:
        reason = "no answer in time"
    elif answer.status != http.client.OK:
        reason = f"status {answer.status}"
    return Ack(
        acknowledged=reason is None,
        seconds=taken,
        response=_answer(content),
        status=answer.status,
        reason=reason,
    )


def _answer(content: bytes) -> Json:
    text = content.decode(errors="replace").strip()
    if not text:
        return None
    try:
        found: Json = json.loads(text)
    except ValueError:
        return text
    return found
