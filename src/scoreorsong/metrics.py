"""Verdicts → columns, and columns → single numbers.

Conventions: a table has one row per take; a song is the positive class and a logit
above 0 calls one. A metric takes the rows and their weights (how often a bootstrap
drew their group) and raises `ValueError` or `ZeroDivisionError` where the rows
cannot answer; it never gives a number then. Music that is called no_music is not
called right, by anyone that shares that call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from .augmentation import FIRST, LAST
from .dataset import MADE_BY_MODELS, Example, Voice
from .decision import Matrix
from .hearing import VOICE
from .takes import Take
from .verdicts import Verdict, is_music

ECE_BINS: Final = 10
SUREST: Final = 0.8  # share of the clips

Flags = npt.NDArray[np.bool_]
Table = dict[str, npt.NDArray[Any]]
Rows = Callable[[Table], Flags]
Metric = Callable[[Table, Matrix], float]


def table_of(run: Sequence[Verdict]) -> Table:
    """One run as columns, in an order that does not depend on the folds."""
    ordered = sorted(run, key=lambda v: (v.take.group, v.take.features.source, v.take.variant))
    takes = [v.take for v in ordered]
    hits, false_alarms, misses, segments = np.array([_voice_counts(v) for v in ordered]).T
    said = {(v.take.example, v.take.variant): v.label for v in ordered}
    columns = {
        "truth": np.array([t.label for t in takes]),
        "slice": np.array([t.slice for t in takes]),
        "variant": np.array([t.variant for t in takes]),
        "group": np.array([t.group for t in takes]),
        "vocals": np.array([getattr(t.example, "vocals", "") for t in takes]),
        "annotated": np.array([t.annotated for t in takes]),
        "logit": np.array([v.logit for v in ordered]),
        "label": np.array([v.label for v in ordered]),
        "confident": np.array([v.confident for v in ordered]),
        "unchanged": np.array([v.take.checking and v.label == said[_reference(v.take)] for v in ordered]),
        "verdict": np.array(ordered, dtype=object),
        "hits": hits,
        "false_alarms": false_alarms,
        "misses": misses,
        "segments": segments,
    }
    return columns | _beside(ordered)


def _beside(ordered: Sequence[Verdict]) -> Table:
    """What the baselines say, as far as they were asked about every take."""
    voice_only, shipped = [v.voice_only for v in ordered], [v.shipped for v in ordered]
    music = [v.take.label for v in ordered if is_music(v.take) and v.take.slice != MADE_BY_MODELS]
    beside: Table = {"majority": np.full(len(ordered), 1.0 if 2 * music.count("song") > len(music) else -1.0)}
    if None not in voice_only:
        beside["voice_only"] = np.array(voice_only, dtype=np.float64)
    if None not in shipped:
        beside["shipped"] = np.array([v.logit for v in shipped if v])
        beside["shipped_label"] = np.array([v.label for v in shipped if v])
    return beside


def as_said_by(table: Table, who: str) -> Table | None:
    """The table as if the model had said what a baseline says; None where it was not asked.

    Vocals only shares the model's call for no_music; the majority makes none.
    """
    if who not in table:
        return None
    said = {"logit": table[who]}
    if who == "majority":
        said["label"] = np.where(table[who] > 0, "song", "score")
    if who == "shipped":
        said["label"] = table["shipped_label"]
    return table | said


def _reference(take: Take) -> tuple[Example | Voice, str]:
    """Clip and variant of the take whose label one for checking should have."""
    return take.example, FIRST if take.variant == LAST else "original"


def asked_segments(verdict: Verdict) -> Flags:
    """The segments of which a voice is known to be there or not, but for silence."""
    return np.isfinite(verdict.take.known[VOICE]) & ~verdict.take.features.silent


def _voice_counts(verdict: Verdict) -> list[int]:
    """Segments rightly and wrongly called sung, missed, and all that are asked about."""
    asked = asked_segments(verdict)
    true, said = verdict.take.known[VOICE][asked] == 1, verdict.sung[asked]
    return [int(part.sum()) for part in _outcomes(true, said)] + [len(true)]


# ---- which rows


def rows(
    *,
    slices: Collection[str] = (),
    truths: Collection[str] = ("score", "song"),
    variants: Collection[str] = ("original",),
    **wanted: Any,
) -> Rows:
    """A choice of rows where columns are as `wanted`; without `slices` all but those that no person made."""

    def choose(t: Table) -> Flags:
        of_slices = np.isin(t["slice"], list(slices)) if slices else t["slice"] != MADE_BY_MODELS
        known = np.isin(t["truth"], list(truths)) & np.isin(t["variant"], list(variants))
        others = [t[name] == value for name, value in wanted.items()]
        return np.logical_and.reduce([of_slices, known, *others])

    return choose


def surest(t: Table) -> Flags:
    """Of everything people made, the share `SUREST` with the logits farthest from 0."""
    everything = np.flatnonzero(rows()(t))
    ranked = everything[np.argsort(-np.abs(t["logit"][everything]), kind="stable")]
    return np.isin(np.arange(len(t["logit"])), ranked[: round(SUREST * len(ranked))])


def part(table: Table, chosen: Flags) -> Table:
    """Some of the rows."""
    return {name: column[chosen] for name, column in table.items()}


# ---- metrics
#
# The areas are what scikit-learn gives, which takes 40 times as long: a bootstrap asks for thousands of
# them, and checking its input is what costs scikit-learn most.


def auc(t: Table, weights: Matrix) -> float:
    return _weighted_auc(t["truth"] == "song", t["logit"], weights)


def _weighted_auc(truth: Flags, values: Matrix, weights: Matrix) -> float:
    """The share of pairs in the right order, ties by half."""
    _need_both(truth[weights > 0])
    order = np.argsort(values, kind="stable")
    truth, values, weights = truth[order], values[order], weights[order]
    below = np.concatenate([[0.0], np.cumsum(np.where(truth, 0, weights))])
    lower = (
        below[np.searchsorted(values, values, "left")] + below[np.searchsorted(values, values, "right")]
    ) / 2
    return float(weights[truth] @ lower[truth] / (weights[truth].sum() * below[-1]))


def _need_both(truth: Flags) -> None:
    """Without one of the classes scikit-learn would warn and give NaN."""
    if len(set(truth.tolist())) < 2:
        raise ValueError("needs both classes")


def average_precision(label: str) -> Metric:
    """Area under the precision/recall curve with this label as the positive class."""

    def metric(t: Table, weights: Matrix) -> float:
        sign = 1 if label == "song" else -1
        return _weighted_average_precision(t["truth"] == label, sign * t["logit"], weights)

    return metric


def _weighted_average_precision(truth: Flags, values: Matrix, weights: Matrix) -> float:
    """The mean precision over the steps of the recall, from the highest value down; what ties is found at once."""
    _need_both(truth[weights > 0])
    order = np.argsort(-values, kind="stable")
    last = np.append(np.diff(values[order]) != 0, True)
    found, right = (np.cumsum(w[order])[last] for w in (weights, weights * truth))
    precision = np.divide(right, found, out=np.zeros_like(found), where=found > 0)
    return float(np.diff(right, prepend=0) @ precision / right[-1])


def called(t: Table, line: float = 0.5) -> npt.NDArray[np.str_]:
    """What every clip is called: score, song (over this probability) or no_music."""
    songs = t["logit"] > logit(line)
    return np.where(t["label"] == "no_music", "no_music", np.where(songs, "song", "score"))


def f1(*labels: str) -> Metric:
    """F1, the mean over the labels; a label that is never right has 0."""

    def metric(t: Table, weights: Matrix) -> float:
        _need_both((t["truth"] == "song")[weights > 0])
        said = called(t)
        found = [(t["truth"] == label, said == label) for label in labels]
        return float(np.mean([_f1(*(float(weights @ p) for p in _outcomes(*pair))) for pair in found]))

    return metric


def _outcomes(true: Flags, said: Flags) -> tuple[Flags, Flags, Flags]:
    """What is rightly said, wrongly said, and missed."""
    return true & said, ~true & said, true & ~said


def _f1(hits: float, false_alarms: float, misses: float) -> float:
    return 2 * hits / (2 * hits + false_alarms + misses)


def accuracy(t: Table, weights: Matrix) -> float:
    """Share called right; music that is called no_music is not."""
    return float(np.average(called(t) == t["truth"], weights=weights))


def called_songs(line: float) -> Metric:
    """Share that is called a song by who draws the line there."""

    def metric(t: Table, weights: Matrix) -> float:
        return float(np.average(called(t, line) == "song", weights=weights))

    return metric


def surely_wrong(t: Table, weights: Matrix) -> float:
    """Share called confidently, and wrong."""
    return float(np.average(t["confident"] & (called(t) != t["truth"]), weights=weights))


def balanced_accuracy(t: Table, weights: Matrix) -> float:
    parts = [t["truth"] == label for label in ("score", "song")]
    right = (t["logit"] > 0) == parts[1]
    return float(np.mean([np.average(right[part], weights=weights[part]) for part in parts]))


def confident(t: Table, weights: Matrix) -> float:
    return float(np.average(t["confident"], weights=weights))


def no_music(t: Table, weights: Matrix) -> float:
    return float(np.average(t["label"] == "no_music", weights=weights))


def unchanged(t: Table, weights: Matrix) -> float:
    return float(np.average(t["unchanged"], weights=weights))


def calibration_error(t: Table, weights: Matrix) -> float:
    """Mean distance of probability and frequency over ten bins of equal width."""
    probability, is_song = expit(t["logit"]), t["truth"] == "song"
    gaps = np.bincount(probability_bins(probability), weights * (probability - is_song), ECE_BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def probability_bins(probability: Matrix) -> npt.NDArray[np.intp]:
    """Which of `ECE_BINS` bins of equal width each probability lies in."""
    return np.minimum((probability * ECE_BINS).astype(np.intp), ECE_BINS - 1)


def voice_f1(t: Table, weights: Matrix) -> float:
    return _f1(*(float(weights @ t[name]) for name in ("hits", "false_alarms", "misses")))


def voice_false_alarms(t: Table, weights: Matrix) -> float:
    return float(weights @ t["false_alarms"]) / float(weights @ t["segments"])


def voice_auc(t: Table, weights: Matrix) -> float:
    """ROC-AUC of the voice's logit over segments, each with the weight of its clip."""
    truth = np.concatenate([v.take.known[VOICE][asked_segments(v)] == 1 for v in t["verdict"]])
    voice = np.concatenate([v.voice[asked_segments(v)] for v in t["verdict"]])
    return _weighted_auc(truth, voice, np.repeat(weights, t["segments"]))
