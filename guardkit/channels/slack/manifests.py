"""App manifests: what to paste at api.slack.com/apps, "Create New App", "From a manifest"."""

from guardkit.core.values import Json, JsonObject
from guardkit.errors import InputError

SCOPES = ("chat:write", "commands", "im:write", "users:read", "users:read.email")
"""What the bot token has to be allowed: to write, to open direct messages, to know who somebody is."""

COMMAND = "/guardkit"


def manifest(*, socket_mode: bool, request_url: str | None = None, name: str = "guardkit") -> JsonObject:
    """The manifest of an app for approvals (manifest schema 2).

    Args:
        socket_mode: whether answers come by Socket Mode; otherwise Slack sends them to `request_url`.
        request_url: the channel's address on the inbox's server, `https://…/hooks/<channel>`.
        name: the app's name, at most 35 characters.

    Raises:
        InputError: the address is missing, not HTTPS, or not wanted with Socket Mode; or the name is too long.
    """
    if not 0 < len(name) <= 35:
        raise InputError(f"name has {len(name)} characters", remedy="1 to 35")
    if socket_mode and request_url is not None:
        raise InputError("request_url with Socket Mode", remedy="leave it out")
    if not socket_mode and not (request_url or "").startswith("https://"):
        raise InputError(f"request_url={request_url!r}", remedy="the HTTPS address of /hooks/<channel>")
    interactivity: JsonObject = {"is_enabled": True}
    command: JsonObject = {
        "command": COMMAND,
        "description": "What waits for your approval",
        "should_escape": False,
    }
    if request_url is not None:
        interactivity["request_url"] = request_url
        command["url"] = request_url
    return {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {"name": name, "description": "Human approvals for agent actions"},
        "features": {
            "bot_user": {"display_name": name, "always_online": True},
            "slash_commands": [command],
        },
        "oauth_config": {"scopes": {"bot": list[Json](SCOPES)}},
        "settings": {
            "interactivity": interactivity,
            "org_deploy_enabled": False,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": False,
        },
    }
