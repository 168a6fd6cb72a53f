"""Rates with intervals, and the development data that benchmarks read but the project does not hold."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SEED = 20261124
RESAMPLES = 1000


def data_folder(arguments: Sequence[str], name: str) -> Path | None:
    """The folder of development data: the first argument, else `../shared/data/<name>` beside the repository."""
    folder = Path(arguments[0]) if arguments else ROOT.parent / "shared" / "data" / name
    if folder.is_dir():
        return folder
    shown = arguments[0] if arguments else f"../shared/data/{name}"
    print(f"no development data in {shown}: give its folder as argument; skipped")
    return None


def rows(folder: Path, name: str) -> list[dict[str, Any]] | None:
    path = folder / name
    if not path.is_file():
        print(f"-- {name} is not there: skipped")
        return None
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def auroc(scores: Sequence[float], labels: Sequence[int]) -> float:
    """Area under the ROC curve by ranks, ties counted half."""
    ranked = sorted(zip(scores, labels, strict=True))
    positive, place, total = sum(labels), 0, 0.0
    while place < len(ranked):
        end = place
        while end < len(ranked) and ranked[end][0] == ranked[place][0]:
            end += 1
        total += sum(label for _, label in ranked[place:end]) * (place + end + 1) / 2
        place = end
    return (total - positive * (positive + 1) / 2) / (positive * (len(labels) - positive))


def balanced(hits: Sequence[bool], labels: Sequence[int]) -> float:
    positive = sum(labels)
    found = sum(hit for hit, label in zip(hits, labels, strict=True) if label)
    refused = sum(not hit for hit, label in zip(hits, labels, strict=True) if not label)
    return (found / positive + refused / (len(labels) - positive)) / 2


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    if not n:
        return 0.0, 1.0
    z, p = 1.96, successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(measure: Callable[[list[int]], float], labels: Sequence[int]) -> tuple[float, float]:
    """95 % percentile interval over resampled rows, stratified by label."""
    rng = random.Random(SEED)
    sides = [[place for place, label in enumerate(labels) if label == side] for side in (0, 1)]
    drawn = sorted(
        measure([rng.choice(side) for side in sides for _ in range(len(side))]) for _ in range(RESAMPLES)
    )
    return drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1]


def auroc_of(scores: Sequence[float], labels: Sequence[int]) -> dict[str, Any]:
    interval = bootstrap(lambda at: auroc([scores[i] for i in at], [labels[i] for i in at]), labels)
    return {"auroc": auroc(scores, labels), "interval": interval, "n": len(labels)}


def balanced_of(hits: Sequence[bool], labels: Sequence[int]) -> dict[str, Any]:
    interval = bootstrap(lambda at: balanced([hits[i] for i in at], [labels[i] for i in at]), labels)
    return {"value": balanced(hits, labels), "interval": interval, "n": len(labels)}


def percentage(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['value']:.1%}  [{low:.1%}, {high:.1%}]  n = {found['n']}"


def share_of(successes: int, n: int) -> dict[str, Any]:
    return {
        "share": successes / n if n else None,
        "successes": successes,
        "n": n,
        "interval": wilson(successes, n),
    }


def said(share: dict[str, Any]) -> str:
    if share["share"] is None:
        return "none (n = 0)"
    low, high = share["interval"]
    return f"{share['share']:6.1%}  [{low:.1%}, {high:.1%}]  {share['successes']}/{share['n']}"


def area(found: dict[str, Any]) -> str:
    low, high = found["interval"]
    return f"AUROC {found['auroc']:.3f}  [{low:.3f}, {high:.3f}]  n = {found['n']}"
