"""Pictures of timelines: what is drawn, and how large."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from timelines import HOSTILE, SEGMENTS, TIMELINES, make_timeline

from scoreorsong import plots
from scoreorsong.errors import ExportError
from scoreorsong.plots import COLORS, write_plot
from scoreorsong.segments import Segment

image = pytest.importorskip("matplotlib.image")


def pixels(path):
    """Its colours, eight bits each, shaped ``(height, width, 3)``."""
    return np.round(image.imread(path)[..., :3] * 255).astype(int)


def share_of(picture, color):
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(picture - wanted).max(axis=2) <= 2).mean()


def test_segments_have_the_colour_of_their_label(tmp_path):
    """No more of a colour than of its label: two of three parts of the score, one of the song."""
    write_plot(make_timeline(SEGMENTS[:3]), tmp_path / "a.png")
    found = {label: share_of(pixels(tmp_path / "a.png"), color) for label, color in COLORS.items()}
    assert found["song"] > 2 * found["score"] > 0
    assert found["no_music"] > 0
    write_plot(make_timeline(SEGMENTS[1:2]), tmp_path / "b.png")
    only_score = pixels(tmp_path / "b.png")
    assert share_of(only_score, COLORS["score"]) > 5 * share_of(only_score, COLORS["song"])


def test_two_hours_have_more_rows_than_two_minutes_and_a_day_has_an_end():
    sizes = {}
    for duration_s in (120, 1800, 7200, 86400):
        segments = [Segment(0, duration_s, "score", 0.1, True, 0)]
        sizes[duration_s] = plots.drawn(make_timeline(segments, hop_s=20.0)).get_size_inches()
    widths, heights = zip(*sizes.values(), strict=True)
    assert len(set(widths)) == 1
    assert heights[0] == heights[1] < heights[2] / 2.5
    assert heights[2] < heights[3] < 40


@pytest.mark.parametrize("segments", TIMELINES.values(), ids=TIMELINES)
def test_every_timeline_can_be_drawn(tmp_path, segments):
    write_plot(make_timeline(segments), tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").std() > 1


@pytest.mark.parametrize("source", [*HOSTILE, "שלום مرحبا हिन्दी.wav", "$x^2$.wav", "\\frac{a", "a" * 500])
def test_hostile_names_are_drawn_as_they_are(tmp_path, source):
    write_plot(make_timeline(source=source), tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").shape[1] == 1800


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")])
def test_the_ending_chooses_the_kind(tmp_path, ending, begins):
    write_plot(make_timeline(), tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["a.gif", "a", "png"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(ExportError, match=r"no picture has the ending '.*'; expected \.png, \.svg, \.pdf"):
        write_plot(make_timeline(), tmp_path / name)


def test_without_the_extra_the_error_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ExportError, match=r'pip install "score-or-song\[report\]"'):
        write_plot(make_timeline(), tmp_path / "a.png")


def test_where_nothing_can_be_written_is_told(tmp_path):
    with pytest.raises(ExportError, match=r"a\.png: cannot be written"):
        write_plot(make_timeline(), tmp_path / "none" / "a.png")
