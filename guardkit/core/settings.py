"""One configuration for agent, worker, web and command line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pydantic import Field, SecretStr, ValidationError

from guardkit.core.encryption import Encryption
from guardkit.core.keys import Keys
from guardkit.core.values import Value
from guardkit.errors import ConfigurationError

FILE = "guardkit.toml"

REPLICA_LAG = 5.0
"""Seconds that what is read from a replica may be old, unless it is said otherwise."""

_SECRETS = {
    "decision_key": "GUARDKIT_DECISION_KEY",
    "audit_key": "GUARDKIT_AUDIT_KEY",
    "web_secret": "GUARDKIT_WEB_SECRET",
}
PRIVATE = (_SECRETS["decision_key"], _SECRETS["web_secret"])
"""Variables of the secrets with which a process can say what people have not said."""

_SEALING = {
    "encryption_key": "GUARDKIT_ENCRYPTION_KEY",
    "encryption_old_keys": "GUARDKIT_ENCRYPTION_OLD_KEYS",
}
_FLAGS = {"encryption_accepts_plain": "GUARDKIT_ENCRYPTION_ACCEPTS_PLAIN"}
_LISTS = {
    "decision_public_keys": "GUARDKIT_DECISION_PUBLIC_KEYS",
    "audit_public_keys": "GUARDKIT_AUDIT_PUBLIC_KEYS",
}
_PLAIN = {
    "database": "GUARDKIT_DATABASE",
    "database_schema": "GUARDKIT_DATABASE_SCHEMA",
    "database_listen": "GUARDKIT_DATABASE_LISTEN",
    "database_replica": "GUARDKIT_DATABASE_REPLICA",
    "database_replica_lag": "GUARDKIT_DATABASE_REPLICA_LAG",
    "policy": "GUARDKIT_POLICY",
    "inbox_url": "GUARDKIT_INBOX_URL",
    "person": "GUARDKIT_PERSON",
}


class Settings(Value):
    """What `guardkit.toml` and the environment say. The environment wins; secrets come from it or from files."""

    database: str | None = None
    """SQLAlchemy URL. `GUARDKIT_DATABASE`."""

    database_schema: str | None = None
    """The PostgreSQL schema that the tables are in. `GUARDKIT_DATABASE_SCHEMA`."""

    database_listen: str | None = None
    """URL of the same database for `LISTEN`, past a pooler. `GUARDKIT_DATABASE_LISTEN`."""

    database_replica: str | None = None
    """URL of a streaming replica, from which lists are read. `GUARDKIT_DATABASE_REPLICA`."""

    database_replica_lag: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Seconds that what is read there may be old. `GUARDKIT_DATABASE_REPLICA_LAG`."""

    policy: str | None = None
    """Path of the policy file. `GUARDKIT_POLICY`."""

    inbox_url: str | None = None
    """Where people decide. `GUARDKIT_INBOX_URL`."""

    person: str | None = None
    """Who sits at the command line, as the people directory knows them; names nobody in a decision. `GUARDKIT_PERSON`."""

    keys: Keys = Keys()

    encryption: Encryption | None = None
    """Keys for what is stored. `GUARDKIT_ENCRYPTION_KEY` and `GUARDKIT_ENCRYPTION_OLD_KEYS`."""

    def need_database(self) -> str:
        """The database's URL.

        Raises:
            ConfigurationError: none is configured.
        """
        if self.database is None:
            raise ConfigurationError(
                "no database is configured", remedy="set GUARDKIT_DATABASE, or database in guardkit.toml"
            )
        return self.database

    def need_policy(self) -> str:
        """The policy's path.

        Raises:
            ConfigurationError: none is configured.
        """
        if self.policy is None:
            raise ConfigurationError(
                "no policy is configured", remedy="set GUARDKIT_POLICY, or policy in guardkit.toml"
            )
        return self.policy


def load_settings(environment: Mapping[str, str], folder: Path, *, deciding: bool = True) -> Settings:
    """Read `guardkit.toml` in a folder, if there is one, and the environment.

    A secret may be given in the environment as `NAME` or as `NAME_FILE`, a file that holds it. The TOML file may
    name such a file (`decision_key_file = "…"`) and never holds a secret itself.

    Args:
        environment: variables.
        folder: where the file is.
        deciding: whether the decision key is read too; a process that takes no answers does without.

    Raises:
        ConfigurationError: the file is not TOML, has an unknown entry, or names a file that cannot be read.
    """
    path = folder / FILE
    written = _toml(path)
    values: dict[str, object] = {name: written.pop(name, None) for name in _PLAIN}
    keys: dict[str, object] = {}
    for name, variable in _SECRETS.items():
        if name == "decision_key" and not deciding:
            written.pop(f"{name}_file", None)
            continue
        text = _given(environment, folder, written, name, variable)
        if text:
            keys[name] = SecretStr(text)
    encryption = _encryption(environment, folder, written)
    for name, variable in _LISTS.items():
        given = environment.get(variable)
        listed = written.pop(name, ())
        keys[name] = tuple(part.strip() for part in given.split(",")) if given else listed
    if written:
        unknown = ", ".join(sorted(written))
        raise ConfigurationError(f"{FILE}: unknown entry {unknown}", remedy="see the configuration reference")
    for name, variable in _PLAIN.items():
        if environment.get(variable):
            values[name] = environment[variable]
        elif name == "policy" and values[name]:
            values[name] = str(folder / str(values[name]))
    try:
        return Settings.model_validate({**values, "keys": keys, "encryption": encryption})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{FILE} or environment: {where}: {first['msg']}") from None


def _given(
    environment: Mapping[str, str], folder: Path, written: dict[str, object], name: str, variable: str
) -> str | None:
    """A secret from a variable, or from the file that one or the TOML file names."""
    named = written.pop(f"{name}_file", None)
    text = environment.get(variable)
    file = environment.get(f"{variable}_FILE") or (str(folder / str(named)) if named else None)
    return _secret(Path(file), f"{variable}_FILE") if text is None and file is not None else text


def _encryption(
    environment: Mapping[str, str], folder: Path, written: dict[str, object]
) -> Encryption | None:
    key, old = (
        _given(environment, folder, written, name, variable) or "" for name, variable in _SEALING.items()
    )
    ((flag, variable),) = _FLAGS.items()
    said = written.pop(flag, False)
    plain = environment.get(variable) or str(said).lower()
    if plain not in ("true", "false"):
        raise ConfigurationError(f"{flag} is {plain!r}", remedy="true or false")
    if not key:
        if old or plain == "true":
            raise ConfigurationError(
                f"{'encryption_old_keys' if old else flag} is set, and no key encrypts",
                remedy="set GUARDKIT_ENCRYPTION_KEY",
            )
        return None
    keys = (key, *(part for part in old.replace(",", " ").split() if part != key))
    return Encryption(keys=tuple(map(SecretStr, keys)), accepts_plain=plain == "true")


def _toml(path: Path) -> dict[str, object]:
    if not path.exists():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from error
    section: object = document.pop("guardkit", {})
    if document or not isinstance(section, dict):
        raise ConfigurationError(f"{path.name}: entries belong under [guardkit]")
    return cast("dict[str, object]", section)


def _secret(path: Path, variable: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{variable} names a file that cannot be read: {type(error).__name__}"
        ) from error
