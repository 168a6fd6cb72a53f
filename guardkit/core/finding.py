"""Finding things for people: threads, and what stands in their lists."""

from typing import Protocol

from guardkit.core.listings import Listings
from guardkit.core.threads import Threads


class Finding(Threads, Listings, Protocol):
    """Everything that lists are made of."""
