"""What the deterministic verifier sees, measured on development data: `python benchmarks/grounding.py`.

Data is read from $GUARDKIT_DATA, else from `../shared/data` beside the repository; it is not part of the project.
Every number comes from development sets on which thresholds were chosen: it says how the parts behave, and promises
nothing about other text. Results go to `benchmarks/results/grounding.json`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from guardkit.core.sources import Authority, Source
from guardkit.grounding import Index, RelevanceSettings, VerifierSettings, assess, relevance
from guardkit.grounding.terms import terms
from guardkit.grounding.tokens import content_stems

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "grounding.json"
SEED = 20261124
RESAMPLES = 1000

# --- lists for contrast edits: none of them is read by the verifier -------------------------------------------------

ANTONYMS = dict(
    pair.split(":")
    for pair in """increase:decrease increased:decreased older:younger north:south northern:southern east:west
    eastern:western won:lost win:lose male:female father:mother son:daughter brother:sister early:late opened:closed
    open:closed largest:smallest larger:smaller higher:lower highest:lowest rich:poor married:divorced joined:left
    bought:sold arrived:departed winter:summer morning:evening private:public old:new long:short entered:left
    succeeded:failed began:ended started:finished front:back professional:amateur domestic:foreign hired:fired""".split()
)
UNITS = dict(
    pair.split(":")
    for pair in """million:billion billion:million percent:permille miles:kilometres kilometres:miles metres:feet
    feet:metres meters:feet days:weeks weeks:months months:years years:months hours:minutes minutes:hours kg:g mg:g
    pounds:ounces acres:hectares dollars:euros euros:dollars tons:kilograms inches:centimetres""".split()
)
MONTHS = "January February March April May June July August September October November December".split()
HEDGES = """tends to|is believed to|are believed to|is thought to|are thought to|is said to|in some cases|in most cases
|as a rule|for the most part|in theory|so far|to date|at times|up to now|in part|on average|in principle|on occasion""".replace(
    "\n", ""
).split("|")
LISTED_HEDGES = [
    "may",
    "might",
    "could",
    "about",
    "approximately",
    "reportedly",
    "probably",
    "usually",
    "some",
    "almost",
]


def data_folder() -> Path | None:
    given = os.environ.get("GUARDKIT_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    return folder / "grounding" if (folder / "grounding").is_dir() else None


def rows(folder: Path, name: str) -> list[dict[str, Any]] | None:
    path = folder / name
    if not path.is_file():
        print(f"-- {name} is not there: skipped")
        return None
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def index_of(texts: Sequence[str], *, titled: bool = False) -> Index:
    sources: list[Source] = []
    for place, text in enumerate(texts):
        title, _, body = text.partition("\n") if titled else ("", "", text)
        sources.append(
            Source.of(
                body or text,
                id=str(place),
                title=title,
                owner="",
                tenant="bench",
                authority=Authority.AUTHORITATIVE,
            )
        )
    return Index(sources)


# --- statistics -----------------------------------------------------------------------------------------------------


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


# --- claims ---------------------------------------------------------------------------------------------------------


def wice(items: list[dict[str, Any]]) -> dict[str, Any]:
    settings = VerifierSettings()
    labels = [item["supported"] for item in items]
    began = time.perf_counter()
    indexes = [index_of(item["sources"]) for item in items]
    built = time.perf_counter()
    found = [assess(item["claim"], index, settings) for item, index in zip(items, indexes, strict=True)]
    done = time.perf_counter()
    scores = [one.score for one in found]
    hits = [score >= settings.decide for score in scores]
    shares = [
        len(words & set(content_stems(" ".join(item["sources"])))) / max(1, len(words))
        for item in items
        for words in [set(content_stems(item["claim"]))]
    ]
    interval = bootstrap(lambda at: balanced([hits[i] for i in at], [labels[i] for i in at]), labels)
    bands = {
        band: share_of(
            sum(label for one, label in zip(found, labels, strict=True) if one.band == band),
            sum(one.band == band for one in found),
        )
        for band in ("accept", "escalate", "reject")
    }
    confident = [label for one, label in zip(found, labels, strict=True) if one.score >= settings.accept]
    vetoed = [label for one, label in zip(found, labels, strict=True) if "number_absent" in one.flags]
    result = {
        "balanced_accuracy": {
            "value": balanced(hits, labels),
            "threshold": settings.decide,
            "interval": interval,
            "n": len(labels),
        },
        "verifier": auroc_of(scores, labels),
        "baseline_word_share": auroc_of(shares, labels),
        "baseline_claim_length": auroc_of([-len(item["claim"]) for item in items], labels),
        "auto_accept": {
            "precision": bands["accept"],
            "coverage": share_of(bands["accept"]["n"], len(items)),
        },
        "score_from_accept_on_flags_ignored": share_of(sum(confident), len(confident)),
        "supported_per_band": bands,
        "supported_among_number_veto": share_of(sum(vetoed), len(vetoed)),
        "milliseconds_per_claim": 1000 * (done - built) / len(items),
        "milliseconds_per_source_set": 1000 * (built - began) / len(items),
    }
    print(f"\nWiCE claims (development set, n = {len(items)}; thresholds were chosen on it)")
    low, high = interval
    print(
        f"  balanced accuracy at {settings.decide}: {result['balanced_accuracy']['value']:.1%}  [{low:.1%}, {high:.1%}]"
    )
    print(f"  verifier                 {area(result['verifier'])}")
    print(f"  baseline: share of words {area(result['baseline_word_share'])}")
    print(f"  baseline: short claims   {area(result['baseline_claim_length'])}")
    print(f"  auto-accept: precision   {said(bands['accept'])}")
    print(f"  auto-accept: coverage    {said(result['auto_accept']['coverage'])}")
    print(
        f"  the score alone (>= {settings.accept}), flags ignored: precision {said(result['score_from_accept_on_flags_ignored'])}"
    )
    for band, share in bands.items():
        print(f"  supported in band {band:9}{said(share)}")
    print(
        f"  supported where a number is nowhere in the sources: {said(result['supported_among_number_veto'])}"
    )
    print(
        f"  {result['milliseconds_per_claim']:.2f} ms a claim, {result['milliseconds_per_source_set']:.1f} ms to read its sources"
    )
    return result


def halueval(items: list[dict[str, Any]]) -> dict[str, Any]:
    labels = [item["supported"] for item in items]
    scores = [assess(item["claim"], index_of(item["sources"])).score for item in items]
    result = auroc_of(scores, labels) | {"by_length": auroc([-len(item["claim"]) for item in items], labels)}
    print(f"\nHaluEval QA (development set; smoke test only, length alone has {result['by_length']:.2f})")
    print(f"  verifier                 {area(result)}")
    return result


# --- sufficiency ----------------------------------------------------------------------------------------------------


def clapnq(items: list[dict[str, Any]]) -> dict[str, Any]:
    settings = RelevanceSettings()
    rng = random.Random(SEED)
    indexes = [index_of(item["sources"], titled=True) for item in items]
    own = [relevance(item["question"], index) for item, index in zip(items, indexes, strict=True)]
    labels = [item["sufficient"] for item in items]
    good = [place for place, label in enumerate(labels) if label]
    strangers = [
        relevance(items[place]["question"], indexes[rng.choice([other for other in good if other != place])])
        for place in good
    ]
    words = [
        len(asked & set(content_stems(" ".join(item["sources"])))) / max(1, len(asked))
        for item in items
        for asked in [set(content_stems(item["question"]))]
    ]
    off_scores = [own[place].score for place in good] + [one.score for one in strangers]
    off_labels = [1] * len(good) + [0] * len(strangers)
    result: dict[str, Any] = {
        "topical": auroc_of([one.score for one in own], labels),
        "topical_baseline_word_share": auroc_of(words, labels),
        "off_topic": auroc_of(off_scores, off_labels),
        "thresholds": settings.model_dump(),
    }
    print(f"\nCLAP-NQ sufficiency (development set, n = {len(items)}; thresholds were chosen on it)")
    print(f"  topical negatives        {area(result['topical'])}")
    print(f"  baseline: share of words {area(result['topical_baseline_word_share'])}")
    print(f"  off-topic negatives      {area(result['off_topic'])}  (seeded)")
    sides = {
        "sufficient ones lost": [own[place] for place in good],
        "topical negatives refused": [one for one, label in zip(own, labels, strict=True) if not label],
        "off-topic negatives refused": strangers,
    }
    for gate, bands in (
        ("off-topic gate", {"off_topic"}),
        ("without a sufficiency judge", {"off_topic", "doubtful"}),
    ):
        result[gate] = {
            side: share_of(sum(one.band in bands for one in found), len(found))
            for side, found in sides.items()
        }
        for side, share in result[gate].items():
            print(f"  {gate}: {side:28}{said(share)}")
    return result


# --- contrast edits -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A claim that holds with its source, and other rows to draw from."""

    claim: str
    source: str


