"""Somebody's own Bolt app, with guardkit's answers in it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from guardkit.channels.slack.channel import Slack
from guardkit.channels.slack.manifests import COMMAND

_OURS = re.compile(r"gk_")


class BoltApp(Protocol):
    """What is used of `slack_bolt.App`."""

    def action(self, constraints: Any) -> Callable[..., Any]:
        """Listen to buttons."""
        ...

    def view(self, constraints: Any) -> Callable[..., Any]:
        """Listen to modals."""
        ...

    def command(self, command: Any) -> Callable[..., Any]:
        """Listen to a slash command."""
        ...


def register(app: BoltApp, channel: Slack, *, command: str | None = COMMAND) -> None:
    """Let a Bolt app bring guardkit's buttons, modals and command to the channel.

    Slack hands each payload of Socket Mode to one of an app's connections, so an app that is already connected has to
    bring them. Then the channel gets neither `SLACK_APP_TOKEN` nor `SLACK_SIGNING_SECRET`, and the bot token of the same
    app. The process has to be one that the channel is attached in, such as a worker's.

    Args:
        app: a `slack_bolt.App`; its own listeners stay as they are.
        channel: the approval channel.
        command: the slash command that lists what waits for somebody; `None` for none.
    """

    def listener(ack: Callable[..., Any], body: Mapping[str, Any]) -> None:
        taken = channel.take(body)
        if taken.body is None:
            ack()
        else:
            ack(**taken.body)
        if taken.after is not None:
            taken.after()

    app.action(_OURS)(listener)
    app.view(_OURS)(listener)
    if command is not None:
        app.command(command)(listener)
