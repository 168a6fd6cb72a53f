"""Microsoft's own validator beside ours: what it refuses, we refuse; what we take, it takes."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from guardkit.channels.teams import Teams
from guardkit.channels.teams.bearer import Bearer, TokenRefusedError
from guardkit.channels.teams.keys import SigningKeys
from tests.unit.teams.microsoft import APP, ISSUER, Microsoft
from tests.unit.teams.test_tokens import FORGED

pytest.importorskip("microsoft_teams.api", reason="microsoft-teams-apps is not installed")

STRICTER = frozenset({"01", "05", "06", "12", "13", "14", "15", "16", "17", "23"})
"""Ours alone refuses these: it wants `exp`, one plain audience and a key that is endorsed for Teams, and it reads the
service from the token even where the request names none."""

BODY = frozenset(number for number in (f"{n:02}" for n in range(27, 37)))
"""Wrong in the request, not in the token."""


@pytest.fixture(scope="module")
def official() -> Iterator[Any]:
    """The class, without what importing it does: it loads ./.env into the environment, and warns."""
    before = dict(os.environ)
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from microsoft_teams.apps.auth import TokenValidator
        yield TokenValidator
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.promise("P6")
@pytest.mark.parametrize("number", ["00-good", *FORGED])
def test_nothing_that_the_official_validator_refuses_is_taken(
    microsoft: Microsoft, official: Any, number: str
) -> None:
    make = FORGED[number][0] if number in FORGED else Microsoft.token
    token = make(microsoft)
    ours, theirs = judged(microsoft, token), validated(microsoft, official, token)
    assert not (ours and not theirs)
    if number[:2] not in STRICTER | BODY:
        assert ours == theirs


def judged(microsoft: Microsoft, token: str) -> bool:
    trust = Teams(**microsoft.settings()).settings.trust()
    with httpx.Client(verify=trust) as client:
        bearer = Bearer(SigningKeys(client, microsoft.metadata_url), app_id=APP, issuer=ISSUER)
        try:
            bearer.judge(f"Bearer {token}")
        except TokenRefusedError:
            return False
    return True


def validated(microsoft: Microsoft, official: Any, token: str) -> bool:
    from jwt import PyJWTError
    from microsoft_teams.api.auth.cloud_environment import PUBLIC, with_overrides

    url = f"{microsoft.origin}/v1/.well-known/openidconfiguration"
    validator = official.for_service(APP, cloud=with_overrides(PUBLIC, openid_metadata_url=url))
    validator._jwks_client.ssl_context = ssl.create_default_context(cafile=str(microsoft.ca))
    try:
        asyncio.run(validator.validate_token(token))
    except (PyJWTError, AttributeError):
        return False
    assert "microsoft_teams.apps" in sys.modules
    return True
