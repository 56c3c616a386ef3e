"""Takes and models → figures: grouped folds, slices, baseline and intervals.

Conventions: nothing is asked about a group that a model met in training; every
fold refits everything, the ear included. An interval is the 95 % percentile
bootstrap over groups, since clips of one group are not independent; a value is
the mean over the seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import joblib
import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from .augmentation import COPIES, FIRST, LAST
from .dataset import MADE_BY_MODELS, Example, Voice
from .decision import Matrix
from .fitting import Heard, fit, fold_of_groups, without
from .model import MUSIC, VOICE, VOICE_SUMMARY, Ear, Model, decision_row, smoothed_voice
from .takes import Take

N_FOLDS: Final = 5
ECE_BINS: Final = 10
SUREST: Final = 0.8  # share of the clips

# Name of the comparison, slices of songs, slices of scores.
COMPARISONS: Final = (
    ("song-vocal against score-core", ("song-vocal",), ("score-core",)),
    ("song-vocal against score-core and score-choir", ("song-vocal",), ("score-core", "score-choir")),
    ("song-instrumental against score-core", ("song-instrumental",), ("score-core",)),
    ("song-grey against score-grey", ("song-grey",), ("score-grey",)),
)

Table = dict[str, npt.NDArray[Any]]
Rows = Callable[[Table], npt.NDArray[np.bool_]]
Metric = Callable[[Table, Matrix, str], float]  # of the rows, their weights, and the column of logits


@dataclass(frozen=True)
class Verdict:
    """What a model that never met a take's groups says of it.

    Of every segment it says the logit of a `voice`, and whether that is `sung`:
    what sounds, is music and has a voice.
    """

    take: Take
    logit: float
    voice_only: float
    fractions: dict[str, float]
    label: str
    confident: bool
    voice: Matrix
    sung: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Figure:
    """One measured number with its interval and, where it makes sense, the vocals-only baseline's."""

    name: str
    value: float
    low: float
    high: float
    baseline: float | None
    clips: int
    groups: int

    def __str__(self) -> str:
        beside = "" if self.baseline is None else f", vocals only {self.baseline:.3f}"
        return (
            f"{self.name}: {self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{beside} "
            f"({self.clips} clips, {self.groups} groups)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the card, rounded to what the clips can support."""
        return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(self).items()}


def cross_validate(
    takes: Sequence[Take],
    tags: Sequence[str],
    *,
    ear: Ear | None = None,
    added: Sequence[Heard] = (),
    seeds: Sequence[int] = (0,),
    n_jobs: int | None = None,
) -> list[list[Verdict]]:
    """By seed, verdicts on all takes by models that never met any of their groups.

    What is `added` shares no group with the takes; every model learns from it, none is asked about it.
    """

    folds = {seed: fold_of_groups(takes, N_FOLDS, seed) for seed in seeds}

    def one(seed: int, fold: int) -> list[Verdict]:
        fold_of = folds[seed]
        model, baseline = fit(without(takes, fold_of, fold), tags, ear=ear, added=added, random_state=seed)
        return judge(model, [t for t in takes if all(fold_of[g] == fold for g in t.groups)], baseline)

    work = [(seed, fold) for seed in seeds for fold in sorted(set(folds[seed].values()))]
    with threadpool_limits(1):
        done = joblib.Parallel(n_jobs=n_jobs, backend="threading")(joblib.delayed(one)(*w) for w in work)
    return [
        [v for (s, _), verdicts in zip(work, done, strict=True) if s == seed for v in verdicts]
        for seed in seeds
    ]


def judge(model: Model, takes: Sequence[Take], baseline: LogisticRegression) -> list[Verdict]:
    """What the model, and the vocals-only baseline, say of takes."""
    verdicts = []
    for take in takes:
        heard = model.ear(take.features.segments)
        row = decision_row(take.features, heard, model.ear.heads)[None]
        fractions = model.listen(heard, take.features.silent)
        logit = float(model.decision(row)[0])
        label, confident = model.call(float(expit(logit)), fractions[MUSIC])
        voice_only = float(baseline.decision_function(row[:, -len(VOICE_SUMMARY) :])[0])
        voice = smoothed_voice(heard, model.ear.heads)
        sung = model.sung_segments(heard, take.features.silent)
        verdicts.append(Verdict(take, logit, voice_only, fractions, label, confident, voice, sung))
    return verdicts


def figures(
    runs: Sequence[Sequence[Verdict]], *, resamples: int = 500, random_state: int = 0
) -> list[Figure]:
    """All figures that the slices at hand allow.

    Parameters
    ----------
    runs : by seed, the verdicts of `cross_validate`.
    resamples : of the groups, for the intervals.
    """
    tables = [_table(run) for run in runs]
    measured = [_figure(measure, tables, resamples, random_state) for measure in _measures(tables[0])]
    return [figure for figure in measured if figure is not None]


