"""Verdicts → figures: measures over slices, baselines and intervals.

Conventions: an interval is the 95 % percentile bootstrap over groups, since clips of
one group are not independent; a value is the mean over the seeds. What the clips
cannot answer is absent, and told by `absent`, never a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import expit

from . import metrics as m
from .augmentation import COPIES, LAST
from .dataset import Example
from .decision import Matrix
from .metrics import Metric, Rows, Table, rows
from .takes import LOUD_DIALOGUE, OTHER_DIALOGUES
from .verdicts import Verdict, is_music

# Name of the comparison, slices of songs, slices of scores.
COMPARISONS: Final = (
    ("song-vocal against score-core", ("song-vocal",), ("score-core",)),
    ("song-vocal against score-core and score-choir", ("song-vocal",), ("score-core", "score-choir")),
    ("song-instrumental against score-core", ("song-instrumental",), ("score-core",)),
    ("song-grey against score-grey", ("song-grey",), ("score-grey",)),
)
RESAMPLES: Final = 500
LINES: Final = (0.2, 0.35, 0.5, 0.65, 0.8)  # probabilities from which on one may call a song


@dataclass(frozen=True)
class Figure:
    """One measured number with its interval and, where it makes sense, those of who knows less.

    Attributes
    ----------
    baseline : of the vocals-only baseline.
    majority : of who always names the label that most of the clips have.
    shipped : of the shipped model, where it was asked about the same clips.
    """

    name: str
    value: float
    low: float
    high: float
    baseline: float | None
    clips: int
    groups: int
    majority: float | None = None
    shipped: float | None = None

    def __str__(self) -> str:
        named = {"vocals only": self.baseline, "majority": self.majority, "shipped": self.shipped}
        beside = "".join(f", {who} {value:.3f}" for who, value in named.items() if value is not None)
        return (
            f"{self.name}: {self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{beside} "
            f"({self.clips} clips, {self.groups} groups)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the card, rounded to what the clips can support."""
        return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(self).items()}


class Measure(NamedTuple):
    """A figure to be: which rows, which metric, and whether the baselines are asked too."""

    name: str
    rows: Rows
    metric: Metric
    with_baselines: bool = True


def figures(
    runs: Sequence[Sequence[Verdict]], *, resamples: int = RESAMPLES, random_state: int = 0
) -> list[Figure]:
    """All figures that the slices at hand allow.

    Parameters
    ----------
    runs : by seed, the verdicts of `verdicts.cross_validate`.
    resamples : of the groups, for the intervals.
    """
    tables = [m.table_of(run) for run in runs]
    measured = [figure_of(measure, tables, resamples, random_state) for measure in _measures(tables[0])]
    return [figure for figure in measured if figure is not None]


def absent(runs: Sequence[Sequence[Verdict]], measured: Iterable[Figure]) -> dict[str, str]:
    """By name, why a figure is not among those measured."""
    tables, names = [m.table_of(run) for run in runs], {figure.name for figure in measured}
    return {
        measure.name: "the clips at hand lack a class for it"
        if any(measure.rows(t).any() for t in tables)
        else "no such clips"
        for measure in _measures(tables[0])
        if measure.name not in names
    }


def _measures(table: Table) -> Iterator[Measure]:
    """All measures that the table might allow."""
    everything = rows()
    music_slices = sorted(set(table["slice"][np.isin(table["truth"], ("score", "song"))]))
    for name, songs, scores in COMPARISONS:
        if set(songs) & set(music_slices) and set(scores) & set(music_slices):
            both = rows(slices=(*songs, *scores))
            yield Measure(f"{name}, ROC-AUC", both, m.auc)
            yield Measure(f"{name}, balanced accuracy", both, m.balanced_accuracy)
    yield Measure("everything people made, ROC-AUC", everything, m.auc)
    yield Measure("everything people made, balanced accuracy", everything, m.balanced_accuracy)
    yield Measure("songs, average precision", everything, m.average_precision("song"))
    yield Measure("scores, average precision", everything, m.average_precision("score"))
    yield Measure("songs, F1", everything, m.f1("song"))
    yield Measure("scores, F1", everything, m.f1("score"))
    yield Measure("mean F1 of songs and scores", everything, m.f1("score", "song"))
    yield Measure("expected calibration error", everything, m.calibration_error, False)
    yield Measure("accuracy", everything, m.accuracy)
    yield Measure("accuracy where confident", rows(confident=True), m.accuracy)
    yield Measure("accuracy on the surest 80 %", m.surest, m.accuracy)
    yield Measure("share of confident calls", everything, m.confident, False)
    for part in music_slices:
        yield Measure(f"{part} called right", rows(slices=(part,)), m.accuracy)
    for least, label in product(LINES, ("song", "score")):
        name = f"{label}s called songs, if from {least:g} on"
        yield Measure(name, rows(truths=(label,)), m.called_songs(least), False)
    yield Measure("music called no_music", everything, m.no_music, False)
    yield Measure("no_music recognised", rows(truths=("no_music",)), m.no_music, False)
    yield from _robustness()


