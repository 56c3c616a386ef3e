"""Curves → plots as SVG, the same bytes for the same curves.

Conventions: what comes in are the plain values of `breakdown.curves` and of an
evaluation's families; what comes out is one SVG document per plot, on white, its text
as outlines, so that it looks alike everywhere. No window and no global state of
matplotlib is touched.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping
from typing import Any, Final

from .curve_tables import NAMES
from .errors import ReportError

STYLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "model": {"color": "#2a6fbb", "linewidth": 2.0},
    "vocals only": {"color": "#b8407e", "linewidth": 1.5, "linestyle": "--"},
    "shipped": {"color": "#5a7d2a", "linewidth": 1.5, "linestyle": "-."},
}
CHANCE: Final = {"color": "#8a919e", "linewidth": 1.0, "linestyle": ":"}
MATPLOTLIB_SETTINGS: Final = {"svg.hashsalt": "score-or-song", "svg.fonttype": "path", "font.size": 10}
SIDE_IN: Final = 3.6


def check_matplotlib() -> None:
    """Refuse to begin what could not be drawn.

    Raises
    ------
    ReportError : matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ReportError(
            'an HTML report needs matplotlib, which is not here: pip install "score-or-song[report]"; '
            "a .json or .md report needs nothing more"
        )


def roc(curves: Mapping[str, Any]) -> bytes:
    """True against false positive rate, with the diagonal of guessing."""
    figure, (axes,) = _figure("Share of scores called song", "Share of songs called song")
    axes.plot([0, 1], [0, 1], label="guessing", **CHANCE)
    for who in _asked(curves["roc"]):
        curve = curves["roc"][who]
        axes.plot(curve["false_positive_rate"], curve["true_positive_rate"], label=NAMES[who], **STYLES[who])
    axes.legend(loc="lower right", frameon=False)
    return _svg(figure)


def precision_recall(curves: Mapping[str, Any]) -> bytes:
    """Precision against recall, once for songs and once for scores, each with its prior."""
    figure, both = _figure("Recall", "Precision", panels=2)
    for axes, label in zip(both, ("song", "score"), strict=True):
        found = curves[f"precision_recall_{label}"]
        axes.set_title(f"{label}s found", fontsize=10)
        axes.axhline(found["prior"], label=f"prior {found['prior']:.2f}", **CHANCE)
        for who in _asked(found):
            curve = found[who]
            axes.plot(
                curve["recall"], curve["precision"], drawstyle="steps-post", label=NAMES[who], **STYLES[who]
            )
        axes.legend(loc="lower left", frameon=False)
    return _svg(figure)


def calibration(curves: Mapping[str, Any]) -> bytes:
    """Share of songs against the mean song probability, by bin; the larger a dot, the more calls."""
    figure, (axes,) = _figure("Song probability (mean of a bin)", "Share that are songs")
    axes.plot([0, 1], [0, 1], label="calibrated", **CHANCE)
    bins = curves["calibration"]
    most = max(part["calls"] for part in bins)
    said, true = [part["mean_probability"] for part in bins], [part["share_of_songs"] for part in bins]
    axes.plot(said, true, **STYLES["model"])
    axes.scatter(
        said, true, s=[8 + 92 * part["calls"] / most for part in bins], color=STYLES["model"]["color"]
    )
    axes.legend(loc="upper left", frameon=False)
    return _svg(figure)


def coverage(curves: Mapping[str, Any]) -> bytes:
    """Share of wrong calls against the share of clips called, the surest first."""
    figure, (axes,) = _figure("Share of the clips, the surest first", "Share called wrong")
    found = curves["coverage"]
    for who in _asked(found):
        axes.plot(found[who]["coverage"], found[who]["risk"], label=NAMES[who], **STYLES[who])
    if sure := found.get("called confidently"):
        axes.plot(sure["coverage"], sure["risk"], "o", color="#1b1e24", label="called confidently")
    axes.set_ylim(-0.02, max(0.5, *(risk for who in _asked(found) for risk in found[who]["risk"])) + 0.02)
    axes.legend(loc="best", frameon=False)
    return _svg(figure)


def families(worth: Mapping[str, Mapping[str, Mapping[str, float]]]) -> bytes:
    """ROC-AUC lost by family of inputs, with its intervals."""
    figure, (axes,) = _figure("ROC-AUC lost", "", square=False)
    names = list(worth)
    ways = [how for how in ("without", "shuffled") if any(how in of_family for of_family in worth.values())]
    looks = {"without": ("refitted without it", "#2a6fbb"), "shuffled": ("shuffled between clips", "#c98a1b")}
    for i, how in enumerate(ways):
        rows = [
            (at + 0.2 * (2 * i - len(ways) + 1), worth[n][how])
            for at, n in enumerate(names)
            if how in worth[n]
        ]
        at, values = [y for y, _ in rows], [row["value"] for _, row in rows]
        label, color = looks[how]
        axes.barh(at, values, 0.36, color=color, label=label)
        axes.hlines(
            at, [r["low"] for _, r in rows], [r["high"] for _, r in rows], color="#1b1e24", linewidth=1
        )
    axes.axvline(0, color="#1b1e24", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    figure.legend(loc="outside upper right", frameon=False, ncols=2)
    return _svg(figure)


def _asked(curve: Mapping[str, Any]) -> list[str]:
    """The model first, then who else was asked."""
    return [who for who in STYLES if who in curve]


def _figure(x: str, y: str, *, panels: int = 1, square: bool = True) -> tuple[Any, list[Any]]:
    """A figure with axes from 0 to 1, or, not square, with free ones."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(MATPLOTLIB_SETTINGS):
        figure = Figure(figsize=(panels * SIDE_IN if square else 2 * SIDE_IN, SIDE_IN), layout="constrained")
        all_axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for axes in all_axes:
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.spines[["top", "right"]].set_visible(False)
        if square:
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(-0.02, 1.02)
    return figure, all_axes


def _svg(figure: Any) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context(MATPLOTLIB_SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
