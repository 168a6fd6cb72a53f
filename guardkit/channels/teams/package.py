"""The app package that an administrator uploads to Teams: a manifest and two icons in a ZIP archive.

Source: https://learn.microsoft.com/microsoftteams/platform/resources/schema/manifest-schema, version 1.17.
"""

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable

from guardkit.channels.teams.settings import is_guid, is_private_url
from guardkit.core.values import JsonObject
from guardkit.core.visible import one_line
from guardkit.errors import ConfigurationError

_SCHEMA = "https://developer.microsoft.com/json-schemas/teams/v1.17/MicrosoftTeams.schema.json"
_ACCENT = "#1F4E79"
_COLOR, _OUTLINE = "color.png", "outline.png"
_LONG_AGO = (2020, 1, 1, 0, 0, 0)
"""The time of the files in the archive, so that the same settings make the same bytes."""

_STROKES = ((0.26, 0.53, 0.43, 0.70), (0.43, 0.70, 0.75, 0.32))
"""The check mark's two strokes: both ends of each, in the unit square."""

_HALF = 0.075
"""Half of a stroke's width."""

_LIMITS = {"name": 30, "version": 256, "developer": 32}


def package(
    app_id: str,
    name: str = "guardkit",
    *,
    developer: str,
    website: str,
    privacy: str | None = None,
    terms: str | None = None,
    version: str = "1.0.0",
) -> bytes:
    """The app package of a bot that asks for approvals.

    Args:
        app_id: the app's (client) id in Entra, which is also the bot's.
        name: what people see in Teams, at most 30 characters.
        developer: who answers for the app, at most 32 characters.
        website: that one's website, https.
        privacy: the URL of what is said about privacy; by default the website.
        terms: the URL of the terms of use; by default the website.
        version: of the package; Teams takes an update only with a higher one.

    Returns:
        A ZIP archive.

    Raises:
        ConfigurationError: the app id is no GUID, a text is empty or too long, or a URL is not https.
    """
    if not is_guid(app_id.lower()):
        raise ConfigurationError(
            f"app package: app_id is {one_line(app_id, 80)!r}",
            remedy="write the GUID of the app registration",
        )
    for field, text in (("name", name), ("version", version), ("developer", developer)):
        if not 0 < len(text.strip()) <= _LIMITS[field]:
            raise ConfigurationError(
                f"app package: {field} has {len(text)} characters", remedy=f"write 1 to {_LIMITS[field]}"
            )
    for field, url in (("website", website), ("privacy", privacy), ("terms", terms)):
        if url is not None and not (url.startswith("https://") and is_private_url(url)):
            raise ConfigurationError(
                f"app package: {field} is {one_line(url, 200)!r}", remedy="write an https URL"
            )
    manifest: JsonObject = {
        "$schema": _SCHEMA,
        "manifestVersion": "1.17",
        "version": version,
        "id": app_id.lower(),
        "developer": {
            "name": developer,
            "websiteUrl": website,
            "privacyUrl": privacy or website,
            "termsOfUseUrl": terms or website,
        },
        "icons": {"color": _COLOR, "outline": _OUTLINE},
        "name": {"short": name, "full": f"{name}: approvals"},
        "description": {
            "short": "Asks people before an agent acts.",
            "full": "Shows what an agent is about to do, asks the people who have to approve it, and tells them how it ended.",
        },
        "accentColor": _ACCENT,
        "bots": [
            {
                "botId": app_id.lower(),
                "scopes": ["personal", "team", "groupChat"],
                "supportsFiles": False,
                "isNotificationOnly": False,
            }
        ],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [],
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        for file, data in (
            ("manifest.json", json.dumps(manifest, ensure_ascii=False, indent=2).encode()),
            (_COLOR, _png(192, _color)),
            (_OUTLINE, _png(32, _outline)),
        ):
            files.writestr(zipfile.ZipInfo(file, _LONG_AGO), data)
    return archive.getvalue()


def _mark(x: float, y: float) -> bool:
    """A check mark in the unit square: what is near one of its two strokes."""
    return any(_distance(x, y, *stroke) < _HALF for stroke in _STROKES)


def _distance(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """From a point to the line between two points."""
    dx, dy = bx - ax, by - ay
    along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
    along = min(1.0, max(0.0, along))
    return math.hypot(x - ax - along * dx, y - ay - along * dy)


def _color(x: float, y: float) -> bytes:
    return b"\xff\xff\xff\xff" if _mark(x, y) else b"\x1f\x4e\x79\xff"


def _outline(x: float, y: float) -> bytes:
    """White on nothing, as Teams wants it."""
    return b"\xff\xff\xff\xff" if _mark(x, y) else b"\x00\x00\x00\x00"


def _png(side: int, pixel: Callable[[float, float], bytes]) -> bytes:
    """A square image of 8-bit RGBA pixels (PNG specification, colour type 6)."""
    lines = (
        b"\0" + b"".join(pixel((column + 0.5) / side, (line + 0.5) / side) for column in range(side))
        for line in range(side)
    )
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
