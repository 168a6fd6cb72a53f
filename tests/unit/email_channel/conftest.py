from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.email_channel.desk import Mailing, attached, claims_desk
from tests.unit.email_channel.mailserver import MailServer


@pytest.fixture
def mailing() -> Iterator[Mailing]:
    claims = claims_desk()
    with MailServer() as server:
        yield Mailing(claims, server, attached(claims, server.port))
