"""Microsoft Teams as an approval channel."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from guardkit.channels.host import ChannelHost
from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.channels.teams.settings import METADATA_URL, SERVICE_URL, TeamsSettings
from guardkit.core.approvals import Approval
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError, ConfigurationError

if TYPE_CHECKING:
    from guardkit.channels.teams.working import Working


class Teams:
    """Asks people in Microsoft Teams, and takes their answers.

    Questions are Adaptive Cards that an Azure Bot posts: into one conversation, or to each approver personally. The
    bot's messaging endpoint is the inbox's address `/hooks/<name>`; several Teams channels of one app share one. Teams
    delivers only to people who have installed the app.

    App id, tenant id and secret come from the arguments, else from `GUARDKIT_TEAMS_APP_ID`,
    `GUARDKIT_TEAMS_TENANT_ID` and `GUARDKIT_TEAMS_SECRET`; they are read in a process that verifies people, when it
    begins to work.

    Args:
        conversation: id of the channel or chat to post in, `19:…`; by default each approver is written to, by the
            identity `entra:<object id>` that the directory has for them, else by e-mail address.
        name: the name by which policies call this channel.
        app_id: the app's (client) id.
        tenant_id: the Entra tenant of the app, which has to be single-tenant.
        secret: the app's client secret.
        service_url: where messages go until a conversation says otherwise.
        authority: where tokens come from; by default Microsoft's sign-in for the tenant.
        instance_discovery: whether msal asks Microsoft if `authority` is genuine; `False` for an authority of one's
            own.
        verify: a PEM file of certificates to trust instead of the system's.
        openid_metadata_url: where the keys of incoming requests are found; other clouds have their own.
        allowed_tenants: Entra tenants whose people may answer; by default the app's own.
        backoff: seconds before a request that Teams could not take is made again; doubles with each.

    Raises:
        ConfigurationError: an address is neither https nor this machine's.
    """

    def __init__(
        self,
        conversation: str | None = None,
        *,
        name: str = "teams",
        app_id: str | None = None,
        tenant_id: str | None = None,
        secret: str | SecretStr | None = None,
        service_url: str = SERVICE_URL,
        authority: str | None = None,
        instance_discovery: bool = True,
        verify: str | Path | None = None,
        openid_metadata_url: str | None = None,
        allowed_tenants: tuple[str, ...] = (),
        backoff: float = 0.5,
    ) -> None:
        self.name = name
        self.settings = TeamsSettings(
            conversation=conversation,
            app_id=app_id,
            tenant_id=tenant_id,
            secret=SecretStr(secret) if isinstance(secret, str) else secret,
            service_url=service_url,
            authority=authority,
            instance_discovery=instance_discovery,
            verify=verify,
            openid_metadata_url=openid_metadata_url or METADATA_URL,
            allowed_tenants=tuple(allowed_tenants),
            backoff=backoff,
        )
        self._working: Working | None = None

    def attach(self, host: ChannelHost) -> None:
        """Begin to work in this process.

        Raises:
            ConfigurationError: the extra `teams` is not installed, or app id, tenant id or secret are missing.
        """
        self.close()
        self._working = begin(self.settings, host)

    def close(self) -> None:
        """Let go of connections. The channel can be attached again."""
        working, self._working = self._working, None
        if working is not None:
            working.close()

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Post a question, or let its copies show how it stands; returns the hash of what was shown.

        Raises:
            ChannelError: some of it did not go out, or the channel is not attached; says what to do about it.
        """
        return self._at_work().outbox.send(delivery, approval)

    def receive(self, request: HttpRequest) -> HttpReply:
        """Take one request of the Bot Framework.

        Raises:
            StorageError: the database cannot be reached.
            ChannelError: the channel is not attached.
        """
        return self._at_work().receiving.receive(request)

    def _at_work(self) -> "Working":
        if self._working is None:
            raise ChannelError(
                f"channel {self.name!r} is not attached",
                remedy="use it in a process that verifies people: a worker or the inbox",
            )
        return self._working


def begin(settings: TeamsSettings, host: ChannelHost) -> "Working":
    """A Teams channel at work.

    Args:
        settings: where it posts, and whom it trusts.
        host: the process.

    Raises:
        ConfigurationError: as `Teams.attach`.
    """
    try:
        from guardkit.channels.teams.working import Working  # noqa: PLC0415  # an optional extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("httpx", "jwt", "msal"):
            raise
        raise ConfigurationError(
            f"channel {host.name!r} needs {error.name}", remedy="pip install guardkit[teams]"
        ) from error
    return Working.begin(settings, host)
