"""Cue sheets: what can be heard is filled in, what cannot stays blank."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from timelines import HOSTILE, MUSIC, SEGMENTS, TIMELINES

from scoreorsong.cuesheet import COLUMNS, cue_sheet_page, cue_sheet_table, cues, read_usage_map
from scoreorsong.errors import ExportError
from scoreorsong.segments import Segment
from scoreorsong.timecode import frame_rate

BLANK = ("title", "composer", "publisher", "rights")
MAP = """
vocal_from = 0.5
[score]
instrumental = { code = "BG", confidence = 0.75 }
vocal = { code = "BV <b>", confidence = 1 }
[song]
instrumental = { code = "EX", confidence = 0.25 }
vocal = { code = "VV", confidence = 0.5 }
"""


def sheet(segments, *, fps="25", start="00:00:00:00", usage_map=None):
    return cues(segments, rate=frame_rate(fps), start_timecode=start, usage_map=usage_map or read_usage_map())


def page(rows, source="film.mov", model_id="m1"):
    return cue_sheet_page(rows, source=source, duration="00:10:00:00", rate=frame_rate(25), model_id=model_id)


class _Cells(HTMLParser):
    """Rows of cells, and every other element that stands in the page."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.lasttag in ("td", "th"):
            self.rows[-1][-1] += data.strip("\n")


def test_cues_have_their_timecode_and_what_was_heard():
    rows = sheet(SEGMENTS, fps="29.97", start="01:00:00;00")
    assert [[row[name] for name in list(COLUMNS)[:8]] for row in rows] == [
        ["1", "01:00:12;15", "01:01:10;01", "00:00:57;14", "score", "instrumental", "BI", "0.92"],
        ["2", "01:01:10;01", "01:04:10;07", "00:03:00;06", "song", "vocal", "BV", "0.47"],
        ["3", "01:04:11;00", "01:10:00;00", "00:05:49;00", "score (unsure)", "vocal", "BV", "0.53"],
    ]


def test_titles_and_rights_are_never_filled_in():
    for row in csv.DictReader(io.StringIO(cue_sheet_table(sheet(SEGMENTS)))):
        assert [row[name] for name in BLANK] == [""] * 4
    for row in _Cells(page(sheet(SEGMENTS))).rows[1:]:
        assert row[-4:] == [""] * 4


@pytest.mark.parametrize("segments", TIMELINES.values(), ids=TIMELINES)
def test_table_and_page_hold_the_same_cues(segments):
    rows = sheet(segments)
    read = list(csv.reader(io.StringIO(cue_sheet_table(rows))))
    shown = _Cells(page(rows)).rows
    assert read[0] == list(COLUMNS)
    assert shown[0] == list(COLUMNS.values())
    assert read[1:] == shown[1:] == [list(row.values()) for row in rows]
    assert [int(row["cue"]) for row in rows] == list(range(1, len(rows) + 1))


def test_a_map_of_ones_own_decides(tmp_path):
    path = tmp_path / "usage.toml"
    path.write_text(MAP)
    rows = sheet(SEGMENTS, usage_map=read_usage_map(path))
    assert [(row["vocals"], row["usage"], row["usage_confidence"]) for row in rows] == [
        ("instrumental", "BG", "0.69"), ("vocal", "VV", "0.47"), ("instrumental", "BG", "0.40"),
    ]  # fmt: skip


def test_the_share_of_singing_decides_from_the_given_share_on():
    usage_map = read_usage_map()
    told = [usage_map.vocals(Segment(0, 1, "song", 0.9, True, share)) for share in (0.0, 0.099, 0.1, 1.0)]
    assert told == ["instrumental", "instrumental", "vocal", "vocal"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vocal_from = 0.5", "", r"the map holds score, song, expected score, song, vocal_from"),
        ("vocal_from = 0.5", "vocal_from = 5", "vocal_from is 5, expected a number from 0 to 1"),
        ("vocal_from = 0.5", "vocal_from = true", "vocal_from is True, expected a number"),
        ("[song]", "[songs]", "the map holds vocal_from, score, songs, expected"),
        ("[score]", "[score]\nchoir = 1", r"\[score\] holds choir, instrumental, vocal, expected instrumental, vocal"),
        ("confidence = 0.25", "confidence = nan", r"instrumental in \[song\]: confidence is nan"),
        ("confidence = 0.25", 'confidence = "high"', r"instrumental in \[song\]: confidence is 'high'"),
        (', confidence = 0.25', "", r"instrumental in \[song\] holds code, expected code, confidence"),
        ('"VV"', '""', r"vocal in \[song\]: code is '', expected 1 to 20 letters"),
        ('"VV"', '"a\\nb"', r"vocal in \[song\]: code is 'a\\nb', expected"),
        ('"VV"', '" =1+1"', r"vocal in \[song\]: code is ' =1\+1', which a spreadsheet would take"),
        ('{ code = "VV", confidence = 0.5 }', "7", r"vocal in \[song\] holds 7, expected code"),
        ("[song]", "[song", "cannot be read as a usage map"),
        ("vocal_from = 0.5", "vocal_from = " + 9000 * "[", "cannot be read as a usage map"),
    ],
)  # fmt: skip
def test_a_map_that_is_none_is_refused(tmp_path, old, new, message):
    path = tmp_path / "usage.toml"
    assert old in MAP
    path.write_text(MAP.replace(old, new))
    with pytest.raises(ExportError, match=rf"usage\.toml: {message}"):
        read_usage_map(path)


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff")]
)
def test_a_map_that_cannot_be_read_is_told(tmp_path, make):
    make(tmp_path / "usage.toml")
    with pytest.raises(ExportError, match=r"usage\.toml: cannot be read as a usage map"):
        read_usage_map(tmp_path / "usage.toml")


@pytest.mark.parametrize("name", [*HOSTILE, "<script>hit()</script>.wav", "$rate.wav", '" onload="hit()'])
def test_names_are_text_on_the_page(tmp_path, name):
    (tmp_path / "usage.toml").write_text(MAP)
    rows = sheet(SEGMENTS, usage_map=read_usage_map(tmp_path / "usage.toml"))
    text = page(rows, source=name, model_id=name)
    assert _Cells(text).tags == _Cells(page(rows)).tags
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|src=|url\(", text)


def test_a_code_is_text_on_the_page(tmp_path):
    (tmp_path / "usage.toml").write_text(MAP)
    rows = sheet([Segment(0, 9, "score", 0.1, True, 0.9)], usage_map=read_usage_map(tmp_path / "usage.toml"))
    assert _Cells(page(rows)).rows[1][6] == rows[0]["usage"] == "BV <b>"


def test_the_page_tells_of_the_programme():
    text = page(sheet(SEGMENTS))
    for part in (
        "film.mov",
        "00:10:00:00",
        f"<dd>{len(MUSIC)}</dd>",
        "25 frames a second, non-drop-frame",
        "model m1",
    ):
        assert part in text
