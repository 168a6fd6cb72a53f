"""Whether the sources speak of what is asked: off-topic is refused, another language is unknown."""

from __future__ import annotations

import pytest

from guardkit.grounding import Index, RelevanceSettings, relevance
from tests.unit.grounding.library import HOUSEHOLD, QUESTION, document, index_of

BANDS = {
    "asked and said": (QUESTION, "covered"),
    "in other forms": ("How must I report the bursting of a water pipe within 30 days?", "covered"),
    "something else": ("Which trains run from Lyon to Marseille on Sundays?", "off_topic"),
    "another language": (
        "Wie hoch ist der Wasserschaden durch Rohrbruch und wann wird er bezahlt?",
        "unknown",
    ),
    "another script": ("Покрывается ли ущерб от воды?", "unknown"),
    "no words": ("?!", "unknown"),
    "near": ("Is water damage from a flood of the river Elbe covered?", "doubtful"),
}


@pytest.mark.parametrize(("question", "band"), BANDS.values(), ids=BANDS)
def test_the_band_of_a_question(question: str, band: str) -> None:
    assert relevance(question, index_of(HOUSEHOLD)).band == band


def test_what_stands_nowhere_is_named_as_it_was_asked() -> None:
    found = relevance("Is the hull of a sailing Boat covered up to 777 euros?", index_of(HOUSEHOLD))
    assert found.missing == ("hull", "sailing", "Boat", "777")


def test_sources_in_another_language_are_never_found_off_topic() -> None:
    index = Index(
        [document("Wasserschäden durch geplatzte Rohre sind bis 25.000 Euro versichert und werden bezahlt.")]
    )
    assert relevance(QUESTION, index).band == "unknown"
    declared = Index([document("Water damage.", language="id")])
    assert relevance(QUESTION, declared).band == "unknown"


@pytest.mark.parametrize(
    "fields", [{"off_topic": 0.6}, {"covered": 0.9}, {"covered_but_for": 0.2}, {"off_topic": -0.1}]
)
def test_thresholds_that_fall_out_of_order_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"order|greater than"):
        RelevanceSettings(**fields)
