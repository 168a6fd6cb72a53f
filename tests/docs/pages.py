"""Reads a Markdown page as what it is to its reader: files to write, code to run, commands to type.

What a fenced block does is said by its info string and by a comment on the line before it:

- ```` ```python ```` runs. The blocks of one page share a namespace and run in order.
- A block with ``title="name"`` is also written to that file, beside the page's other files.
- ```` ```bash ```` below ``<!-- run -->`` is run by `sh`, in the folder with the page's files.
- A Python block below ``<!-- not run: reason -->`` must only parse.

Everything else is shown and not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]

_OPEN = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}) *(?P<language>[\w-]*)(?P<info>[^`]*)$")
_TITLE = re.compile(r'\btitle="(?P<title>[^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>\S.*) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    line: int
    """The line of the page on which the text begins, counted from 1."""
    file: str | None
    """Where the page says that the text is kept."""
    use: Literal["run", "parse", "show"]


def pages() -> list[Path]:
    """README and every page under docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples() -> list[Path]:
    """Every program in examples/."""
    return sorted((ROOT / "examples").glob("*.py"))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: a fence is never closed.
    """
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    comment = ""
    while number < len(lines):
        opening = _OPEN.match(lines[number])
        if opening is None:
            comment = lines[number].strip() or comment
            number += 1
            continue
        indent, fence = len(opening["indent"]), opening["fence"]
        first = number + 1
        last = first
        while last < len(lines) and lines[last].strip() != fence:
            last += 1
        if last == len(lines):
            raise ValueError(f"{page.name}:{first}: this block is never closed")
        title = _TITLE.search(opening["info"])
        found.append(
            Block(
                language=opening["language"],
                text="".join(f"{line[indent:]}\n" for line in lines[first:last]),
                line=first + 1,
                file=title["title"] if title else None,
                use=_use(opening["language"], comment),
            )
        )
        comment = ""
        number = last + 1
    return found


def _use(language: str, comment: str) -> Literal["run", "parse", "show"]:
    match language:
        case "python" | "py":
            return "parse" if _NOT_RUN.fullmatch(comment) else "run"
        case "bash" | "sh":
            return "run" if comment == "<!-- run -->" else "show"
        case _:
            return "show"
