"""A process that uses a standing approval as often as it can.

`python -m tests.sql.racing URL ID NUMBER` claims keys of a thread of its own under it, each for 7, until it reaches no more, and
prints how many it got. It begins when it reads a line.
"""

from __future__ import annotations

import sys

from guardkit.core.effects import Claimed
from guardkit.sql import Database, SQLStore
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.standing import claim

AMOUNT = 7


def main(url: str, standing_id: str, number: str) -> None:
    """Use it up."""
    with Database(url) as database:
        store = SQLStore(database)
        standing = store.standing_approval(samples.TENANT, standing_id)
        if standing is None:
            raise SystemExit("there is no such standing approval")
        run = samples.opened(store, f"racer-{number}", lease_seconds=300.0).run
        print("ready", flush=True)
        sys.stdin.readline()
        got = 0
        while claim(store, run, standing, f"{number}-{got}", str(AMOUNT)) == Claimed(1):
            got += 1
        print(got, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
