"""A Teams channel at work: its parts, put together once its secrets are known."""

from dataclasses import dataclass

import httpx

from guardkit.channels.host import ChannelHost
from guardkit.channels.teams.answering import Answering
from guardkit.channels.teams.bearer import Bearer
from guardkit.channels.teams.connector import Connector, Patience
from guardkit.channels.teams.contacts import Contacts
from guardkit.channels.teams.entra import Tokens
from guardkit.channels.teams.identity import Identities
from guardkit.channels.teams.keys import SigningKeys
from guardkit.channels.teams.outbox import Outbox
from guardkit.channels.teams.receiving import Receiving
from guardkit.channels.teams.settings import TeamsSettings

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
"""Seconds; a person may be waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """What sends and receives for one channel in one process."""

    outbox: Outbox
    receiving: Receiving
    tokens: Tokens
    keys: SigningKeys
    client: httpx.Client

    @classmethod
    def begin(cls, settings: TeamsSettings, host: ChannelHost) -> "Working":
        """Put it together. Nothing is asked of Microsoft before it is needed.

        Args:
            settings: where it posts, and whom it trusts.
            host: the process.

        Raises:
            ConfigurationError: app id, tenant id or secret are missing, or the certificates cannot be read.
        """
        bot = settings.bot()
        tenants = settings.tenants(bot)
        # Redirects are not followed: a token goes where it was meant to, or nowhere.
        client = httpx.Client(verify=settings.trust(), timeout=_TIMEOUT, follow_redirects=False)
        tokens = Tokens(settings, bot, client)
        keys = SigningKeys(client, settings.openid_metadata_url)
        connector = Connector(client, tokens, bot, Patience(first=settings.backoff), settings.trusts)
        contacts = Contacts(host.store, bot.app_id)
        identities = Identities(host.directory, connector, tenants.__contains__)
        return cls(
            outbox=Outbox(
                host,
                connector,
                contacts,
                bot_id=bot.id,
                conversation=settings.conversation,
                service_url=settings.service_url,
            ),
            receiving=Receiving(
                host,
                bearer=Bearer(keys, app_id=bot.app_id, issuer=settings.issuer),
                answering=Answering(host, identities),
                identities=identities,
                contacts=contacts,
                bot_id=bot.id,
                tenants=tenants,
                trusts=settings.trusts,
            ),
            tokens=tokens,
            keys=keys,
            client=client,
        )

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()
