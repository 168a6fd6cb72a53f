"""Finding things for people: threads, what stands in their lists, and what their answers come to."""

from typing import Protocol

from guardkit.core.listings import Listings
from guardkit.core.stats import Stats
from guardkit.core.threads import Threads


class Finding(Threads, Listings, Stats, Protocol):
    """Everything that lists and counts are made of."""
