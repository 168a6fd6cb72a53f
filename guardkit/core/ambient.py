"""What log lines say of the run in which they are written.

Whoever runs agents tells; the log asks. Neither imports the other: a process that runs no agent loads nothing of one.
"""

from collections.abc import Callable, Mapping

_TELLERS: list[Callable[[], Mapping[str, str]]] = []


def tells_of_runs(teller: Callable[[], Mapping[str, str]]) -> Callable[[], Mapping[str, str]]:
    """Decorate what knows the run that this code is part of: `agent`, `thread_id` and `run_id`, or nothing."""
    _TELLERS.append(teller)
    return teller


def of_the_run() -> Mapping[str, str]:
    """The run that this code is part of."""
    return {name: value for teller in _TELLERS for name, value in teller().items()}
