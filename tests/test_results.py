"""A results table reads the same from every format, and what is wrong with one is told with its place."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from helpers import FAILED_ROW, OK_ROW, write_results

from scoreorsong.errors import ResultsError
from scoreorsong.results import COLUMNS, Result, read_results

FORMATS = (".csv", ".jsonl", ".parquet")
OK_RESULT = Result("a/b.wav", "ok", "song", 0.75, True, 0.5, 1.0, 30.25, "only 0.2 s; odd", "", "m1")
FAILED_RESULT = Result("a/c.wav", "error", None, None, None, None, None, None, "", "the file is empty", "m1")

every_format = pytest.mark.parametrize("ending", FORMATS)
by_lines = pytest.mark.parametrize("ending", FORMATS[:2])


# ---- what is read


@every_format
def test_every_format_gives_the_same_rows(tmp_path, ending):
    results = read_results(write_results(tmp_path / f"results{ending}", [OK_ROW, FAILED_ROW]))
    assert results.rows == [OK_RESULT, FAILED_RESULT]
    assert (results.source, results.note) == (tmp_path / f"results{ending}", "")


@every_format
def test_a_table_without_rows_is_one(tmp_path, ending):
    assert read_results(write_results(tmp_path / f"results{ending}", [])).rows == []


@every_format
def test_other_columns_and_another_order_do_no_harm(tmp_path, ending):
    row = {"mine": "x", **dict(reversed(OK_ROW.items()))}
    assert read_results(write_results(tmp_path / f"results{ending}", [row])).rows == [OK_RESULT]


@by_lines
@pytest.mark.parametrize(
    "name", ['q"u,o\nte.wav', "<b>.wav", "=1+1.wav", "日本.wav", "no text \udcff.wav", " a "]
)
def test_names_come_back_as_they_were(tmp_path, ending, name):
    path = write_results(tmp_path / f"results{ending}", [{**OK_ROW, "path": name}, FAILED_ROW])
    assert [row.path for row in read_results(path).rows] == [name, "a/c.wav"]


def test_what_a_spreadsheet_leaves_is_read(tmp_path):
    """A byte order mark, capitals in the flags, an empty line at the end."""
    path = write_results(tmp_path / "results.csv", [OK_ROW])
    path.write_text("\ufeff" + path.read_text().replace("true", "TRUE") + "\n", encoding="utf-8")
    assert read_results(path).rows == [OK_RESULT]


# ---- a last line that breaks off


@by_lines
def test_a_torn_last_line_is_left_out_with_a_note(tmp_path, ending):
    """Cut anywhere, the rows before stay; a cut within the last cell of a CSV cannot be told."""
    path = write_results(tmp_path / f"results{ending}", [FAILED_ROW, {**OK_ROW, "path": 'a, "b".wav'}])
    data = path.read_bytes()
    start = data.index(b"empty") + len(
        b'empty,m1\r\n"' if ending == ".csv" else b'empty", "model_id": "m1"}\n{'
    )
    for end in range(start, len(data) - 6):
        path.write_bytes(data[:end])
        results = read_results(path)
        assert results.rows == [FAILED_RESULT], data[start:end]
        assert "breaks off and is left out" in results.note
        assert f"{path}, line " in results.note


@by_lines
def test_a_line_that_breaks_off_within_the_table_is_an_error(tmp_path, ending):
    path = write_results(tmp_path / f"results{ending}", [OK_ROW, FAILED_ROW])
    first, rest = path.read_text().split("a/c.wav", 1)
    path.write_text(f"{first}a/c.wav\n{rest}")
    with pytest.raises(ResultsError, match=r"results\.\w+, line \d: "):
        read_results(path)


# ---- what is wrong is told


@every_format
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("path", "", "path is empty"),
        ("status", "", "status is empty"),
        ("status", "fine", "status is 'fine', expected one of ok, error"),
        ("label", "", "label is empty"),
        ("label", "Song", "label is 'Song', expected one of score, song, no_music"),
        ("confident", "", "confident is empty"),
        ("confident", "perhaps", "confident is 'perhaps', expected true or false"),
        ("song_probability", "", "song_probability is empty"),
        ("song_probability", "high", "song_probability is 'high', expected a number from 0 to 1"),
        ("song_probability", "1.01", "expected a number from 0 to 1"),
        ("vocal_fraction", "nan", "vocal_fraction is 'nan'"),
        ("music_fraction", "-0.1", "music_fraction is '-0.1'"),
        ("duration_s", "inf", "duration_s is 'inf', expected a number from 0 up"),
    ],
)
def test_a_wrong_cell_is_told_with_its_place(tmp_path, ending, column, value, message):
    path = write_results(tmp_path / f"results{ending}", [FAILED_ROW, {**OK_ROW, column: value}], typed=False)
    place = {".csv": ", line 3", ".jsonl": ", line 2", ".parquet": ", row 2"}[ending]
    with pytest.raises(ResultsError) as caught:
        read_results(path)
    assert str(caught.value).startswith(f"{path}{place}: ")
    assert message in str(caught.value)


@every_format
def test_missing_columns_are_named(tmp_path, ending):
    row = {column: value for column, value in OK_ROW.items() if column not in ("label", "error")}
    with pytest.raises(ResultsError, match="lacks the columns label, error; found 'path, status, song_"):
        read_results(write_results(tmp_path / f"results{ending}", [row]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.xlsx", b"", r"whose name ends in \.csv, \.jsonl, \.parquet"),
        ("results", b"", r"whose name ends in"),
        ("empty.csv", b"", "lacks the columns path, .* found nothing"),
        ("sheet.csv", b"PK\x03\x04\x00\x00", r"lacks the columns path, .*found 'PK\\x03"),
        ("labels.csv", b"path,label\na.wav,song\n", "lacks the columns status"),
        ("wide.csv", b",".join(c.encode() for c in COLUMNS) + b"\n1,2,3\n", "line 2: 3 cells, expected 11"),
        ("quoted.csv", b",".join(c.encode() for c in COLUMNS) + b'\n"a"b,2\n', "line 2: .*expected after"),
        ("text.jsonl", b"Dear reader", "line 1: Expecting value"),
        ("list.jsonl", b"[1, 2]\n", r"line 1: \[1, 2\], expected an object"),
        ("deep.jsonl", b"[" * 100_000 + b"\n", "line 1: "),
        ("long.jsonl", b"9" * 100_000 + b"\n", "line 1: "),
        ("text.parquet", b"Dear reader", "is damaged or no Parquet"),
        ("empty.parquet", b"", "is damaged or no Parquet"),
        ("cut.parquet", b"PAR1\xff\xff\xff\xffPAR1", r"cut\.parquet: "),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ResultsError, match=message):
        read_results(tmp_path / name)


def test_a_table_that_is_not_there_is_told(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ResultsError, match=r"none\.csv: cannot be read \(No such file"):
        read_results(tmp_path / "none.csv")
    with pytest.raises(ResultsError, match=r"folder\.csv: cannot be read \(Is a directory"):
        read_results(tmp_path / "folder.csv")
    with pytest.raises(ResultsError, match="null byte"):
        read_results("a\0b.csv")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    path = write_results(tmp_path / "results.parquet", [OK_ROW])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ResultsError, match=r'pip install "score-or-song\[parquet\]"'):
        read_results(path)


@every_format
def test_damaged_tables_are_read_or_refused(tmp_path, ending):
    """Bytes changed, left out and doubled at random, with a seed: rows or a `ResultsError`, nothing else."""
    rng = np.random.default_rng(0)
    path = write_results(tmp_path / f"results{ending}", [OK_ROW, FAILED_ROW] * 3)
    data = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(len(data), size=rng.integers(1, 5)):
            damaged[at : at + rng.integers(4)] = rng.bytes(rng.integers(4)) or damaged[at : at + 9]
        path.write_bytes(damaged)
        try:
            rows = read_results(path).rows
        except ResultsError:
            continue
        assert all(0 <= row.song_probability <= 1 for row in rows if row.status == "ok")


def test_the_helper_writes_what_the_plan_says(tmp_path):
    with write_results(tmp_path / "results.csv", [OK_ROW, FAILED_ROW]).open(newline="") as file:
        header, good, bad = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert good == [
        "a/b.wav",
        "ok",
        "song",
        "0.75",
        "true",
        "0.5",
        "1.0",
        "30.25",
        "only 0.2 s; odd",
        "",
        "m1",
    ]
    assert bad == ["a/c.wav", "error", "", "", "", "", "", "", "", "the file is empty", "m1"]
    line = write_results(tmp_path / "results.jsonl", [FAILED_ROW]).read_text()
    assert json.loads(line)["song_probability"] is None
