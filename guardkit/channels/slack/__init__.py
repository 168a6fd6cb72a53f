"""Approvals in Slack."""

from guardkit.channels.slack.bolt import register
from guardkit.channels.slack.channel import Slack
from guardkit.channels.slack.examining import examine
from guardkit.channels.slack.manifests import manifest

__all__ = ["Slack", "examine", "manifest", "register"]
