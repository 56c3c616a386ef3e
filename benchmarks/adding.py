"""Shipped table → how well one's own clips do alone and added to it, 10 to 200 of them.

    python benchmarks/adding.py --rounds 16 --plot docs/images/adding.svg

"One's own" is drawn from sources (archives, sites) that are held out of the table: half of
all sources, anew in every round. The rest of the held-out groups is what is asked about.
Everything comes from the shipped table and data/corpus.csv; no audio is needed. The ear met
none of a take's own group, but other groups of its source. Gains are over the table alone in the
same round, on the same clips, and so far better known than the values themselves.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from scoreorsong.added import OWN_WEIGHT, default_table_path
from scoreorsong.blas import one_blas_thread
from scoreorsong.dataset import MADE_BY_MODELS, Example
from scoreorsong.ears import Heard
from scoreorsong.fitting import fit
from scoreorsong.heard_table import load_heard
from scoreorsong.model import Model
from scoreorsong.prediction import default_model

CORPUS = Path(__file__).parents[1] / "data" / "corpus.csv"
OWN_VARIANTS = ("original", "varied")  # what training on one's own clips makes of each
SIZES = (10, 20, 50, 100, 200)
ALONE = ("table alone", 0)

Results = dict[
    tuple[str, int], list[tuple[float, float]]
]  # by training and size, both figures of every round


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--weights", type=float, nargs="+", default=[OWN_WEIGHT], help="of one's own clips")
    parser.add_argument("--plot", metavar="SVG", help="draw the curves as well")
    options = parser.parse_args()
    began = time.monotonic()
    model = default_model()
    heard = load_heard(default_table_path(), model)
    results: Results = {}
    with one_blas_thread():
        for seed in range(options.rounds):
            for kind, n, figures in one_round(heard, model, seed, options.weights):
                results.setdefault((kind, n), []).append(figures)
    print("| training | own clips | ROC-AUC | gain | balanced accuracy | gain | better in |")
    print("|---|---|---|---|---|---|---|")
    for key in sorted(results, key=lambda key: (key[1], key[0])):
        print(row(key, results))
    print(
        f"\nModel {model.model_id}, {options.rounds} rounds in {(time.monotonic() - began) / 60:.1f} minutes"
    )
    if options.plot:
        draw(results, options.plot)


def row(key: tuple[str, int], results: Results) -> str:
    """A line of the table: means over the rounds, gains with their standard errors."""
    figures = np.array(results[key])
    gains = figures - np.array(results[ALONE])
    means, gained = figures.mean(axis=0), gains.mean(axis=0)
    errors = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    cells = [f"{means[i]:.3f} | {gained[i]:+.3f} ± {errors[i]:.3f}" for i in (0, 1)]
    better = f"{(gains[:, 1] > 0).sum()} of {len(gains)} rounds"
    told = ["", "", ""] if key == ALONE else [*cells, better]
    plain = [f"{means[0]:.3f} | ", f"{means[1]:.3f} | ", ""]
    return f"| {key[0]} | {key[1]} | {' | '.join(plain if key == ALONE else told)} |"


def draw(results: Results, path: str) -> None:
    """Balanced accuracy over the number of one's own clips, with standard errors of the gains."""
    import matplotlib.pyplot as plt

    base = np.array(results[ALONE])[:, 1]
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.axhline(base.mean(), color="0.4", linestyle=":", label=ALONE[0])
    for kind in sorted({kind for kind, _ in results} - {ALONE[0]}):
        sizes = sorted(n for k, n in results if k == kind)
        gains = np.array([np.array(results[kind, n])[:, 1] - base for n in sizes])
        errors = gains.std(axis=1, ddof=1) / np.sqrt(gains.shape[1])
        axes.errorbar(sizes, base.mean() + gains.mean(axis=1), errors, capsize=3, marker="o", label=kind)
    axes.set(xscale="log", xlabel="clips of one's own", ylabel="balanced accuracy")
    axes.set_xticks(SIZES, map(str, SIZES))
    axes.minorticks_off()
    axes.legend(frameon=False)
    plt.rcParams["svg.hashsalt"] = "adding"
    figure.savefig(path, metadata={"Date": None})


