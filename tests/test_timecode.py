"""Timecode: what a counter shows, as OpenTimelineIO counts it too."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from scoreorsong.errors import ExportError
from scoreorsong.timecode import RATES, frame_rate

RATE_NAMES = ("23.976", "24", "25", "29.97", "29.97ndf", "30", "48", "50", "59.94", "59.94ndf", "60")


def test_all_rates_have_a_name_that_people_write():
    assert [name for name in RATE_NAMES if not name.endswith("ndf")] == list(RATES)


@pytest.mark.parametrize("name", RATE_NAMES)
def test_opentimelineio_counts_the_same(name):
    opentime = pytest.importorskip("opentimelineio").opentime
    rate, random = frame_rate(name), np.random.default_rng(0)
    day = 24 * 3600 * rate.counted - rate.dropped * 9 * 144
    minute = 60 * rate.counted
    edges = [
        minute * m - rate.dropped * (m - m // 10) + d for m in (1, 2, 9, 10, 11, 60) for d in range(-3, 4)
    ]
    for frame in [*edges, *random.integers(0, 0.99 * day, 300).tolist(), 0]:
        time = opentime.RationalTime(frame, float(rate.fps))
        shown = rate.timecode(frame)
        assert shown == opentime.to_timecode(time, float(rate.fps), rate.drop_frame)
        assert rate.frame_at(shown) == frame
    assert rate.timecode(day) == rate.timecode(0)


def test_drop_frame_timecode_keeps_up_with_the_clock_and_23_976_falls_behind():
    """Within an hour: 29.97 by two frames, 23.976 by 3.6 s."""
    assert frame_rate(29.97).timecode(frame_rate(29.97).frame(3600)) == "01:00:00;00"
    assert frame_rate("29.97ndf").timecode(frame_rate(29.97).frame(3600)) == "00:59:56:12"
    assert frame_rate(23.976).timecode(frame_rate(23.976).frame(3600)) == "00:59:56:10"


def test_the_first_two_numbers_of_a_minute_are_dropped_but_not_of_a_tenth():
    rate = frame_rate(29.97)
    assert [rate.timecode(frame) for frame in (1799, 1800)] == ["00:00:59;29", "00:01:00;02"]
    assert [rate.timecode(frame) for frame in (17981, 17982)] == ["00:09:59;29", "00:10:00;00"]
    with pytest.raises(
        ExportError, match=r"'00:01:00;01': does not occur at 29\.97 frames a second, drop-frame"
    ):
        rate.frame_at("00:01:00;01")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (24, "24"),
        (25.0, "25"),
        ("23.98", "23.976"),
        (30000 / 1001, "29.97"),
        (" 29.97DF ", "29.97"),
        ("50", "50"),
    ],
)
def test_rates_are_read_as_people_write_them(written, name):
    assert frame_rate(written) == frame_rate(name)
    assert frame_rate(name).fps == RATES[name]


def test_frames_are_the_nearest_even_late_in_a_long_programme():
    rate = frame_rate(23.976)
    assert rate.fps == Fraction(24000, 1001)
    for frame in (0, 1, 172_627, 2_071_527):
        assert rate.frame(frame * 1001 / 24000) == frame


@pytest.mark.parametrize(
    "fps", ["", "fast", "-24", "0", "12.5", "29.9", "1e999", "nan", "24df", "25ndf", "24000/1001"]
)
def test_other_rates_are_refused(fps):
    with pytest.raises(
        ExportError, match=r"^frame rate .*: (expected one of 23.976, 24|only 29.97 and 59.94 may)"
    ):
        frame_rate(fps)


@pytest.mark.parametrize(
    "timecode",
    [
        "",
        "1:00:00:00",
        "01:00:00",
        "01:00:00:24",
        "24:00:00:00",
        "00:60:00:00",
        "00:00:60:00",
        "01:00:00;00",
        "٠١:00:00:00",
    ],
)
def test_what_no_counter_shows_is_refused(timecode):
    with pytest.raises(ExportError, match=f"^start timecode '{timecode}': "):
        frame_rate(24).frame_at(timecode)


def test_drop_frame_may_be_written_with_colons():
    assert frame_rate(29.97).frame_at("01:00:00:00") == frame_rate(29.97).frame_at("01:00:00;00") == 107_892
