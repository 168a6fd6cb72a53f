"""What the pages look like, as far as a program can judge: contrast, and nothing that the content policy forbids."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

WEB = files("guardkit.web")
CSS = WEB.joinpath("static", "inbox.css").read_text(encoding="utf-8")
TEMPLATES = {
    found.name: found.read_text(encoding="utf-8")
    for found in WEB.joinpath("templates").iterdir()
    if found.name.endswith(".html")
}


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


LIGHT, DARK = (
    colours(CSS[: CSS.index("@media (prefers-color-scheme: dark)")]),
    colours(CSS[CSS.index("@media (prefers-color-scheme: dark)") : CSS.index("*, *::before")]),
)

TEXT = [
    *((ink, ground) for ink in ("ink", "quiet", "link") for ground in ("ground", "sheet", "soft")),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-accent", "yes"),
    ("on-accent", "yes-hover"),
    ("on-no", "no"),
    ("on-no", "no-hover"),
    ("no", "sheet"),
    ("no", "no-soft"),
    ("ink", "no-soft"),
    ("quiet", "no-soft"),
    ("yes", "yes-soft"),
    ("ink", "yes-soft"),
    ("wait", "wait-soft"),
    ("wait", "sheet"),
    ("info", "info-soft"),
    ("mark", "mark-soft"),
]
EDGES = [(edge, ground) for edge in ("quiet", "no", "focus") for ground in ("sheet", "ground")]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_as_wcag_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_can_be_read(scheme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(scheme[ink], scheme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("edge", "ground"), EDGES)
def test_edges_of_fields_and_focus_can_be_seen(scheme: dict[str, str], edge: str, ground: str) -> None:
    assert contrast(scheme[edge], scheme[ground]) >= 3


def test_both_schemes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)


def test_nothing_is_styled_or_scripted_inside_a_page() -> None:
    assert len(TEMPLATES) >= 10
    for name, template in TEMPLATES.items():
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:|https?://", template), name
        assert "| safe" not in template, name
        assert "autoescape" not in template, name


def test_the_stylesheet_fetches_nothing() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?://", CSS)


def test_every_field_has_a_label() -> None:
    for name, template in TEMPLATES.items():
        for identity in re.findall(
            r'<(?:textarea|select|input(?! type="hidden"))[^>]*? id="([^"]+)"', template
        ):
            assert f'for="{identity}"' in template, f"{name} {identity}"


def test_every_class_of_a_button_has_a_focus_ring() -> None:
    assert ":focus-visible { outline: 3px solid var(--focus)" in CSS
    assert not re.search(r"outline:\s*(none|0)", CSS)
