"""Ways to reach people."""

# Where the names are is told in `__init__.pyi`.
# pyright: reportUnsupportedDunderAll=false

from guardkit import loading as _loading

__all__ = ["Console", "Email", "Slack", "Teams", "Webhook"]

_HOMES = {
    "Console": "guardkit.channels.console",
    "Email": "guardkit.channels.email",
    "Slack": "guardkit.channels.slack",
    "Teams": "guardkit.channels.teams",
    "Webhook": "guardkit.channels.webhook",
}
"""Where each name is, for whoever asks for it first. Type checkers read `__init__.pyi`."""

__getattr__ = _loading.on_demand(__name__, _HOMES)
__dir__ = _loading.listed(__name__, _HOMES)
