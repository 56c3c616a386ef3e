"""What holds of any text, name and number, asked by Hypothesis with a fixed seed."""

from __future__ import annotations

import json
import tempfile
import unicodedata
from contextlib import suppress
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_timecode import RATE_NAMES

from scoreorsong import predict, storage
from scoreorsong.errors import ModelError, ScoreOrSongError, readable
from scoreorsong.folders import FORMULA, no_formula
from scoreorsong.formats import write_table
from scoreorsong.pages import script_safe
from scoreorsong.results import COLUMNS, read_results
from scoreorsong.tables import RESULTS
from scoreorsong.timecode import frame_rate

asked = settings(derandomize=True, database=None, deadline=None)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)
shares = st.floats(0, 1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text().filter(lambda key: key != "array"), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@asked
@given(st.text())
def test_any_text_becomes_one_line_that_a_terminal_only_shows(text):
    line = readable(text)
    assert len(line.splitlines()) <= 1
    assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert readable(line) == line


@asked
@given(names)
def test_any_path_stays_itself_and_begins_no_formula(name):
    path = no_formula(name)
    assert not path.startswith(FORMULA)
    assert Path(path) == Path(name)


@asked
@given(plain | st.text("<>&/script!-"))
def test_any_data_comes_out_of_a_page_as_it_went_in_and_ends_no_element(data):
    text = script_safe(data)
    assert not set("<>&") & set(text)
    assert json.loads(text) == data


@asked
@given(st.dictionaries(st.text().filter(lambda key: key != "array"), plain))
def test_any_plain_content_is_read_as_it_was_written(content):
    assert storage.from_bytes(storage.to_bytes(content)) == content


@asked
@given(st.binary(max_size=300))
def test_any_bytes_are_a_model_or_a_model_error(data):
    with suppress(ModelError):
        storage.from_bytes(data)


@asked
@given(st.lists(st.tuples(names, shares, st.booleans(), st.text()), max_size=5))
def test_any_table_is_read_as_it_was_written(rows):
    full = [
        dict(zip(COLUMNS, (path, "ok", "song", share, sure, share, share, 1.5, told, None, "m"), strict=True))
        for path, share, sure, told in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".csv", ".jsonl"):
            table = Path(folder, f"table{ending}")
            write_table(table, RESULTS, full)
            read = [(r.path, r.song_probability, r.confident, r.warnings) for r in read_results(table).rows]
            assert read == rows


@asked
@given(st.sampled_from(RATE_NAMES), st.floats(0, 86_000))
def test_any_time_is_found_again_by_its_timecode(name, seconds):
    rate = frame_rate(name)
    frame = rate.frame(seconds)
    assert rate.frame_at(rate.timecode(frame)) == frame


@settings(asked, max_examples=25)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=4),
    st.integers(1, 6000),
    st.floats(allow_nan=True),
)
def test_any_samples_give_a_prediction_or_an_error_of_the_library(values, n, rate):
    try:
        found = predict(np.resize(np.array(values, np.float32), n), rate=rate)
    except ScoreOrSongError:
        return
    assert found.label in ("score", "song", "no_music")
    assert 0 <= found.song_probability <= 1
    assert 0 <= found.vocal_fraction <= 1
    assert 0 <= found.music_fraction <= 1