def _table(run: Sequence[Verdict]) -> Table:
    """One run as columns, in an order that does not depend on the folds."""
    ordered = sorted(run, key=lambda v: (v.take.group, v.take.features.source, v.take.variant))
    takes = [v.take for v in ordered]
    hits, false_alarms, misses, segments = np.array([_voice_counts(v) for v in ordered]).T
    said = {(v.take.example, v.take.variant): v.label for v in ordered}
    return {
        "truth": np.array([t.label for t in takes]),
        "slice": np.array([t.slice for t in takes]),
        "variant": np.array([t.variant for t in takes]),
        "group": np.array([t.group for t in takes]),
        "vocals": np.array([getattr(t.example, "vocals", "") for t in takes]),
        "annotated": np.array([t.annotated for t in takes]),
        "logit": np.array([v.logit for v in ordered]),
        "voice_only": np.array([v.voice_only for v in ordered]),
        "label": np.array([v.label for v in ordered]),
        "confident": np.array([v.confident for v in ordered]),
        "unchanged": np.array([v.take.checking and v.label == said[_reference(v.take)] for v in ordered]),
        "verdict": np.array(ordered, dtype=object),
        "hits": hits,
        "false_alarms": false_alarms,
        "misses": misses,
        "segments": segments,
    }


def _reference(take: Take) -> tuple[Example | Voice, str]:
    """Clip and variant of the take whose label one for checking should have."""
    return take.example, FIRST if take.variant == LAST else "original"


def _asked(verdict: Verdict) -> npt.NDArray[np.bool_]:
    """The segments of which a voice is known to be there or not, but for silence."""
    return np.isfinite(verdict.take.known[VOICE]) & ~verdict.take.features.silent


def _voice_counts(verdict: Verdict) -> list[int]:
    """Segments rightly and wrongly called sung, missed, and all that are asked about."""
    asked = _asked(verdict)
    true, said = verdict.take.known[VOICE][asked] == 1, verdict.sung[asked]
    return [int(part.sum()) for part in (true & said, ~true & said, true & ~said)] + [len(true)]


class Measure(NamedTuple):
    """A figure to be: which rows, which metric, and whether the baseline is asked too."""

    name: str
    rows: Rows
    metric: Metric
    with_baseline: bool = True


def _rows(
    *,
    slices: Collection[str] = (),
    truths: Collection[str] = ("score", "song"),
    variant: str = "original",
    **wanted: Any,
) -> Rows:
    """A choice of rows where columns are as `wanted`; without `slices` all but those that no person made."""

    def choose(t: Table) -> npt.NDArray[np.bool_]:
        of_slices = np.isin(t["slice"], list(slices)) if slices else t["slice"] != MADE_BY_MODELS
        known = np.isin(t["truth"], list(truths)) & (t["variant"] == variant)
        others = [t[name] == value for name, value in wanted.items()]
        return np.logical_and.reduce([of_slices, known, *others])

    return choose


def _surest(t: Table) -> npt.NDArray[np.bool_]:
    """Of everything people made, the share `SUREST` with the logits farthest from 0."""
    everything = np.flatnonzero(_rows()(t))
    ranked = everything[np.argsort(-np.abs(t["logit"][everything]), kind="stable")]
    return np.isin(np.arange(len(t["logit"])), ranked[: round(SUREST * len(ranked))])


def _measures(table: Table) -> Iterator[Measure]:
    """All measures that the table allows."""
    everything = _rows()
    music_slices = sorted(set(table["slice"][np.isin(table["truth"], ("score", "song"))]))
    for name, songs, scores in COMPARISONS:
        if set(songs) & set(music_slices) and set(scores) & set(music_slices):
            rows = _rows(slices=(*songs, *scores))
            yield Measure(f"{name}, ROC-AUC", rows, _auc)
            yield Measure(f"{name}, balanced accuracy", rows, _balanced_accuracy)
    yield Measure("everything people made, ROC-AUC", everything, _auc)
    yield Measure("everything people made, balanced accuracy", everything, _balanced_accuracy)
    yield Measure("expected calibration error", everything, _calibration_error, False)
    yield Measure("accuracy", everything, _accuracy)
    yield Measure("accuracy where confident", _rows(confident=True), _accuracy)
    yield Measure("accuracy on the surest 80 %", _surest, _accuracy)
    yield Measure("share of confident calls", everything, _confident, False)
    for part in music_slices:
        yield Measure(f"{part} called right", _rows(slices=(part,)), _accuracy)
    yield Measure("music called no_music", everything, _no_music, False)
    if "no_music" in table["truth"]:
        yield Measure("no_music recognised", _rows(truths=("no_music",)), _no_music, False)
    for part in ("score-core", "song-vocal", "song-instrumental"):
        rows = _rows(slices=(part,), variant="speech 0")
        yield Measure(
            f"{part} under dialogue 0 to 10 dB louder, called {part.split('-')[0]}", rows, _accuracy
        )
    for copy in COPIES:
        yield Measure(f"label unchanged {copy}", _rows(variant=copy), _unchanged, False)
    yield Measure("label unchanged, first against last 20 s", _rows(variant=LAST), _unchanged, False)
    sung, unsung = _rows(truths=("song",), annotated=True), _rows(slices=("score-core",), vocals="no")
    yield Measure("voice frames, F1", sung, _voice_f1, False)
    yield Measure("voice frames, ROC-AUC", sung, _voice_auc, False)
    yield Measure("voice frames, false alarms on score-core", unsung, _voice_false_alarms, False)


