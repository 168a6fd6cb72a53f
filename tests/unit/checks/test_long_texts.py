"""Texts made to be slow to read are read in time that grows with their length only."""

from __future__ import annotations

import base64
import time

import pytest

from guardkit.checks import ArgumentSanity, InstructionInObservation, tainted
from tests.unit.checks.desk import call, context, seen

LETTER = "Water came through the ceiling of the kitchen on Sunday and the plumber asks for his money."
N = 200_000
LONG = {
    "letters apart": "a b c d " * (N // 8),
    "letters apart and words": "a b c d e f g h word " * (N // 21),
    "dots": "a." * (N // 2),
    "one run": "a" * N,
    "lines": ("a" * 60 + "\n") * (N // 61),
    "line and blanks": "a" * 60 + "\n" + " " * N,
    "hex lines": ("61" * 30 + "\n") * (N // 61),
    "comments": "<!--" * (N // 4),
    "tags": "<p hidden" * (N // 9),
    "attributes": '<img alt="' * (N // 10),
    "pictures": "![" * (N // 2),
    "percent": ("a" * 39 + "%41") * (N // 42),
    "bits": "01000001 " * (N // 9),
    "zero-width": "\u200b" * N,
    "mixed letters": "a\u0430" * (N // 2),
    "quotation marks": "'a b" * (N // 4),
    "fences": "```a" * (N // 4),
    "orders": "ignore " * (N // 7),
    "ideographs": "忽略" * (N // 2),
    "backslashes": "\\" * N,
    "entities": "&#65;" * (N // 5),
    "combining": "e" + "\u0301" * N,
    "twice encoded": base64.b64encode(base64.encodebytes(LETTER.encode() * 1_100)).decode(),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_two_hundred_thousand_characters_are_scanned_in_time(text: str) -> None:
    begin = time.process_time()
    InstructionInObservation().scan(text)
    assert time.process_time() - begin < 20


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_two_hundred_thousand_characters_are_compared_in_time(text: str) -> None:
    begin = time.process_time()
    tainted(context(text, seen=[seen(text)]), [text, "a" * 5_000, "DE89370400440532013000", 616_161])
    ArgumentSanity(max_chars=len(text))(call({"note": text}), context())
    assert time.process_time() - begin < 20
