"""A look that is slow, fails, or is asked for by many at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from guardkit.errors import StorageError
from guardkit.runtime.looking import Look, Readiness


class Scene:
    """Something that can be held up and that can fail."""

    def __init__(self) -> None:
        self.looks = 0
        self.looking = 0
        self.at_once = 0
        """How many have looked at the same time, at most."""
        self.failing = False
        self.free = threading.Event()
        self.free.set()

    def __call__(self) -> int:
        self.looks += 1
        number = self.looks
        self.looking += 1
        self.at_once = max(self.at_once, self.looking)
        try:
            self.free.wait(60)
            if self.failing:
                raise StorageError("the database cannot be reached")
            return number
        finally:
            self.looking -= 1


def test_what_was_seen_counts_for_a_while() -> None:
    scene = Scene()
    look = Look("it", scene, fresh=3600)
    assert [look(), look(), look()] == [1, 1, 1]


def test_a_failure_counts_for_a_while_too() -> None:
    scene = Scene()
    scene.failing = True
    look = Look("it", scene, fresh=3600)
    assert [look(), look()] == [None, None]
    assert scene.looks == 1


def test_a_look_that_is_late_delays_one_caller_and_no_other() -> None:
    scene = Scene()
    scene.free.clear()
    look = Look("it", scene, fresh=3600, patience=0.05)
    assert look() is None
    patient = Look("it", scene, fresh=3600, patience=0.05)
    assert [patient(), patient(), patient()] == [None, None, None]
    assert scene.looks == 2
    scene.free.set()


def test_however_many_ask_it_is_one_look_at_a_time() -> None:
    scene = Scene()
    scene.free.clear()
    look = Look("it", scene, fresh=0, patience=60)
    with ThreadPoolExecutor(8) as callers:
        found = [callers.submit(look) for _ in range(8)]
        scene.free.set()
        seen = {one.result() for one in found}
    assert len(seen) <= scene.looks <= 8
    assert scene.at_once == 1
    assert None not in seen


def test_the_log_says_once_that_it_fails_and_once_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    readiness = Readiness(scene)
    assert readiness()
    scene.failing = True
    assert not readiness()
    assert not readiness()
    scene.failing = False
    assert readiness()
    assert [record.getMessage() for record in caplog.records] == [
        "readiness: storage: the database cannot be reached",
        "readiness: back",
    ]


def test_a_process_that_drains_is_not_ready_whatever_its_check_says() -> None:
    readiness = Readiness(Scene())
    assert readiness()
    readiness.drain()
    assert not readiness()
