"""Ways to reach people."""

from guardkit.channels.console import Console
from guardkit.channels.webhook import Webhook

__all__ = ["Console", "Webhook"]
