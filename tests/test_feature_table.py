"""A feature table stands for the audio that it was measured from, and is refused where it does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import song, write_class_folders, write_csv, write_wav
from threadpoolctl import threadpool_limits

from scoreorsong import LabelsError, extract, feature_table
from scoreorsong.batch import measure_files
from scoreorsong.dataset import read_labels
from scoreorsong.features import schema


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Class folders, and the table of their features."""
    root = tmp_path_factory.mktemp("measured")
    write_class_folders(root / "clips", groups=3, clips=1, seconds=1.0)
    assert measure_files([root / "clips"], root / "table.parquet") == (6, {})
    return root


@pytest.fixture
def here(measured, tmp_path, monkeypatch):
    """A copy of them in another place, times kept."""
    shutil.copytree(measured, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def frame_of(root):
    return pd.read_parquet(root / "table.parquet")


# ---- what it holds


def test_it_holds_the_very_features(measured):
    for example in read_labels(measured / "clips", features=measured / "table.parquet"):
        expected = extract(example.path, windows=False)
        found = example.measured.features
        for name in ("clip", "segments", "silent"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
            assert getattr(found, name).dtype == getattr(expected, name).dtype
        assert (found.duration_s, found.warnings) == (expected.duration_s, expected.warnings)


def test_it_can_be_read_by_others(measured):
    frame = frame_of(measured)
    assert list(frame) == list(feature_table.COLUMNS)
    assert frame["tempo"].dtype == np.float32
    assert len(frame["segments"][0]) == len(frame["silent"][0]) * 186


def test_a_data_frame_of_it_with_labels_stands_for_both(measured):
    frame = frame_of(measured)
    labelled = frame.assign(label=[path.split(os.sep)[-3] for path in frame["path"]])
    examples = read_labels(labelled)
    assert {e.label for e in examples} == {"score", "song"}
    for example, expected in zip(examples, read_labels(measured / "clips", features=frame), strict=True):
        np.testing.assert_array_equal(example.measured.features.segments, expected.measured.features.segments)


def test_a_table_of_class_folders_stands_for_both(here):
    examples = read_labels("table.parquet", by_sound=True)
    expected = read_labels("clips", features="table.parquet")
    assert [(e.path.name, e.label, Path(e.group).name) for e in examples] == [
        (e.path.name, e.label, Path(e.group).name) for e in expected
    ]


def test_a_table_with_labels_of_its_own_is_one_file_for_all(here):
    labels = {"score": "song", "song": "score"}
    frame = frame_of(here)
    frame.assign(label=[labels[p.split(os.sep)[-3]] for p in frame["path"]], group="g").to_parquet(
        "my.parquet"
    )
    examples = read_labels("my.parquet", fewest_groups=1)
    assert all(e.label == labels[e.name.split(os.sep)[-3]] for e in examples)
    assert {e.group for e in examples} == {"g"}


def test_a_table_that_says_no_labels_is_told_by_row(here):
    frame = frame_of(here)
    shutil.copytree("clips/score", "loose")
    frame.loc[0, "path"] = os.path.join("loose", *frame.loc[0, "path"].split(os.sep)[-2:])
    frame.to_parquet("my.parquet")
    with pytest.raises(LabelsError, match=r"row 1: label ''; expected one of"):
        read_labels("my.parquet")


def test_the_audio_need_not_be_there(here):
    labels = write_csv(
        here / "labels.csv",
        [{"path": e.name, "label": e.label, "group": e.group} for e in read_labels("clips")],
    )
    shutil.rmtree(here / "clips")
    examples = read_labels(labels, features=here / "table.parquet", by_sound=True)
    assert len(examples) == 6


def test_a_copy_of_the_audio_is_the_same_audio(here):
    for path in (here / "clips").rglob("*.wav"):
        os.utime(path, (1, 1))
    assert len(read_labels("clips", features="table.parquet")) == 6


def test_the_same_recording_twice_is_found_without_audio(measured, tmp_path):
    frame = frame_of(measured)
    frame["label"] = [path.split(os.sep)[-3] for path in frame["path"]]
    frame.loc[3, "sound_sha256"] = frame.loc[0, "sound_sha256"]
    with pytest.raises(LabelsError, match=r"rows 0, 3: .*: the same recording; called score and song"):
        read_labels(frame, by_sound=True)


# ---- what is wrong with it


def refused(features, labels="clips"):
    with pytest.raises(LabelsError) as caught:
        read_labels(labels, features=features)
    return str(caught.value)


def test_files_that_changed_are_told_with_their_rows(here):
    write_wav(here / "clips" / "song" / "g1" / "song-1-0.wav", song(77, 1.0))
    (here / "clips" / "song" / "g2" / "song-2-0.wav").write_text("Dear reader")
    text = refused("table.parquet")
    for row, name in ((5, "song-1-0.wav"), (6, "song-2-0.wav")):
        assert f"row {row}: clips/song/g{row - 4}/{name} has changed since table.parquet was made" in text


def test_files_that_are_not_in_it_are_told(here):
    write_wav(here / "clips" / "song" / "g9" / "new.wav", song(77, 1.0))
    assert "0 rows of table.parquet fit song/g9/new.wav; expected one" in refused("table.parquet")


def test_parts_of_files_are_told(here):
    labels = write_csv(
        here / "clips" / "labels.csv", [{"path": "song/g1/song-1-0.wav", "label": "song", "start_s": "0.5"}]
    )
    assert "row 2: start_s and duration_s ask for a part" in refused("table.parquet", labels)


def test_files_that_failed_are_told(here):
    (here / "clips" / "song" / "g2" / "song-2-0.wav").write_text("Dear reader")
    total, failures = measure_files(["clips"], "table.parquet")
    assert (total, list(failures)) == (6, ["clips/song/g2/song-2-0.wav"])
    assert "row 6: song-2-0.wav failed when table.parquet was made (" in refused("table.parquet")


def test_features_of_another_release_are_refused(here):
    assert "holds features of another release (old, expected" in refused(
        frame_of(here).assign(features="old")
    )
    assert "<DataFrame>: lacks the columns tempo; expected a table that this release's" in refused(
        frame_of(here).drop(columns="tempo")
    )


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("segments", np.zeros(7, np.float32), "is damaged"),
        ("segments", np.zeros(186, np.float32), "1 half seconds and 2 flags"),
        ("segments", None, "is damaged"),
        ("silent", np.zeros(0, bool), "is damaged"),
        ("tempo", float("nan"), "NaN or infinity"),
    ],
)
def test_damaged_rows_are_told(here, column, value, match):
    frame = frame_of(here)
    frame[column] = frame[column].astype(object)
    frame.at[0, column] = value
    text = refused(frame)
    assert "row 1: its row in <DataFrame> is damaged" in text
    assert match in text


