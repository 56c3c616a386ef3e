"""Curves of an evaluation → tables of numbers, so that a paper can quote them.

Conventions: what comes in are the plain values of `breakdown.curves`; what is read off a
curve lies on it, or on the step before the place that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

FALSE_ALARMS: Final = (0.01, 0.05, 0.1, 0.2, 0.5)
RECALLS: Final = (0.5, 0.8, 0.9, 0.95)
COVERAGES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
NAMES: Final = {"model": "model", "vocals only": "vocals only", "shipped": "shipped model"}
NEARLY: Final = 1e-9

Plain = Mapping[str, Any]


class Table(NamedTuple):
    """A heading, a sentence about it, the columns, and rows of what can be printed."""

    heading: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


def curve_tables(curves: Plain) -> Iterator[Table]:
    """ROC, precision/recall, calibration and coverage/risk, as far as they could be told."""
    if "roc" in curves:
        yield _roc(curves["roc"])
        yield _precision_recall(curves)
    if "calibration" in curves:
        yield _calibration(curves["calibration"])
    if "coverage" in curves:
        yield _coverage(curves["coverage"])


def _roc(roc: Plain) -> Table:
    asked = [who for who in NAMES if who in roc]
    rows = [(f"{most:.0%}", *(f"{_found_at(roc[who], most):.3f}" for who in asked)) for most in FALSE_ALARMS]
    about = "Share of the songs called song, if so many of the scores at most may be called song."
    return Table("ROC in numbers", about, ("scores called song", *(NAMES[who] for who in asked)), rows)


def _found_at(curve: Plain, most: float) -> float:
    points = zip(curve["false_positive_rate"], curve["true_positive_rate"], strict=True)
    return float(max(found for alarms, found in points if alarms <= most + NEARLY))


def _precision_recall(curves: Plain) -> Table:
    found = {label: curves[f"precision_recall_{label}"] for label in ("song", "score")}
    asked = [who for who in NAMES if who in found["song"]]
    rows = [
        (f"{label}s", f"{found[label]['prior']:.3f}", f"{least:.0%}", *(f"{_precision_at(found[label][who], least):.3f}" for who in asked))
        for label in found
        for least in RECALLS
    ]  # fmt: skip
    about = "Precision where so many of a class at least are found; the prior is what guessing gives."
    columns = ("class", "prior", "found", *(NAMES[who] for who in asked))
    return Table("Precision and recall in numbers", about, columns, rows)


def _precision_at(curve: Plain, least: float) -> float:
    points = zip(curve["recall"], curve["precision"], strict=True)
    return float(max(precision for recall, precision in points if recall >= least - NEARLY))


def _calibration(bins: Sequence[Plain]) -> Table:
    rows = [
        (f"{b['from']:.1f} to {b['to']:.1f}", f"{b['mean_probability']:.3f}", f"{b['share_of_songs']:.3f}", b["calls"])
        for b in bins
    ]  # fmt: skip
    about = "What was said and what was true, by bin of song probability; calls of all seeds together."
    return Table("Calibration", about, ("song probability", "mean of it", "share of songs", "calls"), rows)


def _coverage(coverage: Plain) -> Table:
    asked = [who for who in NAMES if who in coverage]
    rows = [
        (f"the surest {share:.0%}", *(f"{_risk_at(coverage[who], share):.3f}" for who in asked))
        for share in COVERAGES
    ]
    if sure := coverage.get("called confidently"):
        named = f"called confidently ({sure['coverage']:.1%})"
        rows.append((named, f"{sure['risk']:.3f}", *("" for _ in asked[1:])))
    about = "Share of wrong calls among the surest, by how many are taken."
    return Table("Coverage and risk", about, ("clips taken", *(NAMES[who] for who in asked)), rows)


def _risk_at(curve: Plain, share: float) -> float:
    """Of so many clips at least: clips as sure as one another are taken together."""
    points = zip(curve["coverage"], curve["risk"], strict=True)
    return float(next(risk for coverage, risk in points if coverage >= share - NEARLY))
