"""Ways to reach people."""

from guardkit.channels.console import Console
from guardkit.channels.email import Email
from guardkit.channels.slack import Slack
from guardkit.channels.teams import Teams
from guardkit.channels.webhook import Webhook

__all__ = ["Console", "Email", "Slack", "Teams", "Webhook"]
