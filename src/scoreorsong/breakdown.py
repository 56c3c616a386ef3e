"""Columns → what a single figure hides: confusion, curves, and errors by slice, group and clip.

Conventions: plain values, ready for JSON, rounded to `DIGITS`; counts are means over
the seeds; curves join the verdicts of all seeds. A song is the positive class unless
a key says otherwise. What cannot be told is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.metrics import precision_recall_curve, roc_curve

from . import metrics as m
from .dataset import Example
from .hearing import MUSIC
from .label_rows import LABELS
from .metrics import Table
from .verdicts import Verdict

DIGITS: Final = 4
ASKED: Final = {"model": "logit", "vocals only": "voice_only", "shipped": "shipped"}

Plain = dict[str, Any]


def confusion(tables: Sequence[Table]) -> dict[str, dict[str, float]]:
    """By true label, how many clips are called what; voices and noises count as no_music."""
    counts: dict[str, dict[str, float]] = {}
    for truth in LABELS:
        chosen = [m.part(t, (t["truth"] == truth) & (t["variant"] == "original")) for t in tables]
        if any(len(t["truth"]) for t in chosen):
            said = [m.called(t) for t in chosen]
            counts[truth] = {label: _mean([(s == label).sum() for s in said]) for label in LABELS}
    return counts


def curves(tables: Sequence[Table]) -> dict[str, Any]:
    """ROC, precision/recall, calibration and coverage/risk on everything that people made."""
    parts = [m.part(t, m.rows()(t)) for t in tables]
    columns = ("truth", "logit", "label", "confident", *ASKED.values(), "shipped_label")
    joined: Table = {
        name: np.concatenate([part[name] for part in parts]) for name in columns if name in parts[0]
    }
    if not len(joined["truth"]):
        return {}
    found: dict[str, Any] = {"calibration": _calibration(joined), "coverage": _coverage(joined)}
    if len(set(joined["truth"].tolist())) == 2:
        found |= {"roc": _by_asked(joined, _roc)} | {
            f"precision_recall_{label}": {
                "prior": _rounded(np.mean(joined["truth"] == label)),
                **_by_asked(joined, lambda t, label=label: _precision_recall(t, label)),
            }
            for label in ("song", "score")
        }
    return found


def _by_asked(table: Table, curve: Any) -> dict[str, Plain]:
    """The curve of the model and of whoever else was asked."""
    return {who: curve(table | {"logit": table[at]}) for who, at in ASKED.items() if at in table}


def _roc(t: Table) -> Plain:
    false_alarms, found, _ = roc_curve(t["truth"] == "song", t["logit"])
    return {"false_positive_rate": _list(false_alarms), "true_positive_rate": _list(found)}


def _precision_recall(t: Table, label: str) -> Plain:
    sign = 1 if label == "song" else -1
    precision, recall, _ = precision_recall_curve(
        t["truth"] == label, sign * t["logit"], drop_intermediate=True
    )
    return {"recall": _list(recall), "precision": _list(precision)}


def _calibration(t: Table) -> list[Plain]:
    """By bin of probability that holds clips: how many, what was said of them, and what was true."""
    probability, is_song = expit(t["logit"]), t["truth"] == "song"
    bins = m.probability_bins(probability)
    return [
        {
            "from": _rounded(i / m.ECE_BINS),
            "to": _rounded((i + 1) / m.ECE_BINS),
            "calls": int((bins == i).sum()),
            "mean_probability": _rounded(probability[bins == i].mean()),
            "share_of_songs": _rounded(is_song[bins == i].mean()),
        }
        for i in range(m.ECE_BINS)
        if (bins == i).any()
    ]


def _coverage(t: Table) -> Plain:
    """Share of wrong calls among the surest, by how many of them are taken; and among what is called confidently."""
    found: Plain = {who: _risk(said) for who in ASKED if (said := _said(t, who)) is not None}
    if t["confident"].any():
        wrong = (m.called(t) != t["truth"])[t["confident"]]
        found["called confidently"] = {
            "coverage": _rounded(t["confident"].mean()),
            "risk": _rounded(wrong.mean()),
        }
    return found


def _said(t: Table, who: str) -> Table | None:
    return t if who == "model" else m.as_said_by(t, ASKED[who])


def _risk(t: Table) -> Plain:
    order = np.argsort(-np.abs(t["logit"]), kind="stable")
    taken = np.arange(1, len(order) + 1)
    risk = np.cumsum((m.called(t) != t["truth"])[order]) / taken
    ends = np.append(np.diff(np.abs(t["logit"])[order]) != 0, True)  # of clips as sure as one another
    return {"coverage": _list((taken / len(order))[ends]), "risk": _list(risk[ends])}


def by_slice(tables: Sequence[Table]) -> list[Plain]:
    """Of every slice of music: clips, groups, and how they are called."""
    first = tables[0]
    names = sorted(set(first["slice"][np.isin(first["truth"], ("score", "song"))].tolist()))
    return [
        {"slice": name, **_calls([m.part(t, m.rows(slices=(name,))(t)) for t in tables])} for name in names
    ]


def by_group(tables: Sequence[Table]) -> list[Plain]:
    """Of every group of music, the most mistaken first."""
    first = m.part(tables[0], np.isin(tables[0]["truth"], ("score", "song")))
    found = [
        {"group": name, **_calls([_of_group(t, name) for t in tables])}
        for name in sorted(set(first["group"].tolist()))
    ]
    return sorted(found, key=lambda row: -row["wrong"])


def _of_group(t: Table, name: str) -> Table:
    music = np.isin(t["truth"], ("score", "song")) & (t["variant"] == "original")
    return m.part(t, music & (t["group"] == name))


def _calls(parts: Sequence[Table]) -> Plain:
    """Counts over clips that need not be of one label."""
    return {
        "labels": sorted(set(parts[0]["truth"].tolist())),
        "clips": len(parts[0]["truth"]),
        "groups": len(set(parts[0]["group"].tolist())),
        "wrong": _mean([(m.called(t) != t["truth"]).sum() for t in parts]),
        "called_no_music": _mean([(t["label"] == "no_music").sum() for t in parts]),
        "uncertain": _mean([(~t["confident"]).sum() for t in parts]),
        "mean_song_probability": _mean([expit(t["logit"]).mean() for t in parts]),
    }


def mistakes(runs: Sequence[Sequence[Verdict]]) -> list[Plain]:
    """The clips that are called wrong at one seed at least, the most surely wrong first."""
    verdicts: dict[Example, list[Verdict]] = {}
    for verdict in (v for run in runs for v in run):
        example = verdict.take.example
        if isinstance(example, Example) and verdict.take.variant == "original":
            verdicts.setdefault(example, []).append(verdict)
    rows = [_mistake(example, said) for example, said in verdicts.items()]
    return sorted((row for row in rows if row["wrong"]), key=lambda row: (-row["sureness"], row["path"]))


def _mistake(example: Example, said: Sequence[Verdict]) -> Plain:
    wrong = [v for v in said if v.label != example.label]
    return {
        "path": example.name,
        "label": example.label,
        "slice": example.slice,
        "group": example.group,
        "called": sorted({v.label for v in wrong}),
        "song_probability": _mean([expit(v.logit) for v in said]),
        "sureness": _mean([_sureness(v) for v in wrong]) if wrong else 0.0,
        "wrong": len(wrong),
        "asked": len(said),
    }


def _sureness(verdict: Verdict) -> float:
    """How surely a label is given: the probability of the class, or the share without or with music."""
    music, probability = verdict.fractions[MUSIC], float(expit(verdict.logit))
    if verdict.label == "no_music":
        return 1 - music
    if verdict.take.label == "no_music":
        return music
    return probability if verdict.label == "song" else 1 - probability


def _mean(values: Sequence[Any]) -> float:
    return _rounded(np.mean(values))


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)


def _list(values: npt.NDArray[Any]) -> list[float]:
    return [round(v, DIGITS) for v in values.tolist()]
