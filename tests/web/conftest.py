from __future__ import annotations

import pytest

from tests.web.claims import Claims
from tests.web.visits import Inbox, Visit


@pytest.fixture
def claims() -> Claims:
    return Claims()


@pytest.fixture
def inbox(claims: Claims) -> Inbox:
    return Inbox(claims)


@pytest.fixture
def ana(inbox: Inbox) -> Visit:
    """The first claims manager, signed in."""
    return inbox.visit()
