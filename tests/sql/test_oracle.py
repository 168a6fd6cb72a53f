"""Whatever is put, forked, copied, pruned and deleted: what is read is what LangGraph's saver in memory says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings, strategies as st
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from sqlalchemy import func, select

from guardkit.sql import Database, SQLAlchemySaver, upgrade
from guardkit.sql.tables import blobs
from tests.sql.oracle import Life


class Cipher:
    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(128))

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        nonce = os.urandom(12)
        return "gcm", nonce + self._cipher.encrypt(nonce, plaintext, None)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "gcm"
        return self._cipher.decrypt(ciphertext[:12], ciphertext[12:], None)


CIPHER = Cipher()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("oracle")
    with Database(f"sqlite:///{folder / 'guardkit.db'}") as database:
        yield database


def lived(database: Database, tenant: str, seed: int, steps: int, *, encrypted: bool) -> int:
    """A life of a tenant of its own, whose threads two savers share. Returns how many values rested on others at most."""
    savers = [
        SQLAlchemySaver(database, tenant=tenant, serde=EncryptedSerializer(CIPHER) if encrypted else None)
        for _ in range(2)
    ]
    life = Life(savers, seed)
    chained = select(func.count()).where(blobs.c.tenant == tenant, blobs.c.base.is_not(None))
    most = 0
    for _ in range(steps):
        life.step()
        with database.reading() as connection:
            most = max(most, connection.execute(chained).scalar_one())
    life.compare()
    return most


_COUNT = iter(range(1_000_000))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), encrypted=st.booleans())
def test_any_life_reads_like_one_in_memory(shared: Database, seed: int, steps: int, encrypted: bool) -> None:
    assert lived(shared, f"tenant-{next(_COUNT)}", seed, steps, encrypted=encrypted) >= 0


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_life_reads_like_one_in_memory(url: str, seed: int, request: pytest.FixtureRequest) -> None:
    found: str = request.getfixturevalue(url)
    upgrade(found)
    with Database(found) as database:
        assert lived(database, "default", seed, 150, encrypted=False) > 10
