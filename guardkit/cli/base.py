"""What all commands share: configuration, the database, loading the user's graph."""

import importlib
import inspect
import logging
import os
import sys
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
from guardkit.guard import Guard
from guardkit.langgraph.graph import GuardedGraph
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
    if found.encryption is not None and accepts_plain is not None:
        accepting = found.encryption.model_copy(update={"accepts_plain": accepts_plain})
        found = found.model_copy(update={"encryption": accepting})
    return Database.from_settings(found)


@contextmanager
def store() -> Generator[SQLStore]:
    """What is durable, in the configured database."""
    with database() as found:
        yield SQLStore(found)


def load(spec: str) -> tuple[Guard, list[GuardedGraph]]:
    """A guard and its graphs from `module:attribute`: a guarded graph, a `Guard`, or a function that makes one.

    Raises:
        ConfigurationError: there is no such module or attribute, or it is neither.
    """
    module_name, _, attribute = spec.partition(":")
    if not attribute:
        raise ConfigurationError(f"{spec!r} is not module:attribute")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{spec!r} cannot be loaded: {error}") from error
    if inspect.isfunction(found):
        found = found()
    if isinstance(found, Guard):
        return found, list(found.graphs.values())
    if isinstance(found, GuardedGraph) and isinstance(found.owner, Guard):
        return found.owner, [found]
    raise ConfigurationError(f"{spec!r} is a {type(found).__name__}, not a guarded graph or a Guard")
