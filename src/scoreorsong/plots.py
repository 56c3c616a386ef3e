"""Timeline → a picture: level, song probability and voice over coloured segments.

Long programmes are cut into rows, one below the other like the lines of a page, so that a cue
of some seconds can be seen in two hours.
"""

from __future__ import annotations

import math
import os
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from .errors import ExportError
from .exports import plain, written
from .segments import clock

if TYPE_CHECKING:
    from .timelines import Timeline

PICTURES: Final = (".png", ".svg", ".pdf")
COLORS: Final = {"score": "#2a6fbb", "song": "#b8407e", "no_music": "#c9cdd4"}
VOICE_COLOR, BAND_COLOR = "#e08a00", "#8a8f98"
LONGEST_ROW_S, MOST_ROWS = 1800.0, 12
WIDTH_IN, HEAD_IN, ROW_IN, DPI = 15.0, 0.35, 2.8, 120
FLOOR_DB: Final = -60.0
MUSIC_FROM: Final = 0.5  # share of music below which a song probability says nothing
LABEL_FROM: Final = 0.03  # share of a row from which a segment has room for its name
STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
TICKS: Final = 12


def write_plot(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Draw a timeline as .png, .svg or .pdf.

    Above, the level (dB re full scale) in the colour of its segment; below, the song probability
    where there is music, the band in which the model is unsure, and the share of singing.

    Raises
    ------
    ExportError : another ending, Matplotlib is not installed, or the file cannot be written.
    """
    kind = Path(path).suffix.lower()
    if kind not in PICTURES:
        raise ExportError(f"no picture has the ending {kind!r}; expected {', '.join(PICTURES)}")
    data = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters of a name that the font lacks: shown as boxes
        drawn(timeline).savefig(data, format=kind[1:], dpi=DPI)
    written(path, data.getvalue())


def _figure(height_in: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ExportError('a picture needs Matplotlib: pip install "score-or-song[report]"') from error
    return Figure(figsize=(WIDTH_IN, height_in))


def drawn(timeline: Timeline) -> Any:
    """The Matplotlib figure."""
    rows = min(max(1, math.ceil(timeline.duration_s / LONGEST_ROW_S)), MOST_ROWS)
    row_s = max(timeline.duration_s, 1.0) / rows
    height_in = HEAD_IN + rows * ROW_IN
    figure = _figure(height_in)
    figure.text(0.01, 1 - 0.08 / height_in, _title(timeline), va="top", fontsize=11, parse_math=False)
    axes = figure.subplots(2 * rows, 1, squeeze=False, height_ratios=[2, 3] * rows)[:, 0]
    figure.subplots_adjust(
        left=0.037, right=0.985, bottom=0.3 / height_in, top=1 - HEAD_IN / height_in, hspace=0.3
    )
    for row in range(rows):
        level, shares = axes[2 * row : 2 * row + 2]
        span = (row * row_s, (row + 1) * row_s)
        _draw_level(level, timeline, *span)
        _draw_shares(shares, timeline, *span)
        for ax in (level, shares):
            ax.set_xlim(*span)
        _draw_clock(level, shares, row_s)
    handles = [handle for ax in axes[:2] for handle in ax.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="upper right", ncols=len(handles), fontsize=9, frameon=False)
    return figure


def _title(timeline: Timeline) -> str:
    name = "".join(c if c.isprintable() else "?" for c in plain(Path(timeline.source).name))
    return name if len(name) <= 70 else f"{name[:67]}..."


def _draw_level(ax: Any, timeline: Timeline, start_s: float, end_s: float) -> None:
    """The level in the colour of what is heard, under a strip that names the segments."""
    times, level_db, heard = _steps(timeline, start_s, end_s, timeline.curve.level_db, _labels(timeline))
    for label, color in COLORS.items():
        told = label.replace("_", " ")
        ax.fill_between(times, FLOOR_DB, level_db, where=heard == label, color=color, lw=0, label=told)
    _draw_strip(ax, timeline, start_s, end_s)
    ax.set_ylim(FLOOR_DB, 22)
    ax.set_yticks([-60, -40, -20, 0])
    ax.set_ylabel("level, dB", fontsize=8)


def _draw_strip(ax: Any, timeline: Timeline, start_s: float, end_s: float) -> None:
    """The segments, hatched where the model is unsure, with their names where there is room."""
    spans: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for segment in timeline.segments:
        left, right = max(segment.start_s, start_s), min(segment.end_s, end_s)
        if left < right:
            spans.setdefault((segment.label, segment.confident), []).append((left, right - left))
    for (label, confident), places in spans.items():
        hatch = "" if confident else "////"
        ax.broken_barh(places, (4, 18), facecolor=COLORS[label], hatch=hatch, edgecolor="white", lw=0.6)
        for left, length in places:
            if label != "no_music" and length >= LABEL_FROM * (end_s - start_s):
                _draw_name(ax, left + length / 2, label, "" if confident else "?")


def _draw_name(ax: Any, middle_s: float, label: str, doubt: str) -> None:
    box = {"facecolor": COLORS[label], "edgecolor": "none", "pad": 1.5}
    style = {"color": "white", "fontsize": 8, "weight": "bold", "ha": "center", "va": "center"}
    ax.text(middle_s, 12.5, label + doubt, bbox=box, **style)


def _draw_shares(ax: Any, timeline: Timeline, start_s: float, end_s: float) -> None:
    """The song probability where there is music, the uncertain band and the share of singing."""
    curve = timeline.curve
    given_music = np.where(curve.music >= MUSIC_FROM, curve.song_probability, np.nan)
    times, voice, song = _steps(timeline, start_s, end_s, curve.voice, given_music)
    ax.axhspan(*timeline.band, color=BAND_COLOR, alpha=0.25, lw=0, label="unsure (band, hatched)")
    ax.fill_between(times, 0, voice, color=VOICE_COLOR, alpha=0.35, lw=0, label="voice")
    ax.plot(times, song, color="black", lw=1.0, label="song probability")
    ax.set_ylim(-0.04, 1.04)
    ax.set_yticks([0, 0.5, 1], ["score 0", "0.5", "song 1"])


def _draw_clock(level: Any, shares: Any, row_s: float) -> None:
    """Times below each row of two panels, in steps that people count in."""
    from matplotlib.ticker import MultipleLocator

    step_s = next((step for step in STEPS_S if row_s / step <= TICKS), row_s / TICKS)
    for ax in (level, shares):
        ax.xaxis.set_major_locator(MultipleLocator(step_s))
        ax.tick_params(labelsize=8, labelbottom=ax is shares)
        ax.grid(axis="x", color="#dddddd", lw=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    shares.xaxis.set_major_formatter(lambda seconds, _: clock(seconds).removesuffix(".0"))


def _steps(
    timeline: Timeline, start_s: float, end_s: float, *values: npt.NDArray[Any]
) -> list[npt.NDArray[Any]]:
    """Times and values, between two times, of lines that hold each point for its `hop_s`."""
    hop_s = timeline.curve.hop_s
    points = slice(int(start_s / hop_s), math.ceil(end_s / hop_s))
    edges = np.minimum(np.arange(len(values[0]) + 1) * hop_s, timeline.duration_s)
    times = np.stack([edges[:-1], edges[1:]], axis=1)[points].ravel()
    return [times, *(np.repeat(value[points], 2) for value in values)]


def _labels(timeline: Timeline) -> npt.NDArray[np.str_]:
    """The label of the segment in which each point of the curve has its middle."""
    points = len(timeline.curve.level_db)
    if not timeline.segments:
        return np.full(points, "")
    middles = (np.arange(points) + 0.5) * timeline.curve.hop_s
    index = np.searchsorted([segment.start_s for segment in timeline.segments], middles, side="right") - 1
    return np.array([segment.label for segment in timeline.segments])[index]
