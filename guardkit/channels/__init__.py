"""Ways to reach people."""

from guardkit.channels.console import Console

__all__ = ["Console"]
