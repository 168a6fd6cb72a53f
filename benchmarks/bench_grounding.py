"""What the deterministic verifier sees, measured on development data.

Data is read from the folder given, else from `../shared/data/grounding` beside the repository; it is not part of the
project. Every number comes from development sets on which thresholds were chosen: it says how the parts behave, and
promises nothing about other text. Results go to `benchmarks/results/grounding.json`.

Run: make bench, or python benchmarks/bench_grounding.py [folder]
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from contrast_edits import EDITS, Pair
from measuring import RESULTS, keep
from rates import (
    ROOT,
    SEED,
    area,
    auroc,
    auroc_of,
    balanced_of,
    data_folder,
    percentage,
    rows,
    said,
    share_of,
)

from guardkit.core.sources import Authority, Source
from guardkit.grounding import Index, RelevanceSettings, VerifierSettings, assess, relevance
from guardkit.grounding.terms import terms
from guardkit.grounding.tokens import content_stems


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


# --- claims ---------------------------------------------------------------------------------------------------------


def wice(items: list[dict[str, Any]]) -> dict[str, Any]:
    settings = VerifierSettings()
    labels = [item["supported"] for item in items]
    began = time.thread_time()
    indexes = [index_of(item["sources"]) for item in items]
    built = time.thread_time()
    found = [assess(item["claim"], index, settings) for item, index in zip(items, indexes, strict=True)]
    done = time.thread_time()
    scores = [one.score for one in found]
    hits = [score >= settings.decide for score in scores]
    shares = [
        len(words & set(content_stems(" ".join(item["sources"])))) / max(1, len(words))
        for item in items
        for words in [set(content_stems(item["claim"]))]
    ]
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
        "balanced_accuracy": {"threshold": settings.decide, **balanced_of(hits, labels)},
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
    print(f"  balanced accuracy at {settings.decide}: {percentage(result['balanced_accuracy'])}")
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
        f"  {result['milliseconds_per_claim']:.2f} ms CPU a claim, {result['milliseconds_per_source_set']:.1f} ms to read its sources"
    )
    return result


def halueval(items: list[dict[str, Any]]) -> dict[str, Any]:
    labels = [item["supported"] for item in items]
    scores = [assess(item["claim"], index_of(item["sources"])).score for item in items]
    threshold = VerifierSettings().decide
    result = {
        **auroc_of(scores, labels),
        "by_length": auroc([-len(item["claim"]) for item in items], labels),
        "balanced_accuracy": {
            "threshold": threshold,
            **balanced_of([score >= threshold for score in scores], labels),
        },
    }
    print(f"\nHaluEval QA (development set; smoke test only, length alone has {result['by_length']:.2f})")
    print(f"  balanced accuracy at {threshold}: {percentage(result['balanced_accuracy'])}")
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
        "balanced_accuracy": balanced_of([one.band == "covered" for one in own], labels),
    }
    print(f"\nCLAP-NQ sufficiency (development set, n = {len(items)}; thresholds were chosen on it)")
    print(f"  balanced accuracy of `covered`: {percentage(result['balanced_accuracy'])}")
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


# --- contrast edits ------------------------------------------------------------


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
    folder = data_folder(sys.argv[1:], "grounding")
    if folder is None:
        return 0
    report: dict[str, Any] = {
        "seed": SEED,
        "about": "development sets: thresholds were chosen on them",
        "versions": {name: version(name) for name in ("rapidfuzz", "snowballstemmer")},
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
    keep("grounding", report)
    print(f"\nwritten to {(RESULTS / 'grounding.json').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