def test_what_is_no_feature_table_is_refused(here):
    (here / "text.parquet").write_text("Dear reader")
    assert "text.parquet: cannot be read as a feature table" in refused("text.parquet")
    assert "none.parquet: cannot be read as a feature table (No such file" in refused("none.parquet")
    assert "table.csv: only a .parquet holds the half seconds" in refused("table.csv")
    pd.DataFrame({"path": ["a"]}).to_parquet(here / "other.parquet")
    assert "other.parquet: lacks the columns status, error, warnings ..." in refused("other.parquet")


# ---- writing it again


def test_it_goes_on_where_it_ended(here, monkeypatch):
    before = frame_of(here)
    write_wav(here / "clips" / "song" / "g1" / "song-1-0.wav", song(77, 1.0))
    seen = []

    def noted(work, total):
        seen.append(total)
        return work

    assert measure_files(["clips"], "table.parquet", progress=noted) == (6, {})
    assert seen == [6]  # other names: the table was made from elsewhere
    assert measure_files(["clips"], "table.parquet", progress=noted) == (6, {})
    write_wav(here / "clips" / "song" / "g1" / "song-1-0.wav", song(78, 1.0))
    assert measure_files(["clips"], "table.parquet", progress=noted) == (6, {})
    assert seen == [6, 1]
    after = frame_of(here)
    assert len(after) == len(before) + 6
    assert set(before["path"]) < set(after["path"])


def test_features_of_another_release_are_measured_anew(here, monkeypatch):
    measure_files(["clips"], "again.csv")
    table = (here / "again.csv").read_text()
    (here / "again.csv").write_text(table.replace(feature_table.FEATURES_ID, "0" * 12))
    seen = []
    measure_files(["clips"], "again.csv", progress=lambda work, total: seen.append(total) or work)
    assert seen == [6]
    assert (here / "again.csv").read_text() == table


def test_features_are_those_of_earlier_releases_that_measured_the_same():
    """Tables of users are as good as before until something else is measured, whatever a model makes of it."""
    assert feature_table.FEATURES_ID == "de7456fb48ff"


def test_several_processes_write_the_same(here):
    measure_files(["clips"], "one.csv")
    measure_files(["clips"], "two.csv", jobs=2)
    assert (here / "one.csv").read_text() == (here / "two.csv").read_text()


def test_the_number_of_threads_does_not_matter(measured):
    """With several, BLAS rounds otherwise: training would not give the same file everywhere."""
    path = str(measured / "clips" / "song" / "g0" / "song-0-0.wav")
    rows = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            rows.append(feature_table.row_of(feature_table.measure_file(path)))
    assert rows[0] == rows[1] == rows[2]


def test_a_row_survives_json():
    features = extract(song(1, 1.0).astype(np.float32), rate=22050, windows=False)
    row = feature_table.unpacked(feature_table.row_of(feature_table.Measured("a", features, "s", 1, 2)))
    assert [np.float32(row[name]) for name in schema.NAMES] == features.clip.tolist()
    np.testing.assert_array_equal(row["segments"], features.segments.ravel())
