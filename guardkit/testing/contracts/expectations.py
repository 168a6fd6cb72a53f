"""Saying what is expected, so that a failure tells what came instead."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any


def expect(actual: object, expected: object, what: str) -> None:
    """Raise `AssertionError` unless two values are equal."""
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def holds(condition: bool, what: str) -> None:  # reads like `assert`
    """Raise `AssertionError` unless a condition is true."""
    if not condition:
        raise AssertionError(what)


def there(value: Any, what: str) -> Any:
    """The value, which must not be `None`."""
    if value is None:
        raise AssertionError(f"{what}: got None")
    return value


@contextmanager
def refused(kind: type[Exception], what: str) -> Generator[None]:
    """Raise `AssertionError` unless the block raises exactly this kind of error, or a kind of it."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{what}: expected {kind.__name__}, nothing was raised")


def at_once(calls: Sequence[Callable[[], Any]], *, timeout: float = 60.0) -> list[Any]:
    """Make calls at the same instant, each in a thread of its own.

    Args:
        calls: what to call.
        timeout: seconds that all of them together may take.

    Returns:
        What each returned, or the exception that it raised, in order.
    """
    gate = threading.Barrier(len(calls))
    outcomes: list[Any] = [AssertionError("the call did not end in time")] * len(calls)

    def run(index: int) -> None:
        gate.wait(timeout)
        try:
            outcomes[index] = calls[index]()
        except Exception as error:  # noqa: BLE001  # handed to the caller
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
    return outcomes