def _figure(measure: Measure, tables: Sequence[Table], resamples: int, random_state: int) -> Figure | None:
    """The figure over the seeds that have such clips; None where a class is missing, or all of them."""
    chosen = [{name: column[measure.rows(t)] for name, column in t.items()} for t in tables]
    parts = [part for part in chosen if len(part["group"])]
    groups = sorted({str(g) for part in parts for g in part["group"]})
    places = [np.searchsorted(groups, part["group"]) for part in parts]

    def value(column: str, counts: Matrix) -> float:
        return float(
            np.mean([measure.metric(p, counts[at], column) for p, at in zip(parts, places, strict=True)])
        )

    random = np.random.default_rng(random_state)
    once, drawn = np.ones(len(groups)), []
    for _ in range(resamples if parts else 0):
        counts = random.multinomial(len(groups), once / len(groups)).astype(float)
        with suppress(ValueError, ZeroDivisionError):  # a draw without one of the classes says nothing
            drawn.append(value("logit", counts))
    if not drawn:
        return None
    low, high = np.quantile(drawn, (0.025, 0.975))
    baseline = value("voice_only", once) if measure.with_baseline else None
    clips = round(float(np.mean([len(part["group"]) for part in parts])))
    return Figure(measure.name, value("logit", once), float(low), float(high), baseline, clips, len(groups))


def _auc(t: Table, weights: Matrix, column: str) -> float:
    return _weighted_auc(t["truth"] == "song", t[column], weights)


def _weighted_auc(truth: npt.NDArray[np.bool_], values: Matrix, weights: Matrix) -> float:
    kept = weights > 0
    if len(set(truth[kept])) < 2:  # scikit-learn would warn and give NaN
        raise ValueError("ROC-AUC needs both classes")
    return float(roc_auc_score(truth[kept], values[kept], sample_weight=weights[kept]))


def _accuracy(t: Table, weights: Matrix, column: str) -> float:
    """Share called right; music that is called no_music is not."""
    right = ((t[column] > 0) == (t["truth"] == "song")) & (t["label"] != "no_music")
    return float(np.average(right, weights=weights))


def _confident(t: Table, weights: Matrix, column: str) -> float:
    return float(np.average(t["confident"], weights=weights))


def _no_music(t: Table, weights: Matrix, column: str) -> float:
    return float(np.average(t["label"] == "no_music", weights=weights))


def _unchanged(t: Table, weights: Matrix, column: str) -> float:
    return float(np.average(t["unchanged"], weights=weights))


def _voice_f1(t: Table, weights: Matrix, column: str) -> float:
    hits, false_alarms, misses = (float(weights @ t[name]) for name in ("hits", "false_alarms", "misses"))
    return 2 * hits / (2 * hits + false_alarms + misses)


def _voice_false_alarms(t: Table, weights: Matrix, column: str) -> float:
    return float(weights @ t["false_alarms"]) / float(weights @ t["segments"])


def _voice_auc(t: Table, weights: Matrix, column: str) -> float:
    """ROC-AUC of the voice's logit over segments, each with the weight of its clip."""
    truth = np.concatenate([v.take.known[VOICE][_asked(v)] == 1 for v in t["verdict"]])
    voice = np.concatenate([v.voice[_asked(v)] for v in t["verdict"]])
    return _weighted_auc(truth, voice, np.repeat(weights, t["segments"]))


def _balanced_accuracy(t: Table, weights: Matrix, column: str) -> float:
    parts = [t["truth"] == label for label in ("score", "song")]
    right = (t[column] > 0) == parts[1]
    return float(np.mean([np.average(right[part], weights=weights[part]) for part in parts]))


def _calibration_error(t: Table, weights: Matrix, column: str) -> float:
    """Mean distance of probability and frequency over ten bins of equal width."""
    probability, is_song = expit(t[column]), t["truth"] == "song"
    bins = np.minimum((probability * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, weights * (probability - is_song), ECE_BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def worst(runs: Iterable[Sequence[Verdict]], n: int = 20) -> list[tuple[str, str, float]]:
    """The clips most surely called wrong: name, slice and mean song probability over the runs."""
    calls: dict[tuple[str, str, bool], list[float]] = {}
    for verdict in (v for run in runs for v in run):
        example = verdict.take.example
        if (
            isinstance(example, Example)
            and verdict.take.variant == "original"
            and example.label != "no_music"
        ):
            key = (example.name, example.slice, example.label == "song")
            calls.setdefault(key, []).append(float(expit(verdict.logit)))
    mean = [(name, part, float(np.mean(p)), is_song) for (name, part, is_song), p in calls.items()]
    return [
        (name, part, p)
        for name, part, p, is_song in sorted(mean, key=lambda m: m[2] if m[3] else 1 - m[2])[:n]
    ]
