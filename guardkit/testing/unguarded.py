"""Running guarded tools in unit tests, past their gate."""

from collections.abc import Generator
from contextlib import contextmanager

from guardkit.runtime.tools import UNGUARDED


@contextmanager
def run_unguarded() -> Generator[None]:
    """Inside, guarded tools run without a guarded run, policy or ledger. For unit tests of the tools themselves."""
    token = UNGUARDED.set(True)
    try:
        yield
    finally:
        UNGUARDED.reset(token)