def one_round(heard: Sequence[Heard], model: Model, seed: int, weights: Sequence[float]):
    """The figures of every kind of training, all asked about the same clips."""
    random = np.random.default_rng(seed)
    mine, others = held_out(heard, random)
    groups = drawn(mine, random, max(SIZES))
    own = {n: first_clips(mine, groups, n) for n in SIZES}
    asked = [h for h in mine if h.take.variant == "original" and h.take.group not in groups and by_people(h)]
    yield *ALONE, judged(others, asked, model)
    for n, clips in own.items():
        yield "own clips alone", n, judged(clips, asked, model)
        for weight in weights:
            name = f"added, weight {weight:g}"
            yield name, n, judged([*weighted(clips, weight), *others], asked, model)


def by_people(h: Heard) -> bool:
    """Whether it is music that people made."""
    return h.row is not None and h.take.slice != MADE_BY_MODELS


def held_out(heard: Sequence[Heard], random: np.random.Generator) -> tuple[list[Heard], list[Heard]]:
    """Half of the sources' clips, and what shares neither source nor group with them."""
    with CORPUS.open(newline="", encoding="utf-8") as file:
        source_of = {row["path"]: row["source"] for row in csv.DictReader(file)}
    sources = sorted(set(source_of.values()))
    chosen = set(random.permutation(sources)[: len(sources) // 2])
    mine = [
        h for h in heard if isinstance(h.take.example, Example) and source_of[h.take.example.name] in chosen
    ]
    groups = {h.take.group for h in mine}
    held = {h.take.example for h in mine}
    others = [h for h in heard if h.take.example not in held and h.take.group not in groups]
    return [h for h in mine if h.take.variant.startswith(OWN_VARIANTS)], others


def drawn(mine: Sequence[Heard], random: np.random.Generator, n: int) -> list[str]:
    """Groups in random order until they have n clips and half of the groups of either class are left to ask about."""
    clips = [h.take for h in mine if h.take.variant == "original" and by_people(h)]
    order: list[str] = []
    for label in ("score", "song"):
        groups = sorted({t.group for t in clips if t.label == label})
        order += list(random.permutation(groups)[: len(groups) // 2])
    return order


def first_clips(mine: Sequence[Heard], groups: Sequence[str], n: int) -> list[Heard]:
    """All takes of n clips of the groups, as many of either class as there are, from all groups in turn."""
    turns: dict[str, list[Example]] = {"score": [], "song": []}
    seen: dict[str, int] = {}
    ranked = []
    for h in mine:
        if h.take.variant == "original" and h.take.group in groups and by_people(h):
            seen[h.take.group] = seen.get(h.take.group, 0) + 1
            ranked.append((seen[h.take.group], groups.index(h.take.group), h.take.example))
    for _, _, example in sorted(ranked, key=lambda r: r[:2]):
        turns[example.label].append(example)
    shorter = min(n // 2, *(len(part) for part in turns.values()))
    kept = set(turns["song"][: max(shorter, n - len(turns["score"]))]) | set(
        turns["score"][: max(shorter, n - len(turns["song"]))]
    )
    return [h for h in mine if h.take.example in kept]


def weighted(heard: Sequence[Heard], weight: float) -> list[Heard]:
    """The same, each counting so many times as much."""
    return [
        replace(h, take=replace(h.take, example=replace(h.take.example, weight=h.take.weight * weight)))
        for h in heard
    ]


def judged(training: Sequence[Heard], asked: Sequence[Heard], model: Model) -> tuple[float, float]:
    """ROC-AUC and balanced accuracy of a decision that is fitted anew."""
    decision = fit([], (), ear=model.ear, added=training)[0].decision
    logits = decision(np.stack([h.row for h in asked if h.row is not None]))
    truth = np.array([h.take.label == "song" for h in asked])
    return float(roc_auc_score(truth, logits)), float(balanced_accuracy_score(truth, logits > 0))


if __name__ == "__main__":
    main()
