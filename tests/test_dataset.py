"""Labels are read as they are meant, or every finding is told at once."""

from __future__ import annotations

import io
import re
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers import RATE_HZ, TAGS, score, song, write_class_folders, write_corpus, write_csv, write_wav

from scoreorsong.dataset import (
    FEWEST_GROUPS,
    MAX_TEACHER_BYTES,
    MOST_FINDINGS,
    TEACHER_WINDOW_S,
    Example,
    read_companions,
    read_labels,
)
from scoreorsong.errors import LabelsError

ROWS = [
    {"path": f"{label} {i}.wav", "label": label, "group": f"{label} {i}"}
    for label in ("score", "song")
    for i in range(FEWEST_GROUPS)
]


@pytest.fixture
def root(tmp_path):
    """A folder with empty files of the names in `ROWS`: reading labels opens none of them."""
    for row in ROWS:
        (tmp_path / row["path"]).touch()
    return tmp_path


def with_changes(*changes):
    """`ROWS` with the cells of the first rows changed."""
    keys = {key: "" for change in changes for key in change}
    rows = [{**keys, **row} for row in ROWS]
    return [{**row, **change} for row, change in zip(rows, changes, strict=False)] + rows[len(changes) :]


def read(root, rows, **options):
    return read_labels(write_csv(root / "labels.csv", rows), **options)


# ---- the CSV


def test_a_plain_csv_has_defaults_for_the_rest(root):
    examples = read(root, ROWS)
    assert [(e.name, e.label, e.group) for e in examples] == [
        (r["path"], r["label"], r["group"]) for r in ROWS
    ]
    path = root / "score 0.wav"
    assert examples[0] == Example(path, "score", "score 0", name="score 0.wav", slice="score")
    assert (examples[0].weight, examples[0].start_s, examples[0].duration_s) == (1.0, 0.0, None)


def test_every_column_is_used(root):
    cells = {
        "slice": "score-core", "vocals": "no", "licence": "CC0-1.0", "weight": "0.5", "start_s": "1.5", "duration_s": "8",
        "title": "not needed",
    }  # fmt: skip
    example = read(root, with_changes({**cells, "label": " score "}))[0]
    assert (example.slice, example.vocals, example.licence) == ("score-core", "no", "CC0-1.0")
    assert (example.weight, example.start_s, example.duration_s) == (0.5, 1.5, 8.0)


def test_a_clip_cut_from_a_source_is_used_whole(root):
    """start_s and duration_s speak of the source then; of the clip itself elsewhere."""
    part = {"start_s": "30", "duration_s": "5"}
    cut, whole = read(root, with_changes({"source_path": "album/1.flac", **part}, part))[:2]
    assert (cut.start_s, cut.duration_s) == (0.0, None)
    assert (whole.start_s, whole.duration_s) == (30.0, 5.0)


def test_parts_of_one_file_are_several_clips(root):
    parts = [{"path": "score 0.wav", "start_s": str(s), "duration_s": "10"} for s in (0, 10)]
    (root / "score 3.wav").touch()
    rows = [*with_changes(*parts), {**ROWS[0], "path": "score 3.wav", "group": "score 3"}]
    assert [e.start_s for e in read(root, rows)[:2]] == [0.0, 10.0]


def test_parts_of_one_file_are_of_one_group_whatever_the_labels_say(root):
    (root / "link.wav").symlink_to(root / "score 0.wav")
    (root / "score 3.wav").touch()
    more = [{"path": p, "label": "score", "group": p} for p in ("link.wav", "score 3.wav")]
    groups = {e.name: e.group for e in read(root, [*ROWS, *more])}
    assert groups["link.wav"] == groups["score 0.wav"]
    assert len(set(groups.values())) == len(groups) - 1


