"""What is loaded when somebody asks for it, so that nobody waits for what they do not use.

guardkit rests on LangGraph and SQLAlchemy, which take a second to import; a command line that prints its help needs neither.
"""

import importlib
import sys
from collections.abc import Callable, Mapping


def found(place: str) -> object:
    """What is at `module:attribute`, imported now."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def on_demand(module: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A module's `__getattr__` (PEP 562) that imports a name from its home at the first use, and keeps it.

    Args:
        module: whose names they are.
        homes: the modules in which they are, by name.
    """

    def get(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = found(f"{home}:{name}")
        setattr(sys.modules[module], name, value)
        return value

    return get


def listed(module: str, homes: Mapping[str, str]) -> Callable[[], list[str]]:
    """A module's `__dir__`: what it holds, and what it would load."""
    return lambda: sorted({*vars(sys.modules[module]), *homes})
