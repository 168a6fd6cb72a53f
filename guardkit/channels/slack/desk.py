"""The parts of an attached channel, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guardkit.channels.host import ChannelHost
from guardkit.channels.slack.api import Clients
from guardkit.channels.slack.copies import Copies
from guardkit.channels.slack.interactions import Interactions
from guardkit.channels.slack.people import People
from guardkit.channels.slack.receiving import Receiver
from guardkit.channels.slack.sending import Look, Sender
from guardkit.channels.slack.settings import Settings
from guardkit.channels.slack.sockets import Sockets
from guardkit.channels.slack.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackDesk:
    """A channel at work."""

    workspace: Workspace
    sender: Sender
    interactions: Interactions
    receiver: Receiver | None
    sockets: Sockets | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        host: ChannelHost,
        *,
        token: str,
        app_token: str | None,
        signing_secret: str | None,
        later: Callable[[Callable[[], None]], None],
    ) -> SlackDesk:
        """Put the parts together.

        Args:
            settings: what the channel is told.
            host: the process.
            token: the bot token.
            app_token: for Socket Mode.
            signing_secret: for HTTP.
            later: runs what is done after an answer by HTTP.

        Raises:
            ConfigurationError: Slack refuses the token.
            SlackError: Slack does not answer.
        """
        clients = Clients.of(token, base_url=settings.base_url, proxy=settings.proxy)
        workspace = Workspace.known_by(clients, app=settings.app_id)
        copies, people = Copies(host, workspace), People(host, workspace)
        look = Look(conversation=settings.conversation, confirm=settings.confirm, values=settings.values)
        sender = Sender(host, copies, people, look)
        interactions = Interactions(host, workspace, copies, people, sender)
        receiver = (
            None if signing_secret is None else Receiver(host, signing_secret, interactions.take, later)
        )
        sockets = (
            None
            if app_token is None
            else Sockets(
                Clients.of(app_token, base_url=settings.base_url, proxy=settings.proxy),
                app_token,
                interactions.take,
                proxy=settings.proxy,
            )
        )
        return cls(
            workspace=workspace,
            sender=sender,
            interactions=interactions,
            receiver=receiver,
            sockets=sockets,
        )
