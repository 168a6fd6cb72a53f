"""The witness in the database sees who writes on a thread that somebody else holds, on every database."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.chaos import witness
from tests.chaos.people import Crowd
from tests.chaos.scene import Kind, Scene, new_place, prompt, template


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A scene that is watched."""
    kind: Kind = request.param
    with new_place(tmp_path, "scene", kind, template(tmp_path)) as folder:
        made = Scene(folder)
        witness.introduce(made.database.engine)
        witness.install(made.database)
        yield made
        made.close()


def test_who_holds_a_thread_may_write_and_who_does_not_is_seen(scene: Scene) -> None:
    graph = scene.graph("node", in_async=False)
    config = scene.config("t")
    graph.invoke(
        prompt([[("note", {"item": "a", "amount": 5}), ("pay", {"item": "b", "amount": 5})]]), config
    )
    crowd = Crowd(scene, "all agree")
    for approval in crowd.open():
        crowd.answer(approval, random.Random(0))
    graph.invoke(None, config)
    assert witness.stale_writes(scene.database) == []
    assert witness.leases(scene.database) == 2
    assert witness.tokens(scene.database) == {"t": 2}

    # Somebody else takes the thread, and this process writes on it all the same.
    with scene.database.writing() as connection:
        connection.execute(text("UPDATE chaos_leases SET writer = 1"))
        connection.execute(text("UPDATE gk_threads SET lease_run = 'other'"))
        connection.execute(text("UPDATE gk_effects SET state = 'claimed' WHERE tool = 'note'"))
        connection.execute(text("UPDATE gk_effects SET state = 'done' WHERE tool = 'note'"))
        columns = "tenant, thread_id, ns_hash, checkpoint_id, ns, type, body, metadata_type, metadata"
        connection.execute(
            text(
                f"INSERT INTO gk_checkpoints ({columns}) SELECT tenant, thread_id, ns_hash, 'x', ns, type, body,"
                " metadata_type, metadata FROM gk_checkpoints ORDER BY checkpoint_id LIMIT 1"
            )
        )
    found = sorted(one.partition(" on t by ")[0] for one in witness.stale_writes(scene.database))
    assert found == ["INSERT gk_checkpoints", "UPDATE gk_effects", "UPDATE gk_effects"]
    assert all(one.endswith("while 1 held it") for one in witness.stale_writes(scene.database))