Edit = Callable[[Pair, random.Random, list[str]], str | None]


def _swap_word(claim: str, table: dict[str, str]) -> str | None:
    for match in re.finditer(r"[A-Za-z]+", claim):
        if match.group().lower() in table:
            return claim[: match.start()] + table[match.group().lower()] + claim[match.end() :]
    return None


def _names(text: str) -> list[str]:
    return [m.group() for m in re.finditer(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})*", text)]


def number_changed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    found = [match for match in re.finditer(r"\d[\d,]*\d|\d", pair.claim) if match.group()[-1].isdigit()]
    if not found:
        return None
    match = rng.choice(found)
    digits = match.group()
    last = (int(digits[-1]) + rng.randint(1, 8)) % 10
    return pair.claim[: match.start()] + digits[:-1] + str(last or 1) + pair.claim[match.end() :]


def number_from_elsewhere(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = re.findall(r"\b\d{2,4}\b", pair.claim)
    theirs = [n for n in re.findall(r"\b\d{2,4}\b", pair.source) if n not in pair.claim]
    same = [(a, b) for a in mine for b in theirs if len(a) == len(b)]
    if not same:
        return None
    old, new = rng.choice(same)
    return re.sub(rf"\b{old}\b", new, pair.claim, count=1)


def negation_inserted(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    changed = re.sub(r"\b(is|was|are|were|has|have|had|will|can)\b", r"\1 not", pair.claim, count=1)
    return changed if changed != pair.claim else None


def negation_worded(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    changed = re.sub(r"\b(is|was|are|were)\b", r"\1 far from being", pair.claim, count=1)
    return changed if changed != pair.claim else None


def name_from_elsewhere(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = _names(pair.claim)
    strange = [name for text in others for name in _names(text) if name not in pair.source]
    return pair.claim.replace(rng.choice(mine), rng.choice(strange), 1) if mine and strange else None


def name_of_the_source(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = _names(pair.claim)
    theirs = [name for name in _names(pair.source) if name not in pair.claim]
    return pair.claim.replace(rng.choice(mine), rng.choice(theirs), 1) if mine and theirs else None


def hedge_removed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _without(pair.claim, HEDGES)


def listed_hedge_removed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _without(pair.claim, LISTED_HEDGES)


def _without(claim: str, hedges: Sequence[str]) -> str | None:
    for hedge in hedges:
        changed = re.sub(rf"\b{hedge}\b ?", "", claim, count=1)
        if changed != claim:
            return changed
    return None


def unit_changed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    match = re.search(r"\d ?-?([A-Za-z]+)", pair.claim)
    if not match or match.group(1).lower() not in UNITS:
        return None
    return pair.claim[: match.start(1)] + UNITS[match.group(1).lower()] + pair.claim[match.end(1) :]


def month_changed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    for month in MONTHS:
        if re.search(rf"\b{month}\b (?:\d|of)|\d,? {month}\b", pair.claim):
            return pair.claim.replace(month, rng.choice([other for other in MONTHS if other != month]), 1)
    return None


def antonym_swapped(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return _swap_word(pair.claim, ANTONYMS)


def roles_reversed(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    mine = list(dict.fromkeys(_names(pair.claim)))
    if len(mine) < 2:
        return None
    first, last = mine[0], mine[-1]
    if first in last or last in first:
        return None
    return pair.claim.replace(first, "\0", 1).replace(last, first, 1).replace("\0", last, 1)


def unrelated(pair: Pair, rng: random.Random, others: list[str]) -> str | None:
    return rng.choice(others)


EDITS: dict[str, Edit] = {
    "unrelated claim": unrelated,
    "number changed": number_changed,
    "number of the same source": number_from_elsewhere,
    "negation inserted": negation_inserted,
    "negation in other words": negation_worded,
    "name from elsewhere": name_from_elsewhere,
    "name of the same source": name_of_the_source,
    "hedge removed, unlisted": hedge_removed,
    "hedge removed, listed": listed_hedge_removed,
    "unit changed": unit_changed,
    "month changed": month_changed,
    "antonym swapped": antonym_swapped,
    "roles reversed": roles_reversed,
}


def quoted(items: list[dict[str, Any]]) -> list[tuple[Pair, Index]]:
    """Sentences of the sources themselves, up to five a row: claims that hold by construction."""
    rng = random.Random(SEED)
    pairs: list[tuple[Pair, Index]] = []
    for item in items:
        index = index_of(item["sources"])
        whole = [
            one
            for one in index.sentences
            if 8 <= len(one.spoken.words) <= 40 and one.text.endswith(".") and "\n" not in one.text
        ]
        pairs += [
            (Pair(one.text, item["sources"][0]), index) for one in rng.sample(whole, min(5, len(whole)))
        ]
    return pairs


def contrast(name: str, pairs: list[tuple[Pair, Index]]) -> dict[str, Any]:
    settings = VerifierSettings()
    rng = random.Random(SEED)
    result: dict[str, Any] = {}
    print(f"\nContrast edits on {name} (development set; share before the edit, then after)")
    print(f"  {'edit':28}{'n':>5}   auto-accepted     score >= {settings.decide}")
    for kind, edit in EDITS.items():
        counts = [0, 0, 0, 0]
        n = 0
        for pair, index in pairs:
            others = [other.claim for other, _ in rng.sample(pairs, 12) if other.source != pair.source]
            changed = edit(pair, rng, others) if others else None
            if changed is None or terms(changed).kinds == {} or changed == pair.claim:
                continue
            n += 1
            before, after = assess(pair.claim, index, settings), assess(changed, index, settings)
            counts[0] += before.band == "accept"
            counts[1] += after.band == "accept"
            counts[2] += before.score >= settings.decide
            counts[3] += after.score >= settings.decide
        shares = [share_of(count, n) for count in counts]
        result[kind] = dict(
            zip(("accepted_before", "accepted_after", "passing_before", "passing_after"), shares, strict=True)
        )
        if n:
            a, b, c, d = (count / n for count in counts)
            high = shares[1]["interval"][1]
            print(f"  {kind:28}{n:>5}   {a:5.1%} -> {b:5.1%} (<= {high:5.1%})   {c:6.1%} -> {d:6.1%}")
        else:
            print(f"  {kind:28}{n:>5}   no row takes this edit")
    return result


def main() -> int:
    folder = data_folder()
    if folder is None:
        print("no development data: set GUARDKIT_DATA to the folder that holds grounding/*.jsonl; skipped")
        return 0
    report: dict[str, Any] = {
        "about": "development sets: thresholds were chosen on them",
        "seed": SEED,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("guardkit", "rapidfuzz", "snowballstemmer")},
        },
        "settings": VerifierSettings().model_dump(mode="json"),
    }
    claims = rows(folder, "wice_claim_dev.jsonl")
    if claims:
        report["wice"] = wice(claims)
        supported = [item for item in claims if item["supported"]]
        held = [(Pair(item["claim"], item["sources"][0]), index_of(item["sources"])) for item in supported]
        report["contrast_claims"] = contrast("supported WiCE claims", held)
        report["contrast_quoted"] = contrast("sentences quoted from WiCE sources", quoted(claims))
    questions = rows(folder, "clapnq_A.jsonl")
    if questions:
        report["clapnq"] = clapnq(questions)
    answers = rows(folder, "halueval_qa.jsonl")
    if answers:
        report["halueval"] = halueval(answers)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"\nwritten to {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
