"""Corpus → how well albums are told, and the numbers by which cohesion is set against the corpus.

    python benchmarks/albums.py ../shared/corpus/corpus.csv

Groups of the corpus stand for albums by one hand; clips of different groups, drawn at random, for
compilations. The calls come from grouped 5-fold cross-validation: no model has met a clip's group.
Descriptors are the shipped model's, which has met the clips: they rest on the corpus's ranks of each
feature, not on labels. Songs that no person made are left out.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from scoreorsong.albums import DEPENDENCE, FEW, kind_probabilities
from scoreorsong.cohesion import cohesion, descriptor_of, percentile
from scoreorsong.copies import with_copies_together
from scoreorsong.dataset import MADE_BY_MODELS, Companions, Example, read_companions, read_labels
from scoreorsong.features import schema
from scoreorsong.lessons import make_takes
from scoreorsong.prediction import default_model
from scoreorsong.results import KINDS
from scoreorsong.takes import Take
from scoreorsong.verdicts import cross_validate, is_music

ALBUMS = 500  # of every sort
FEWEST, MOST = 3, 15  # tracks


class Clip(NamedTuple):
    label: str
    group: str
    song_probability: float
    descriptor: bytes


Album = Sequence[Clip]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    began = time.monotonic()
    companions = read_companions(options.labels)
    if companions is None:
        parser.error("the corpus must have voices.csv and teacher/ beside its labels")
    clips = judged(read_labels(options.labels), companions, options.jobs)
    random = np.random.default_rng(0)
    draw = Draw(clips, random)
    print(f"{len(clips)} clips of {len({clip.group for clip in clips})} groups\n")
    print_kinds({sort: [make() for _ in range(ALBUMS)] for sort, make in draw.sorts().items()})
    print_cohesion(draw)
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes")


def judged(examples: Sequence[Example], companions: Companions, jobs: int) -> list[Clip]:
    """Clips that people made, with what a model says that never met their group."""
    takes, _ = with_copies_together(make_takes(examples, companions, n_jobs=jobs))
    (run,) = cross_validate(takes, companions.tags, n_jobs=jobs)
    return [
        Clip(v.take.label, v.take.group, float(expit(v.logit)), described(v.take))
        for v in run
        if is_music(v.take) and v.take.slice != MADE_BY_MODELS
    ]


def described(take: Take) -> bytes:
    deviations = default_model().judge(take.features).deviations
    return descriptor_of(deviations[name] for name in schema.NAMES)


class Draw:
    """Albums made up of clips, at random."""

    def __init__(self, clips: Sequence[Clip], random: np.random.Generator) -> None:
        self.random = random
        self.groups: dict[str, dict[str, list[Clip]]] = {
            "score": defaultdict(list),
            "song": defaultdict(list),
        }
        for clip in clips:
            self.groups[clip.label][clip.group].append(clip)

    def sorts(self) -> dict[str, Callable[[], Album]]:
        """Makers of albums by what they are."""
        return {
            "score by one hand": lambda: self.one_hand("score"),
            "score by various hands": lambda: self.various("score", self.size()),
            "songs by one artist": lambda: self.one_hand("song"),
            "songs by various artists": lambda: self.various("song", self.size()),
            "mixed, various hands": self.mixed,
            "mixed, the score by one hand": self.mixed_with_one_hand,
        }

    def size(self) -> int:
        return int(self.random.integers(FEWEST, MOST + 1))

    def one_hand(self, label: str, fewest: int = FEWEST, n: int = MOST) -> Album:
        """At most `n` clips of a group that has at least `fewest`."""
        large = [group for group in self.groups[label].values() if len(group) >= fewest]
        group = large[self.random.integers(len(large))]
        return [group[i] for i in self.random.permutation(len(group))[:n]]

    def various(self, label: str, n: int) -> Album:
        """A clip of each of `n` groups."""
        groups = list(self.groups[label].values())
        chosen = self.random.permutation(len(groups))[:n]
        return [groups[i][self.random.integers(len(groups[i]))] for i in chosen]

    def mixed(self) -> Album:
        n = max(self.size(), 4)
        few = int(FEW * n)
        n_songs = int(self.random.integers(few + 1, n - few))
        return [*self.various("song", n_songs), *self.various("score", n - n_songs)]

    def mixed_with_one_hand(self) -> Album:
        scores = self.one_hand("score", n=8)
        n_songs = int(self.random.integers(-(-len(scores) // 2), len(scores) + 1))
        return [*scores, *self.various("song", n_songs)]


def print_kinds(albums: dict[str, list[Album]]) -> None:
    print("| albums | kind told right | by counting labels | mean probability | log loss |")
    print("|---|---|---|---|---|")
    told = {sort: [tell(album) for album in made] for sort, made in albums.items()}
    for sort, answers in told.items():
        right, counted, sure, loss = np.mean(answers, axis=0)
        print(f"| {sort} | {right:.2f} | {counted:.2f} | {sure:.2f} | {loss:.2f} |")
    answers = np.concatenate(list(told.values()))
    print("| all | {:.2f} | {:.2f} | {:.2f} | {:.2f} |".format(*answers.mean(axis=0)))
    print("\n| probability told | kind told right | share of the albums |\n|---|---|---|")
    for low, high in ((0, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        within = (answers[:, 2] >= low) & (answers[:, 2] < high)
        if within.any():
            print(f"| {low:g} to {min(high, 1):g} | {answers[within, 0].mean():.2f} | {within.mean():.2f} |")
    print("\n| dependence | log loss, by one hand | by various hands |\n|---|---|---|")
    for dependence in sorted({0, 0.02, 0.1, 0.2, 0.4, DEPENDENCE}):
        losses = {
            sort: np.mean([tell(album, dependence)[3] for album in made]) for sort, made in albums.items()
        }
        one = np.mean([loss for sort, loss in losses.items() if "one" in sort])
        various = np.mean([loss for sort, loss in losses.items() if "various" in sort])
        print(f"| {dependence:g} | {one:.3f} | {various:.3f} |")


def tell(album: Album, dependence: float = DEPENDENCE) -> tuple[float, float, float, float]:
    """Whether the kind is right, whether counting labels is, the probability told, and the log loss."""
    by_kind = kind_probabilities([clip.song_probability for clip in album], dependence=dependence)
    truth = kind_of(np.mean([clip.label == "song" for clip in album]))
    counted = kind_of(np.mean([clip.song_probability > 0.5 for clip in album]))
    kind = max(by_kind, key=lambda kind: by_kind[kind])
    return float(kind == truth), float(counted == truth), by_kind[kind], -float(np.log(by_kind[truth]))


def kind_of(share_of_songs: float) -> str:
    return KINDS[0] if share_of_songs <= FEW else KINDS[1] if share_of_songs >= 1 - FEW else KINDS[2]


def print_cohesion(draw: Draw) -> None:
    usual, pair_variance, clip_variance = np.mean([constants(draw, label) for label in draw.groups], axis=0)
    print(f"\nsimilarity of clips by different hands, both scores or both songs: mean {usual:.3f}, ", end="")
    print(f"variance {pair_variance:.4f}, of a clip's mean {clip_variance:.4f}\n")
    print("| tracks | different hands: below percentile 5, 50, 95 | one hand: above 50, 95 | ROC-AUC |")
    print("|---|---|---|---|")
    for n in (2, 4, 8):
        apart = np.array([heard(draw.various(label, n)) for label in draw.groups for _ in range(ALBUMS // 2)])
        labels = [label for label, groups in draw.groups.items() if any(len(g) >= n for g in groups.values())]
        together = np.array(
            [heard(draw.one_hand(label, n, n)) for label in labels for _ in range(ALBUMS // len(labels))]
        )
        auc = roc_auc_score([0] * len(apart) + [1] * len(together), [*apart, *together])
        below = ", ".join(f"{np.mean(apart < limit):.2f}" for limit in (5, 50, 95))
        above = ", ".join(f"{np.mean(together > limit):.2f}" for limit in (50, 95))
        print(f"| {n} | {below} | {above} | {auc:.2f} |")


def heard(album: Album) -> float:
    value = cohesion([clip.descriptor for clip in album])
    assert value is not None
    return percentile(value, len(album))


def constants(draw: Draw, label: str) -> tuple[float, float, float]:
    """Over pairs of clips of one label by different hands, every hand counting alike; see `cohesion`."""
    members = [(clip, group, 1 / len(clips)) for group, clips in draw.groups[label].items() for clip in clips]
    rows = np.array([np.frombuffer(clip.descriptor, np.int8) for clip, _, _ in members], np.float64)
    hands, weights = (
        np.array([group for _, group, _ in members]),
        np.array([weight for *_, weight in members]),
    )
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike, pairs = units @ units.T, np.outer(weights, weights) * (hands[:, None] != hands)
    usual = float(np.average(alike, weights=pairs))
    of_clips = (alike * pairs).sum(axis=1) / pairs.sum(axis=1)
    pair_variance = float(np.average((alike - usual) ** 2, weights=pairs))
    return usual, pair_variance, float(np.average((of_clips - usual) ** 2, weights=weights))


if __name__ == "__main__":
    main()