def test_paths_are_relative_to_the_csv_or_to_the_root_given(root, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert read(root, ROWS)[0].path == root / "score 0.wav"
    assert read(elsewhere, ROWS, audio_root=root)[0].path == root / "score 0.wav"
    absolute = [{**row, "path": str(root / row["path"])} for row in ROWS]
    assert read(elsewhere, absolute)[0].path == root / "score 0.wav"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_names_of_any_alphabet_and_a_byte_order_mark(root, encoding):
    (root / "Käse, 音.wav").touch()
    path = write_csv(root / "labels.csv", with_changes({"path": "Käse, 音.wav"}))
    path.write_text(path.read_text("utf-8"), encoding)
    assert read_labels(path)[0].path.is_file()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(root, line_end):
    path = write_csv(root / "labels.csv", ROWS)
    path.write_bytes(line_end.join(path.read_text().splitlines()).encode())
    assert len(read_labels(path)) == len(ROWS)


# ---- groups


def test_without_a_group_the_folder_is_the_group(tmp_path):
    examples = read_labels(write_class_folders(tmp_path, groups=3, clips=2, seconds=0.1))
    assert {e.group for e in examples} == {
        (tmp_path / label / f"g{i}").as_posix() for label in ("score", "song") for i in range(3)
    }
    assert all(e.group == e.path.parent.as_posix() for e in examples)


def test_without_folders_each_clip_is_a_group(root):
    examples = read(root, [{"path": r["path"], "label": r["label"]} for r in ROWS])
    assert len({e.group for e in examples}) == len(ROWS)


def test_a_given_group_stays(root):
    groups = [e.group for e in read(root, with_changes({"group": ""}))]
    assert groups[1:] == [row["group"] for row in ROWS[1:]]


def test_without_a_group_tags_say_it_before_folders_do(tmp_path):
    root = write_class_folders(tmp_path, groups=3, clips=2, seconds=0.1)
    tagged = {
        "score/g0/score-0-0": {"artist": "Jo March", "album": "Cues"},
        "score/g1/score-1-0": {"artist": " jo  March "},
        "song/g0/song-0-0": {"artist": "Various Artists", "album": "Hits"},
    }
    for name, tags in tagged.items():
        write_tagged(root / f"{name}.wav", tags)
    found = {e.name.rpartition(".")[0]: (e.group, e.grouped_by) for e in read_labels(root)}
    assert found["score/g0/score-0-0"] == ("Jo March", "artist tag")
    assert found["score/g1/score-1-0"] == ("jo March", "artist tag")
    assert found["song/g0/song-0-0"] == ("album: Hits", "album tag")
    assert found["song/g0/song-0-1"] == ((root / "song" / "g0").as_posix(), "folder")


def test_given_groups_are_noted_as_such_and_clips_of_few_folders_too(root):
    examples = read(root, with_changes({"group": ""}))
    assert [e.grouped_by for e in examples] == ["file", *["labels"] * (len(ROWS) - 1)]


# ---- by sound


def write_tagged(path, tags, samples=None):
    """Sound with tags; by default the sound that the file has."""
    samples = soundfile.read(path, dtype="int16")[0] if samples is None else samples
    with soundfile.SoundFile(path, "w", RATE_HZ, 1) as file:
        for tag, value in tags.items():
            setattr(file, tag, value)
        file.write(samples)
    return path


@pytest.fixture
def clips(tmp_path):
    """Class folders with sound in them, whose groups are the folders."""
    return write_class_folders(tmp_path / "clips", groups=3, clips=1, seconds=0.5)


def refused_by_sound(clips):
    with pytest.raises(LabelsError) as caught:
        read_labels(clips, by_sound=True)
    return str(caught.value).splitlines()[1:]


def test_what_sounds_different_is_fine(clips):
    assert read_labels(clips, by_sound=True) == read_labels(clips)


def test_a_recording_under_two_names_is_told_with_its_rows(clips):
    samples = soundfile.read(clips / "score" / "g0" / "score-0-0.wav", dtype="int16")[0]
    write_tagged(clips / "score" / "g1" / "again.flac", {"artist": "Somebody Else"}, samples)
    assert refused_by_sound(clips) == [
        "  rows 1, 2: score/g0/score-0-0.wav, score/g1/again.flac: the same recording; keep one of them"
    ]


def test_a_recording_under_two_labels_is_told(clips):
    shutil.copy(clips / "score" / "g0" / "score-0-0.wav", clips / "song" / "g0" / "copy.wav")
    (finding,) = refused_by_sound(clips)
    assert "the same recording; called score and song: decide, and keep one" in finding


def moving(seed, seconds=16.0):
    """Sound whose spectrum moves as that of music does."""
    random = np.random.default_rng(seed)
    parts = [make(10 * seed + i, seconds) for i, make in enumerate((song, score, score))]
    return sum(part * np.repeat(random.random(32), RATE_HZ // 2) for part in parts) / 4


def test_a_copy_by_a_lossy_codec_under_two_labels_is_told(clips):
    """Under one label it is none: training puts it into the group of its original."""
    samples = moving(1)
    write_wav(clips / "song" / "g0" / "long.wav", samples)
    soundfile.write(clips / "song" / "g0" / "copy.ogg", 0.5 * samples, RATE_HZ)
    read_labels(clips, by_sound=True)
    (clips / "song" / "g0" / "copy.ogg").rename(clips / "score" / "g1" / "copy.ogg")
    assert refused_by_sound(clips) == [
        "  rows 2, 5: score/g1/copy.ogg, song/g0/long.wav: copies of one recording; called score and song: decide, and keep one"
    ]


def test_groups_that_copies_make_one_are_not_counted_twice(tmp_path):
    root, samples = write_class_folders(tmp_path / "clips", groups=2, clips=1, seconds=0.5), moving(1)
    for label in ("score", "song"):
        write_wav(root / label / "g2" / "other.wav", moving(5 if label == "score" else 7))
    write_wav(root / "song" / "g0" / "long.wav", samples)
    (root / "song" / "g1" / "song-1-0.wav").unlink()
    soundfile.write(root / "song" / "g1" / "copy.ogg", 0.5 * samples, RATE_HZ)
    assert refused_by_sound(root) == [
        "  song: 2 groups, copies of one recording in one; expected at least 3, so that each can be tested by others"
    ]


def test_a_row_with_an_unknown_label_is_heard_all_the_same(clips):
    """So that nothing is left to be found the second time."""
    rows = [{"path": e.name, "label": e.label} for e in read_labels(clips)]
    rows += [{"path": "copy.wav", "label": "Song"}, {"path": "letter.wav", "label": "hymn"}]
    shutil.copy(clips / "song" / "g1" / "song-1-0.wav", clips / "copy.wav")
    (clips / "letter.wav").write_text("Dear reader")
    found = refused_by_sound(write_csv(clips / "labels.csv", rows))
    assert [f.split(":")[0] for f in found] == ["  row 8", "  row 9", "  row 9", "  rows 6, 8"]
    assert found[0].endswith("; 'song'?")
    assert found[3].endswith("called Song and song: decide, and keep one")


def test_a_missing_source_is_told_with_the_rest(root):
    rows = [row | {"source": "one" if i else ""} for i, row in enumerate(ROWS)]
    with pytest.raises(LabelsError, match=r"row 2: nothing in the column source"):
        read_labels(write_csv(root / "labels.csv", rows), by_source=True)


def test_all_that_only_decoding_tells_comes_at_once_with_the_rest(clips):
    write_csv(
        clips / "labels.csv",
        [
            *({"path": e.name, "label": e.label} for e in read_labels(clips)),
            {"path": "song/g0/song-0-0.wav", "label": "song"},
            {"path": "none.wav", "label": "song"},
            {"path": "broken.wav", "label": "song"},
            {"path": "copy.wav", "label": "song"},
        ],
    )
    (clips / "broken.wav").write_text("Dear reader")
    shutil.copy(clips / "song" / "g1" / "song-1-0.wav", clips / "copy.wav")
    found = refused_by_sound(clips / "labels.csv")
    assert [f.split(":")[0] for f in found] == ["  row 9", "  rows 5, 8", "  row 10", "  rows 6, 11"]


# ---- class folders


def test_class_folders(tmp_path):
    for name in (
        "score/a/1.wav", "score/b/2.FLAC", "score/c/deep/3.mp3", "song/a/4.ogg", "song/b/5.m4a", "song/c/6.opus",
        "no_music/7.wav", "song/a/cover.jpg", "score/a/._1.wav", "score/a/.DS_Store", "other/8.wav", "9.wav",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    examples = read_labels(tmp_path)
    assert [(e.label, e.path.name) for e in examples] == [
        ("score", "1.wav"), ("score", "2.FLAC"), ("score", "3.mp3"),
        ("song", "4.ogg"), ("song", "5.m4a"), ("song", "6.opus"), ("no_music", "7.wav"),
    ]  # fmt: skip
    assert examples[2].name == "score/c/deep/3.mp3"
    assert {e.group for e in examples if e.path.parent.name == "a"} == {
        (tmp_path / label / "a").as_posix() for label in ("score", "song")
    }


@pytest.mark.parametrize("folders", [[], ["score"], ["music"]])
def test_a_folder_without_audio_under_classes_is_refused(tmp_path, folders):
    for name in folders:
        (tmp_path / name).mkdir()
    with pytest.raises(
        LabelsError, match=r"no audio under score/ or song/ or no_music/; expected class folders"
    ):
        read_labels(tmp_path)


# ---- DataFrames


def test_a_data_frame_reads_as_its_csv(root):
    rows = with_changes({"start_s": 2.0, "slice": "score-core"})
    frame = pd.DataFrame(rows).replace("", None)
    assert read_labels(frame, audio_root=root) == read(root, rows)


def test_gaps_of_every_kind_in_a_data_frame(root):
    frame = pd.DataFrame(ROWS)
    plain = read_labels(frame, audio_root=root)
    for gap in (None, np.nan, pd.NA, pd.NaT):
        assert read_labels(frame.assign(slice=gap, weight=gap), audio_root=root) == plain
    for dtype in ("string", "Float64"):
        assert (
            read_labels(frame.assign(weight=pd.array([pd.NA] * len(frame), dtype)), audio_root=root) == plain
        )


def test_a_data_frame_may_hold_path_objects_under_the_working_directory(root, monkeypatch):
    monkeypatch.chdir(root)
    frame = pd.DataFrame(ROWS)
    assert read_labels(frame)[0].path.is_file()
    assert read_labels(frame.assign(path=[root / p for p in frame["path"]]))[0].path == root / "score 0.wav"


def test_findings_in_a_data_frame_name_its_index(root):
    frame = pd.DataFrame(ROWS, index=[f"clip{i}" for i in range(len(ROWS))])
    frame.loc["clip3", "label"] = "pop"
    with pytest.raises(LabelsError, match=r"<DataFrame>: cannot be used:\n  row clip3: label 'pop'"):
        read_labels(frame, audio_root=root)


def test_a_data_frame_without_the_columns_is_refused():
    with pytest.raises(
        LabelsError, match=r"<DataFrame>: found the columns file, label; expected path and label"
    ):
        read_labels(pd.DataFrame({"file": ["a"], "label": ["song"]}))
    with pytest.raises(LabelsError, match=r"<DataFrame>: cannot be used:\n  score: 0 groups"):
        read_labels(pd.DataFrame({"path": [], "label": []}))


# ---- what is wrong


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": "pop"}, r"row 2: label 'pop'; expected one of score, song, no_music"),
        ({"label": "Score"}, r"row 2: label 'Score'; expected one of"),
        ({"label": ""}, r"row 2: label ''"),
        ({"path": "none.wav"}, r"row 2: no file .*none\.wav; check the path or --audio-root"),
        ({"path": ""}, r"row 2: no file "),
        ({"path": "."}, r"row 2: no file "),
        ({"path": "nul\0.wav"}, r"row 2: no file "),
        ({"path": "long" * 2000}, r"row 2: no file "),
        ({"path": "score 1.wav"}, r".*score 1\.wav: listed 2 times; keep one row of it"),
        ({"weight": "much"}, r"row 2: weight 'much'; expected a number of at least 0"),
        ({"weight": "-1"}, r"row 2: weight '-1'; expected a number of at least 0"),
        ({"weight": "nan"}, r"row 2: weight 'nan'; expected a number"),
        ({"start_s": "inf"}, r"row 2: start_s 'inf'; expected a number"),
        ({"duration_s": "0"}, r"row 2: duration_s '0'; expected a number above 0"),
        ({"duration_s": "1:30"}, r"row 2: duration_s '1:30'; expected a number above 0"),
        ({"group": "score 1"}, r"score: 2 groups; expected at least 3"),
        ({"weight": "0"}, r"score: 2 groups; expected at least 3"),
    ],
)
def test_one_finding(root, change, match):
    with pytest.raises(LabelsError, match=r"labels\.csv: cannot be used:\n(  .*\n)*?  " + match):
        read(root, with_changes(change))


def test_all_findings_come_at_once_with_their_rows(root):
    changes = [
        {"label": "pop"},
        {"path": "none.wav", "weight": "x"},
        {"start_s": "-3"},
        {"path": "song 1.wav"},
    ]
    with pytest.raises(LabelsError) as caught:
        read(root, with_changes(*changes))
    findings = str(caught.value).splitlines()[1:]
    told = [
        "row 2: label 'pop'",
        "row 3: no file",
        "row 3: weight 'x'",
        "row 4: start_s '-3'",
        "rows 5, 6: ",
        "score: 0",
        "song: 2",  # what is listed twice puts its groups together
    ]
    assert len(findings) == len(told)
    for finding, start in zip(findings, told, strict=True):
        assert start in finding


def test_a_file_that_is_listed_twice_is_told_with_its_rows(root):
    with pytest.raises(LabelsError, match=r"rows 2, 3: .*score 1\.wav: listed 2 times; keep one row of it"):
        read(root, with_changes({"path": "score 1.wav"}))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("Group", "group"), ("groups", "group"), ("license", "licence"), ("start", "start_s")],
)
def test_a_column_whose_name_is_nearly_right_is_not_passed_over(root, wrong, right):
    with pytest.raises(
        LabelsError, match=rf"column '{wrong}': is not used; call it '{right}', or something else"
    ):
        read(
            root, with_changes({wrong: "1"}) if right != "group" else [{**r, wrong: "1"} for r in ungrouped()]
        )


