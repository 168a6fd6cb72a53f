"""The store's contract on every database that guardkit knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardkit.core.encryption import Encryption
from guardkit.core.ports import Store
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.testing import MemoryStore
from guardkit.testing.contracts import StoreContract


def opened(url: str, encryption: Encryption | None = None) -> Iterator[Store]:
    upgrade(url)
    with Database(url, encryption=encryption) as database:
        yield SQLStore(database)


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


class TestSQLite(StoreContract):
    @pytest.fixture
    def store(self, sqlite_url: str) -> Iterator[Store]:
        yield from opened(sqlite_url)


@pytest.mark.postgres
class TestPostgreSQL(StoreContract):
    @pytest.fixture
    def store(self, postgres_url: str) -> Iterator[Store]:
        yield from opened(postgres_url)


@pytest.mark.mariadb
class TestMariaDB(StoreContract):
    @pytest.fixture
    def store(self, mariadb_url: str) -> Iterator[Store]:
        yield from opened(mariadb_url)


@pytest.mark.again
class TestEncryptedSQLite(StoreContract):
    @pytest.fixture
    def store(self, sqlite_url: str) -> Iterator[Store]:
        yield from opened(sqlite_url, Encryption.generate())