def _robustness() -> Iterator[Measure]:
    """Measures on variants, and on segments of which it is known whether someone sings."""
    for part in ("score-core", "song-vocal", "song-instrumental"):
        loud, other = (
            rows(slices=(part,), variants=spoken) for spoken in ((LOUD_DIALOGUE,), OTHER_DIALOGUES)
        )
        label = part.split("-")[0]
        yield Measure(f"{part} under dialogue 0 to 10 dB louder, called {label}", loud, m.accuracy)
        yield Measure(f"{part} under softer or broken dialogue, called {label}", other, m.accuracy)
        yield Measure(f"{part} under softer or broken dialogue, surely wrong", other, m.surely_wrong, False)
    for copy in COPIES:
        yield Measure(f"label unchanged {copy}", rows(variants=(copy,)), m.unchanged, False)
    yield Measure("label unchanged, first against last 20 s", rows(variants=(LAST,)), m.unchanged, False)
    sung, unsung = rows(truths=("song",), annotated=True), rows(slices=("score-core",), vocals="no")
    yield Measure("voice frames, F1", sung, m.voice_f1, False)
    yield Measure("voice frames, ROC-AUC", sung, m.voice_auc, False)
    yield Measure("voice frames, false alarms on score-core", unsung, m.voice_false_alarms, False)


def figure_of(
    measure: Measure, tables: Sequence[Table], resamples: int = RESAMPLES, random_state: int = 0
) -> Figure | None:
    """The figure over the seeds that have such clips; None where a class is missing, or all of them."""
    chosen = [m.part(t, measure.rows(t)) for t in tables]
    parts = [part for part in chosen if len(part["group"])]
    groups = sorted({str(g) for part in parts for g in part["group"]})
    places = [np.searchsorted(groups, part["group"]) for part in parts]

    def value(said: Sequence[Table], counts: Matrix) -> float:
        return float(np.mean([measure.metric(p, counts[at]) for p, at in zip(said, places, strict=True)]))

    def of_baseline(who: str) -> float | None:
        said = [t for part in parts if (t := m.as_said_by(part, who)) is not None]
        return value(said, once) if measure.with_baselines and len(said) == len(parts) else None

    random = np.random.default_rng(random_state)
    once, drawn = np.ones(len(groups)), []
    for _ in range(resamples if parts else 0):
        counts = random.multinomial(len(groups), once / len(groups)).astype(float)
        with suppress(ValueError, ZeroDivisionError):  # a draw without one of the classes says nothing
            drawn.append(value(parts, counts))
    if not drawn:
        return None
    low, high = np.quantile(drawn, (0.025, 0.975))
    clips = round(float(np.mean([len(part["group"]) for part in parts])))
    baselines = [of_baseline(who) for who in ("voice_only", "majority", "shipped")]
    return Figure(
        measure.name, value(parts, once), float(low), float(high), baselines[0], clips, len(groups),
        *baselines[1:],
    )  # fmt: skip


def worst(runs: Iterable[Sequence[Verdict]], n: int = 20) -> list[tuple[str, str, float]]:
    """The clips most surely called wrong: name, slice and mean song probability over the runs."""
    calls: dict[Example, list[float]] = {}
    for verdict in (v for run in runs for v in run):
        example = verdict.take.example
        if isinstance(example, Example) and is_music(verdict.take):
            calls.setdefault(example, []).append(float(expit(verdict.logit)))
    mean = [(example, float(np.mean(p))) for example, p in calls.items()]
    mean.sort(key=lambda call: call[1] if call[0].label == "song" else 1 - call[1])
    return [(example.name, example.slice, p) for example, p in mean[:n]]
