from __future__ import annotations

import pytest

from guardkit.core.ports import Store
from guardkit.testing import MemoryStore
from guardkit.testing.contracts import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()
