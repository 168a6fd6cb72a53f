from __future__ import annotations

import pytest

from tests.web.claims import Claims


@pytest.fixture
def claims() -> Claims:
    return Claims()