def ungrouped():
    return [{"path": row["path"], "label": row["label"]} for row in ROWS]


def test_other_columns_are_ones_own(root):
    more = dict.fromkeys(("artist", "source", "licence_evidence", "sha256", "title", "key"), "x")
    assert len(read(root, [{**row, **more} for row in ROWS])) == len(ROWS)


def test_blank_lines_do_not_move_the_rows(root):
    lines = write_csv(root / "labels.csv", with_changes({}, {}, {"label": "pop"})).read_text().splitlines()
    (root / "labels.csv").write_text("\n".join([lines[0], "", "", *lines[1:]]))
    with pytest.raises(LabelsError, match=r"row 6: label 'pop'"):
        read_labels(root / "labels.csv")


def test_a_long_list_of_findings_is_cut(root):
    rows = [{"path": f"{i}.wav", "label": "pop"} for i in range(1 + MOST_FINDINGS // 2)]
    with pytest.raises(LabelsError) as caught:
        read(root, rows)
    lines = str(caught.value).splitlines()
    assert lines[MOST_FINDINGS + 2 :] == [
        f"  {label}: 0 groups; expected at least 3, so that each can be tested by others"
        for label in ("score", "song")
    ]
    assert lines[MOST_FINDINGS + 1] == "  and 2 more of this sort"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", r"found the columns nothing and 0 rows; expected path, label and rows"),
        (b"path,label\n", r"found the columns path, label and 0 rows"),
        (b"file,kind\na.wav,song\n", r"found the columns file, kind and 1 rows; expected path, label"),
        (b"path;label\na.wav;song\n", r"found the columns path;label and 1 rows"),
        ("path,label\nKäse.wav,song\n".encode("latin-1"), r"cannot be read as a labels CSV \(.*utf-8.*\); expected UTF-8"),
        ("path,label\na.wav,song\n".encode("utf-16"), r"cannot be read as a labels CSV .*expected UTF-8 text"),
        (b"path,label\n" + b"a" * 200_000 + b",song\n", r"cannot be read as a labels CSV \(field larger"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_labels_csv_is_refused(tmp_path, text, match):
    (tmp_path / "labels.csv").write_bytes(text)
    with pytest.raises(LabelsError, match=rf"labels\.csv: {match}"):
        read_labels(tmp_path / "labels.csv")


@pytest.mark.parametrize("name", ["none.csv", "nul\0.csv", "long" * 2000])
def test_a_labels_file_that_cannot_be_opened_is_refused(tmp_path, name):
    with pytest.raises(LabelsError, match=r"cannot be read as a labels CSV \(.+\)"):
        read_labels(tmp_path / name)


# ---- companions


def test_companions(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    companions = read_companions(labels)
    assert companions.tags == TAGS
    assert [v.kind for v in companions.voices] == ["speech"] * 4 + ["singing"] * 3 + ["noise"] * 4
    assert companions.voices[0].path.is_file()
    assert companions.voices[0].speaker == "speech 0"
    np.testing.assert_array_equal(companions.activity["song-0-0"], [[0.0, 3.0]])
    assert set(companions.teacher) == {e.path.stem for e in read_labels(labels)}
    windows = companions.teacher["song-0-0"]
    assert windows.shape == (2, len(TAGS))  # the third is empty
    assert windows.dtype == np.float64
    assert round(TEACHER_WINDOW_S, 6) == 2.992


def test_companions_of_a_folder_lie_in_it(tmp_path):
    write_corpus(tmp_path, groups=3, clips=1)
    assert read_companions(tmp_path).voices == read_companions(str(tmp_path / "corpus.csv")).voices
    assert read_companions(tmp_path / "score") is None


def test_no_companions(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    assert read_companions(pd.DataFrame(ROWS)) is None
    (tmp_path / "voices.csv").rename(tmp_path / "voices.txt")
    assert read_companions(labels) is None
    (tmp_path / "voices.txt").rename(tmp_path / "voices.csv")
    (tmp_path / "teacher" / "small.npz").unlink()
    assert read_companions(labels) is None


def test_passages_are_optional_and_may_be_none(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    (tmp_path / "vocal_activity" / "song-0-0.csv").write_text("start_s,end_s\n")
    assert read_companions(labels).activity["song-0-0"].shape == (0, 2)
    (tmp_path / "vocal_activity" / "song-0-0.csv").unlink()
    assert read_companions(labels).activity == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("voices.csv", b"path,kind\na.wav,speech\n"),
        ("voices.csv", b"\xff\xfe"),
        ("vocal_activity/song-0-0.csv", b"start_s,end_s\n0:01,0:02\n"),
        ("vocal_activity/song-0-0.csv", b"start,end\n1,2\n"),
        ("vocal_activity/song-0-0.csv", b"start_s,end_s\n1\n"),
        ("vocal_activity/song-0-0.csv", b"start_s,end_s\n1,inf\n"),
        ("vocal_activity/song-0-0.csv", b"start_s,end_s\nnan,2\n"),
        ("vocal_activity/song-0-0.csv", b"start_s,end_s\n3,2\n"),
        ("teacher/small.npz", b""),
        ("teacher/small.npz", b"no such thing"),
        ("teacher/small.npz", b"PK\x03\x04 cut off"),
    ],
)
def test_companions_that_cannot_be_used_are_refused(tmp_path, name, content):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        LabelsError, match=r"voices\.csv, vocal_activity/ or teacher/ cannot be used .*; mend them"
    ):
        read_companions(labels)


def test_a_teacher_of_another_make_is_refused(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    for content in (
        {"ids": np.array(["a"])},
        {"ids": ["a"], "tags": TAGS, "probabilities": np.zeros((2, 3, 50))},
    ):
        np.savez(tmp_path / "teacher" / "small.npz", **content)
        with pytest.raises(LabelsError, match="cannot be used"):
            read_companions(labels)


@pytest.mark.parametrize(
    ("old", "new"), [(b"}", b" "), (b"'<U3'", b"'<U9'"), (b"(2, ", b"(9" + b"9" * 17 + b", ")]
)
def test_a_teacher_whose_headers_are_damaged_is_refused(tmp_path, old, new):
    """NumPy answers with a TokenError, a SystemError and a MemoryError."""
    labels = write_corpus(tmp_path, groups=3, clips=1)
    columns = {
        "ids": np.array(["a", "b"]),
        "tags": np.array(["aaa", "bbb"]),
        "probabilities": np.zeros((2, 3, 2)),
    }
    with zipfile.ZipFile(tmp_path / "teacher" / "small.npz", "w") as archive:
        for name, rows in columns.items():
            buffer = io.BytesIO()
            np.save(buffer, rows)
            archive.writestr(f"{name}.npy", buffer.getvalue().replace(old, new))
    with pytest.raises(LabelsError, match="cannot be used"):
        read_companions(labels)


def test_a_teacher_that_unpacks_to_far_more_is_refused(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    bomb = zipfile.ZipFile(tmp_path / "teacher" / "small.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with bomb, bomb.open("ids.npy", "w") as member:
        for _ in range(MAX_TEACHER_BYTES // 2**20 + 1):
            member.write(bytes(2**20))
    with pytest.raises(LabelsError, match=r"small\.npz unpacks to more than 256 MB"):
        read_companions(labels)


def test_voices_that_are_not_there_are_told_before_any_work(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    (tmp_path / "voices" / "noise0.wav").unlink()
    with (tmp_path / "voices.csv").open("a") as file:
        file.write("voices/speech0.wav,shouting,x\n")
    told = re.compile(r"voices\.csv: .*no file .*noise0\.wav.*kind 'shouting'", re.S)
    with pytest.raises(LabelsError, match=told):
        read_companions(labels)


def test_too_few_voices_are_told_before_any_work(tmp_path):
    labels = write_corpus(tmp_path, groups=3, clips=1)
    rows = [
        {"path": f"voices/{kind}.wav", "kind": kind[:-1], "speaker": kind}
        for kind in ("speech0", "noise0", "noise1")
    ]
    write_csv(tmp_path / "voices.csv", rows)
    with pytest.raises(LabelsError) as caught:
        read_companions(labels)
    starts = [line.partition(";")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert starts == ["speech: 1 speakers", "singing: 0 speakers", "noise: 2 speakers"]
