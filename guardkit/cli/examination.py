"""What `guardkit doctor` looks at."""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from guardkit.channels import Slack, Teams
from guardkit.channels.finding import Finding as ChannelFinding
from guardkit.channels.slack.examining import examine as examine_slack
from guardkit.channels.teams.examining import examine as examine_teams
from guardkit.core.settings import PRIVATE, Settings
from guardkit.core.values import Value
from guardkit.errors import ConfigurationError, GuardkitError
from guardkit.langgraph.canary import check_insides
from guardkit.policy import Policy
from guardkit.sql import Database, standing
from guardkit.sql.news import try_news

PACKAGES = ("guardkit", "langgraph", "langchain-core", "langgraph-checkpoint", "sqlalchemy", "pydantic")


class Finding(Value):
    """One thing that was looked at."""

    what: str
    ok: bool
    says: str
    warns: bool = False
    """Whether it deserves a look although nothing is wrong."""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; one failure hides no other."""
    return [
        _try("python", lambda: sys.version.split()[0]),
        _try("versions", _versions),
        _try("langgraph insides", _insides),
        _try("database", lambda: _database(settings)),
        _try("news", lambda: _news(settings)),
        *_replica(settings),
        _try("policy", lambda: _policy(settings)),
        *_keys(settings),
    ]


def examine_runs(settings: Settings) -> list[Finding]:
    """Look at whether tools, which run in this process or one like it, could read what they must not have."""
    given = dict(zip(PRIVATE, (settings.keys.decision_key, settings.keys.web_secret), strict=True))
    held = " and ".join(name for name, secret in given.items() if secret is not None)
    if not held or settings.database is None or settings.database.startswith("sqlite"):
        return []
    says = (
        f"{held} must not be where graphs run, on a database that others share: tools could make up what people say. "
        "Right only where this runs none: the inbox, a worker without the part runs, an operator"
    )
    return [Finding(what="keys: private ones", ok=True, warns=True, says=says)]


def examine_channels(channels: Mapping[str, object]) -> list[Finding]:
    """Look at the settings of the channels that know how, and ask their messengers. Nothing is written anywhere."""
    found: list[Finding] = []
    for name, channel in channels.items():
        try:
            found += [_of_channel(name, one) for one in _look_at(channel)]
        except GuardkitError as error:
            found.append(Finding(what=f"channel {name}", ok=False, says=str(error)))
    return found


def _look_at(channel: object) -> Sequence[ChannelFinding]:
    match channel:
        case Slack():
            return examine_slack(channel)
        case Teams():
            return examine_teams(channel)
        case _:
            return ()


def _of_channel(name: str, found: ChannelFinding) -> Finding:
    says = found.message if found.remedy is None else f"{found.message} ({found.remedy})"
    return Finding(what=f"channel {name}: {found.subject}", ok=found.level != "error", says=says)


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what=what, ok=True, says=look())
    except GuardkitError as error:
        return Finding(what=what, ok=False, says=str(error))
    except Exception as error:  # noqa: BLE001  # a doctor reports what it finds
        return Finding(what=what, ok=False, says=type(error).__name__)


def _versions() -> str:
    found: list[str] = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


def _insides() -> str:
    check_insides()
    return "a blocked canary tool stays blocked"


def _database(settings: Settings) -> str:
    with Database.from_settings(settings) as configured:
        found = standing(configured)
    if not found.fits:
        raise ConfigurationError(str(found))
    return str(found)


def _news(settings: Settings) -> str:
    with Database.from_settings(settings) as configured:
        return try_news(configured)


def _replica(settings: Settings) -> list[Finding]:
    if settings.database_replica is None:
        return []

    def look() -> str:
        with Database.from_settings(settings) as configured:
            return "" if configured.replica is None else configured.replica.standing()

    return [_try("replica", look)]


def _policy(settings: Settings) -> str:
    policy = Policy.from_file(settings.need_policy())
    return f"{policy.name} {policy.version} from {Path(settings.need_policy()).name}, {policy.hash[:12]}"


def _keys(settings: Settings) -> list[Finding]:
    keys = settings.keys
    roles = {
        "decisions count": (bool(keys.decision_public_keys), "GUARDKIT_DECISION_PUBLIC_KEYS"),
        "this process may take decisions": (keys.decision_key is not None, "GUARDKIT_DECISION_KEY"),
        "audit heads can be checked": (bool(keys.audit_public_keys), "GUARDKIT_AUDIT_PUBLIC_KEYS"),
    }
    found = [
        # A missing private key is right in the agent's process, so it is told, not held against anybody.
        Finding(what=f"keys: {what}", ok=True, says="yes" if there else f"no: {variable} is not set here")
        for what, (there, variable) in roles.items()
    ]
    if keys.decision_key is not None:
        own = keys.decision_signer().public_key
        counts = own in keys.decision_public_keys
        says = "yes" if counts else "no: its public key is not among GUARDKIT_DECISION_PUBLIC_KEYS"
        found.append(Finding(what="keys: own decisions count", ok=counts, says=says))
    return found
