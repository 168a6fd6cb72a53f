"""Loading the user's graph."""

import importlib
import inspect
import sys
from pathlib import Path

from guardkit.errors import ConfigurationError
from guardkit.guard import Guard
from guardkit.langgraph.graph import GuardedGraph


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
