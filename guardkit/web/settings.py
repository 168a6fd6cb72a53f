"""How the inbox is set up, and when it refuses to be built."""

import ipaddress
import secrets
from functools import cached_property
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr

from guardkit.core.values import Value
from guardkit.errors import ConfigurationError, MissingKeyError

KEY_LENGTH = 32
"""The fewest characters of a key."""


class WebSettings(Value):
    """How the inbox is set up. `inbox` checks it: on loopback little is needed, for others everything."""

    url: str = "http://127.0.0.1:8321"
    """Where people reach it: scheme, host and port, without a path. Not on loopback it must be https."""

    keys: tuple[SecretStr, ...] = ()
    """Secrets of at least 32 characters that sign sessions, links and form tokens. The first one signs; the others,
    retired ones, still verify."""

    hosts: tuple[str, ...] = ()
    """Further values of the Host header to answer to, e.g. `inbox.internal:8443`; the URL's own is known."""

    session_seconds: float = Field(default=8 * 3600.0, gt=0)
    """How long a sign-in lasts."""

    link_seconds: float = Field(default=15 * 60.0, gt=0)
    """How long a one-time link can be used."""

    page_size: int = Field(default=25, ge=1, le=200)
    """Approvals on one page of a list."""

    body_limit: int = Field(default=256 * 1024, ge=4096)
    """Bytes of the largest form that is read."""

    timezone: str = "UTC"
    """The zone that times are shown in, e.g. `Europe/Lisbon`."""

    name: str = Field(default="guardkit", max_length=60)
    """What the inbox calls itself."""

    @classmethod
    def for_demo(cls, url: str = "http://127.0.0.1:8321") -> "WebSettings":
        """Settings with a new random key, for this process on this machine.

        Args:
            url: a URL on loopback.

        Raises:
            ConfigurationError: the URL is not on loopback; others need keys that are configured.
        """
        settings = cls(url=url, keys=(SecretStr(secrets.token_urlsafe(KEY_LENGTH)),))
        if not settings.loopback:
            raise ConfigurationError(
                f"web.url {url!r} is not on loopback, and keys are invented only for loopback",
                remedy="configure web.keys",
            )
        return settings

    @cached_property
    def _split(self) -> SplitResult:
        try:
            split = urlsplit(self.url)
            known = split.scheme in ("http", "https") and split.hostname and split.port != 0
        except ValueError:
            split, known = SplitResult("", "", "", "", ""), False
        bare = split.path in ("", "/") and not split.query and not split.fragment and "@" not in split.netloc
        if not (known and bare):
            raise ConfigurationError(
                f"web.url {self.url!r} is not scheme, host and port",
                remedy="e.g. https://approvals.corp.example",
            )
        return split

    @property
    def secure(self) -> bool:
        """Whether people reach it by https."""
        return self._split.scheme == "https"

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        host = self._split.hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as links begin."""
        return f"{self._split.scheme}://{self._split.netloc}"

    @property
    def port(self) -> int:
        """The port in the URL, or the scheme's own."""
        return self._split.port or (443 if self.secure else 80)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Every value of the Host header that is answered, in lower case."""
        names = {self._split.netloc.casefold(), *(host.casefold() for host in self.hosts)}
        if self.loopback:
            names |= {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        default = ":443" if self.secure else ":80"
        bare = {name.removesuffix(default) for name in names}
        return frozenset(names | bare | {f"{name}{default}" for name in bare if not _has_port(name)})

    @property
    def allowed_origins(self) -> frozenset[str]:
        """Every value of the Origin header that may post."""
        return frozenset(f"{self._split.scheme}://{host}" for host in self.allowed_hosts)

    @property
    def signing_keys(self) -> list[str]:
        """The keys, the one that signs last."""
        return [key.get_secret_value() for key in reversed(self.keys)]

    def check(self, *, local_sign_in: bool) -> None:
        """Refuse settings that would serve people unsafely.

        Args:
            local_sign_in: whether the only sign-in is the one for operators at the machine itself.

        Raises:
            MissingKeyError: `web.keys` is empty.
            ConfigurationError: the setting that it names cannot be used.
        """
        if not self.loopback and not self.secure:
            raise ConfigurationError(
                f"web.url {self.url!r} is neither on loopback nor https", remedy="serve others by https"
            )
        if not self.loopback and local_sign_in:
            raise ConfigurationError(
                f"web.sign_in: one-time links are for operators at the machine, and web.url {self.url!r} is for others",
                remedy="configure a sign-in that knows people",
            )
        if not self.keys:
            raise MissingKeyError("web.keys is empty", remedy="configure a secret of at least 32 characters")
        for place, key in enumerate(self.keys):
            length = len(key.get_secret_value())
            if length < KEY_LENGTH:
                raise ConfigurationError(
                    f"web.keys[{place}] has {length} characters, {KEY_LENGTH} are needed",
                    remedy="`guardkit keys new` makes one",
                )
        self.zone()

    def zone(self) -> ZoneInfo:
        """The zone that times are shown in.

        Raises:
            ConfigurationError: there is no such zone.
        """
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"web.timezone {self.timezone!r} is not a time zone", remedy="e.g. Europe/Lisbon"
            ) from error


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit() and not host.endswith("]")
