"""What all commands share: configuration and the database."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from guardkit import logs
from guardkit.core.people import Directory
from guardkit.core.settings import Settings, load_settings
from guardkit.core.visible import visible
from guardkit.core.wording import Tone
from guardkit.errors import ConfigurationError, GuardkitError
from guardkit.policy import Policy
from guardkit.sql import Database, SQLStore

out = Console()
err = Console(stderr=True)

STYLES: dict[Tone, str] = {"plain": "", "good": "green", "held": "yellow", "bad": "bold red"}
"""How what happened is coloured."""

Operator = Annotated[str, typer.Option("--by", help="Who does it; goes into the audit log.")]


def complain(error: GuardkitError) -> None:
    """Say in one line what is wrong, never with a traceback."""
    if logs.in_json():
        logging.getLogger("guardkit").critical("%s: %s", error.code, error)
        return
    err.print(f"[bold red]{error.code}[/] {escape(visible(str(error)))}", soft_wrap=True, highlight=False)


def settings() -> Settings:
    """What this folder and the environment configure."""
    return load_settings(os.environ, Path.cwd())


def directory() -> Directory:
    """The people of the configured policy.

    Raises:
        ConfigurationError: it names no directory.
    """
    people = Policy.from_file(settings().need_policy()).directory
    if people is None:
        raise ConfigurationError("the policy names no directory of people")
    return people


def database(*, accepts_plain: bool | None = None) -> Database:
    """The configured database, with its keys. Whoever asks for it closes it.

    Args:
        accepts_plain: whether values in clear are read too; as configured when `None`.

    Raises:
        ConfigurationError: none is configured.
    """
    found = settings()
    encryption = found.encryption
    if encryption is not None and accepts_plain is not None:
        encryption = encryption.model_copy(update={"accepts_plain": accepts_plain})
    return Database.from_settings(found.model_copy(update={"encryption": encryption}))


@contextmanager
def store() -> Generator[SQLStore]:
    """What is durable, in the configured database."""
    with database() as found:
        yield SQLStore(found)
