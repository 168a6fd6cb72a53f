"""Response URLs: up to five messages within half an hour of an interaction."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from guardkit.core.values import JsonObject
from guardkit.testing.slack.arguments import blocks_of, switch, text_of
from guardkit.testing.slack.blocks import identified
from guardkit.testing.slack.values import Ephemeral, SlackRefusal
from guardkit.testing.slack.workspace import Workspace

USES = 5
LIFETIME_SECONDS = 1800.0


@dataclass(slots=True)
class _ResponseUrl:
    channel: str
    user: str
    ts: str | None
    expires: float
    left: int = USES


class ResponseUrls:
    """Makes response URLs, and does what is posted to them.

    Args:
        workspace: where messages go.
        clock: seconds since the epoch.
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float]) -> None:
        self._workspace = workspace
        self._clock = clock
        self._urls: dict[str, _ResponseUrl] = {}
        self._lock = threading.Lock()

    def make(self, channel: str, user: str, ts: str | None) -> str:
        """The path of a new response URL.

        Args:
            channel: where answers go.
            user: who acted.
            ts: the message on which they acted; `None` for a command.
        """
        path = f"/actions/{self._workspace.team_id}/{secrets.token_hex(12)}"
        with self._lock:
            self._urls[path] = _ResponseUrl(
                channel=channel, user=user, ts=ts, expires=self._clock() + LIFETIME_SECONDS
            )
        return path

    def use(self, path: str, body: JsonObject) -> None:
        """Do what was posted.

        Raises:
            SlackRefusal: `invalid_url`, `used_url`, `expired_url`, or a fault in the message.
        """
        with self._lock:
            url = self._urls.get(path)
            if url is None:
                raise SlackRefusal("invalid_url")
            if self._clock() >= url.expires:
                raise SlackRefusal("expired_url")
            if url.left == 0:
                raise SlackRefusal("used_url")
            url.left -= 1
        self.say(body, channel=url.channel, user=url.user, ts=url.ts)

    def say(self, body: JsonObject, *, channel: str, user: str, ts: str | None) -> None:
        """Write, replace or delete a message, as the body says.

        Args:
            body: `text`, `blocks`, `response_type`, `replace_original`, `delete_original`.
            channel: where.
            user: who alone sees it, unless `response_type` is `in_channel`.
            ts: the original message.

        Raises:
            SlackRefusal: there is nothing to say, or the blocks are not valid.
        """
        workspace = self._workspace
        blocks, text = blocks_of(body), text_of(body)
        stored = identified(blocks, workspace.names())
        with workspace.lock:
            original = workspace.message(channel, ts) if ts is not None else None
            if original is not None and switch(body, "delete_original"):
                workspace.delete(original)
                return
            if not text.strip() and not stored:
                raise SlackRefusal("no_text")
            if original is not None and switch(body, "replace_original"):
                workspace.update(original, text, blocks=stored, metadata=original.metadata, marked=not stored)
            elif body.get("response_type") == "in_channel":
                workspace.post(channel, workspace.bot.id, text, blocks=stored)
            else:
                workspace.whisper(
                    Ephemeral(channel=channel, user=user, ts=workspace.stamp(), text=text, blocks=stored)
                )
