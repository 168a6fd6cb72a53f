"""What an administrator needs: the app package, and findings of a doctor."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from typing import Any

import pytest

from guardkit.channels.teams import Teams
from guardkit.channels.teams.examining import examine
from guardkit.channels.teams.package import package
from guardkit.errors import ConfigurationError
from tests.unit.teams.microsoft import APP, TENANT, Microsoft

WHO: dict[str, Any] = {"developer": "Corp", "website": "https://corp.example"}


def files(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_package_names_the_bot_and_its_icons() -> None:
    found = files(package(APP.upper(), "Approvals", **WHO))
    manifest = json.loads(found["manifest.json"])
    assert (manifest["id"], manifest["bots"][0]["botId"]) == (APP, APP)
    assert manifest["bots"][0]["scopes"] == ["personal", "team", "groupChat"]
    assert set(found) == {"manifest.json", manifest["icons"]["color"], manifest["icons"]["outline"]}


@pytest.mark.parametrize(("name", "side"), [("color.png", 192), ("outline.png", 32)])
def test_icons_are_whole_images_of_the_size_that_teams_wants(name: str, side: int) -> None:
    data = files(package(APP, **WHO))[name]
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, pixels = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]
        if kind == b"IHDR":
            assert struct.unpack(">II", body[:8]) == (side, side)
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    lines = zlib.decompress(pixels)
    assert len(lines) == side * (side * 4 + 1)
    assert b"\xff\xff\xff\xff" in lines


def test_the_same_settings_make_the_same_package() -> None:
    assert package(APP, **WHO) == package(APP, **WHO)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"app_id": "bot"}, "app_id is 'bot'"),
        ({"name": "x" * 31}, "name has 31 characters"),
        ({"developer": " "}, "developer"),
        ({"website": "http://corp.example"}, "website"),
        ({"privacy": "javascript:alert(1)"}, "privacy"),
    ],
)
def test_what_teams_would_not_take_is_told(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        package(**{"app_id": APP, "name": "Approvals", **WHO, **change})


def found(channel: Teams) -> dict[str, tuple[str, str]]:
    return {one.subject: (one.level, f"{one.message} {one.remedy or ''}") for one in examine(channel)}


def test_a_doctor_finds_that_all_is_well(microsoft: Microsoft) -> None:
    findings = found(Teams("19:x@thread.tacv2", **microsoft.settings()))
    assert {subject: level for subject, (level, _) in findings.items()} == {
        "token": "ok",
        "keys": "ok",
        "service": "ok",
        "clock": "ok",
        "conversation": "ok",
    }
    assert APP in findings["token"][1]
    assert TENANT in findings["token"][1]


def test_a_doctor_names_what_is_wrong(microsoft: Microsoft) -> None:
    channel = Teams(
        "my channel",
        **microsoft.settings(secret="wrong-test-secret", service_url="http://127.0.0.1:9/teams"),
    )
    microsoft.keys_broken = True
    findings = found(channel)
    assert {subject: level for subject, (level, _) in findings.items()} == {
        "token": "error",
        "keys": "error",
        "service": "error",
        "conversation": "warning",
    }
    assert "secret's value, not its id" in findings["token"][1]
    assert "wrong-test-secret" not in str(findings)


def test_a_doctor_names_missing_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARDKIT_TEAMS_APP_ID", raising=False)
    (level, says) = found(Teams())["settings"]
    assert (level, "GUARDKIT_TEAMS_APP_ID" in says) == ("error", True)
