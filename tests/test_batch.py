"""Folders, tables and workers: what is found, what is kept, and who may die."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
from concurrent.futures import CancelledError, Future
from contextlib import closing

import pytest
from helpers import EXAMPLES, score, song, write_wav
from joblib.externals.loky.backend.queues import Queue

from scoreorsong import BatchError, Failure, Prediction, predict, predict_folder
from scoreorsong.cluster import _pass_on
from scoreorsong.folders import UNKNOWN, find_files
from scoreorsong.tables import COLUMNS, Table, row_of
from scoreorsong.workers import FILES_PER_HAND, QUICK_S, LocalCrew, Task, analyse

MODEL = "0123456789ab"


def touch(path, size=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


# ---- folders


@pytest.fixture
def library(tmp_path):
    root = tmp_path / "library"
    for name in (
        "b/two.wav",
        "a/one.MP3",
        "top.flac",
        "B.ogg",
        ".hidden.wav",
        ".cache/x.wav",
        "a/notes.txt",
        "a-b/x.wav",
    ):
        touch(root / name)
    (root / "folder.wav").mkdir()
    return root


def names(root, **options):
    return [os.path.relpath(name, root) for name in find_files(root, **options).files]


def test_audio_is_found_sorted_without_what_is_hidden(library):
    found = names(library)
    assert set(found) == {"b/two.wav", "a/one.MP3", "top.flac", "B.ogg", "a-b/x.wav"}
    assert list(find_files(library).files) == sorted(str(library / name) for name in found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pattern": "*.wav"}, ["a-b/x.wav", "b/two.wav"]),
        ({"pattern": "a*/*"}, ["a-b/x.wav", "a/one.MP3"]),
        ({"recursive": False}, ["B.ogg", "top.flac"]),
    ],
)
def test_patterns_and_depth(library, options, expected):
    assert names(library, **options) == expected


def test_a_file_that_links_lead_to_counts_once_by_its_own_place(library, tmp_path):
    touch(tmp_path / "elsewhere" / "far.wav")
    (library / "0-link.wav").symlink_to(library / "b" / "two.wav")
    (library / "0-folder").symlink_to(library / "b")
    (library / "a" / "circle").symlink_to(library)
    (library / "circle.wav").symlink_to(library / "circle.wav")
    (library / "far-1").symlink_to(tmp_path / "elsewhere")
    (library / "far-2.wav").symlink_to(tmp_path / "elsewhere" / "far.wav")
    (library / "nowhere.wav").symlink_to("none.wav")
    found = find_files(library).files
    expected = {
        "b/two.wav",
        "a/one.MP3",
        "top.flac",
        "B.ogg",
        "a-b/x.wav",
        "far-1/far.wav",
        "nowhere.wav",
        "circle.wav",
    }
    assert {os.path.relpath(name, library) for name in found} == expected
    assert found[str(library / "nowhere.wav")] == UNKNOWN


def test_a_folder_that_is_closed_is_told_and_the_rest_found(library, monkeypatch):
    scandir = os.scandir

    def closed(folder):
        if os.path.basename(folder) == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("scoreorsong.folders.os.scandir", closed)
    assert find_files(library).closed == {str(library / "b"): "cannot be read (Permission denied)"}
    results = predict_folder(library)
    assert next(results) == Failure(
        str(library / "b"), f"{library / 'b'}: cannot be read (Permission denied); check its permissions"
    )
    results.close()
    assert len(names(library)) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_file_is_left_out(library):
    os.mkfifo(library / "pipe.wav")
    assert "pipe.wav" not in names(library)


@pytest.mark.parametrize(("pattern", "where"), [("*.aiff", ""), ("*", "none"), ("*", "top.flac")])
def test_a_folder_with_nothing_for_us_is_told(library, pattern, where):
    with pytest.raises(BatchError, match=r"no audio in this folder fits|cannot be read .*expected a folder"):
        find_files(library / where, pattern=pattern)


# ---- tables


def prediction(path, **changes):
    values = {
        "source": path, "label": "song", "song_probability": 0.1 + 0.2, "confident": True, "vocal_fraction": 1.0,
        "music_fraction": 1.0, "duration_s": 3.25, "reasons": (), "warnings": ("only 3.2 s long", "odd"), "model_id": MODEL,
    }  # fmt: skip
    return Prediction(**{**values, **changes})


ODD_NAMES = [
    "a, b.wav",
    'quote".wav',
    "new\nline.wav",
    "return\r.wav",
    "Käse-音.wav",
    os.fsdecode(b"latin-\xe9.wav"),
    "z.wav",
]


def filled(path, paths):
    """A table with a row for every path; returns what `take_up` needs to know them again."""
    files = dict.fromkeys(paths, (10, 20))
    table = Table(path)
    table.take_up(files, MODEL)
    for name in paths:
        table.append(row_of(prediction(name), MODEL), files[name])
    table.finish()
    table.close()
    return files


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    "junk", ["x" * 140_000, "[" * 100_000, '{"a":' * 100_000], ids=["long", "lists", "tables"]
)
def test_a_row_or_a_state_beyond_reason_costs_itself_only(tmp_path, ending, junk):
    """Longer than csv allows a cell to be, or deeper than json allows."""
    path = tmp_path / f"results{ending}"
    files = filled(path, ["a.wav", "b.wav"])
    for file in (path, path.with_name(path.name + ".state")):
        with file.open("a") as lines:
            lines.write(junk + "\n")
    table = Table(path)
    assert table.take_up(files, MODEL) == {"a.wav", "b.wav"}
    table.finish()
    table.close()
    assert [row["path"] for row in rows_of(path)] == ["a.wav", "b.wav"]


def rows_of(path):
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pylist()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_formats_hold_the_same(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"out.{ending}"
    filled(path, ODD_NAMES)
    rows = rows_of(path)
    assert all(tuple(row) == COLUMNS for row in rows)
    odd = [
        n.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") if ending == "parquet" else n
        for n in ODD_NAMES
    ]
    assert sorted(row["path"] for row in rows) == sorted(odd)
    assert [float(row["song_probability"]) for row in rows] == [0.1 + 0.2] * len(rows)
    assert {row["warnings"] for row in rows} == {"only 3.2 s long; odd"}
    assert {row["confident"] for row in rows} == {"true" if ending == "csv" else True}


def test_a_failure_is_a_row_without_numbers():
    row = row_of(Failure("a.wav", "a.wav: odd\nvery odd"), MODEL)
    assert (row["status"], row["error"], row["model_id"]) == ("error", "a.wav: odd very odd", MODEL)
    assert {row[name] for name in COLUMNS[2:9]} == {None}


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_wherever_a_table_is_torn_the_whole_rows_stay_and_the_rest_is_redone(tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    files = filled(path, sorted(ODD_NAMES))
    whole, state = path.read_bytes(), (tmp_path / f"{path.name}.state").read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        (tmp_path / f"{path.name}.state").write_bytes(state)
        table = Table(path)
        done = table.take_up(files, MODEL)
        for name in sorted(files.keys() - done):
            table.append(row_of(prediction(name), MODEL), files[name])
        table.finish()
        table.close()
        assert path.read_bytes() == whole
        assert done == {row["path"] for row in rows_of(path) if row["path"] in done}
        assert len(done) >= whole[:cut].count(MODEL.encode()) - 1


@pytest.mark.parametrize("cut", [0, 1, 20, 60])
def test_without_its_state_a_row_is_redone(tmp_path, cut):
    path = tmp_path / "out.csv"
    files = filled(path, ["a.wav", "b.wav"])
    state = path.with_name("out.csv.state")
    state.write_bytes(state.read_bytes()[:-1][:cut])
    kept = state.read_bytes().count(b"\n")
    table = Table(path)
    assert table.take_up(files, MODEL) == set(["a.wav", "b.wav"][:kept])
    assert len(list(table.rows())) == kept
    table.close()


def test_what_changed_is_redone_and_what_is_not_asked_for_stays(tmp_path):
    path = tmp_path / "out.csv"
    files = filled(path, ["bigger.wav", "newer.wav", "other.wav", "same.wav"])
    del files["other.wav"]
    files |= {"bigger.wav": (11, 20), "newer.wav": (10, 21)}
    table = Table(path)
    assert table.take_up(files, MODEL) == {"same.wav"}
    assert [row["path"] for row in table.rows()] == ["other.wav", "same.wav"]
    assert table.take_up(files, "another model") == set()
    assert [row["path"] for row in table.rows()] == ["other.wav"]
    table.close()


def test_failures_and_links_that_lead_nowhere_are_tried_again(tmp_path):
    path = tmp_path / "out.jsonl"
    files = {"bad.wav": (10, 20), "nowhere.wav": UNKNOWN}
    table = Table(path)
    table.append(row_of(Failure("bad.wav", "bad"), MODEL), files["bad.wav"])
    table.append(row_of(prediction("nowhere.wav"), MODEL), UNKNOWN)
    assert table.take_up(files, MODEL) == set()
    assert path.read_bytes() == b""
    table.close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("out.txt", None, r"'\.txt'; expected \.csv, \.jsonl, \.parquet"),
        ("none/out.csv", None, "cannot be written"),
        ("folder.csv", None, "is no file"),
        ("mine.csv", "name,size\nfirst,2", "is no table of a scan"),
        ("mine.jsonl", '{"a": 1}', "is no table of a scan"),
        ("mine.parquet", "PAR1", "lies there without mine.parquet.jsonl"),
    ],
)
def test_a_target_that_will_not_do_is_refused_and_left_alone(tmp_path, name, content, message):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / "folder.csv").mkdir()
    if content:
        (tmp_path / name).write_text(content)
    with pytest.raises(BatchError, match=message):
        Table(tmp_path / name)
    if content:
        assert (tmp_path / name).read_text() == content
        Table(tmp_path / name, resume=False).close()


def test_two_scans_do_not_write_one_table(tmp_path):
    pytest.importorskip("fcntl")
    first = Table(tmp_path / "out.csv")
    for resume in (True, False):
        with pytest.raises(BatchError, match="another scan is writing this table"):
            Table(tmp_path / "out.csv", resume=resume)
    first.close()
    Table(tmp_path / "out.csv").close()


@pytest.mark.parametrize(
    ("name", "beside"), [("out.csv", ".state"), ("out.parquet", ".jsonl"), ("out.parquet", ".jsonl.state")]
)
@pytest.mark.parametrize("resume", [True, False])
def test_a_link_beside_a_table_leads_to_no_other_file(tmp_path, name, beside, resume):
    """Of the table itself a link is followed; what lies beside it nobody named."""
    victim = tmp_path / "victim"
    victim.write_bytes(b'{"path": "precious"}\nno end')
    (tmp_path / f"{name}{beside}").symlink_to(victim)
    with pytest.raises(BatchError, match=rf"{name}{beside}: is a link"):
        Table(tmp_path / name, resume=resume)
    assert victim.read_bytes() == b'{"path": "precious"}\nno end'


def test_a_link_to_a_table_stays_a_link(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    filled(tmp_path / "link.csv", ["b.wav", "a.wav"])
    assert (tmp_path / "link.csv").is_symlink()
    assert [row["path"] for row in rows_of(tmp_path / "real.csv")] == ["a.wav", "b.wav"]


# ---- what Dask says


class Asked:
    """Stands for a future of Dask's, whose result is lost when it is fetched."""

    def __init__(self, status, error):
        self.status, self._error = status, error

    def result(self):
        raise self._error


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [("error", OSError("lost"), OSError), ("cancelled", RuntimeError("closed"), CancelledError)],
)
def test_a_result_that_is_lost_on_its_way_from_a_cluster_is_told(status, error, told):
    future = Future()
    _pass_on(future, Asked(status, error))
    with pytest.raises(told):
        future.result(timeout=0)


# ---- a folder from Python


def test_predict_folder_gives_what_predict_gives_in_order(tmp_path):
    for i, make in enumerate((song, score, song)):
        write_wav(tmp_path / f"{i}.wav", make(i, 2.0))
    touch(tmp_path / "1-bad.wav")
    results = list(predict_folder(tmp_path, jobs=2))
    assert [os.path.basename(r.source) for r in results] == ["0.wav", "1-bad.wav", "1.wav", "2.wav"]
    assert isinstance(results[1], Failure)
    assert [r for r in results if isinstance(r, Prediction)] == [
        predict(r.source) for r in results if isinstance(r, Prediction)
    ]


def test_predict_folder_names_files_as_the_folder_was_given(monkeypatch):
    monkeypatch.chdir(EXAMPLES[0].parents[1])
    first = next(results := predict_folder("examples"))
    results.close()
    assert first.source == os.path.join("examples", EXAMPLES[0].name)


def test_predict_folder_tells_at_once_that_there_is_none(tmp_path):
    with pytest.raises(BatchError, match="cannot be read"):
        predict_folder(tmp_path / "none")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals here")
def test_a_worker_killed_after_a_slow_start_is_not_called_late():
    allowed_s = 0.1  # less than any process takes to start, and more than this one takes to die
    task = Task("dies", lambda path: os.kill(os.getpid(), signal.SIGKILL))
    with closing(LocalCrew(task, timeout_s=allowed_s)) as crew:
        [(_, failure)] = analyse(["clip.wav"], crew)
    assert "died (SIGKILL(-9))" in failure.error


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals here")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("deadly", [{0}, {7}, {7, 8}, {3, 11}, set(range(12))])
def test_a_file_that_kills_costs_no_other_file(jobs, deadly):
    """Not those either that were sent ahead to the same worker."""

    def die_or_not(path):
        if int(os.path.basename(path)) in deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return Failure(path, "alive")

    with closing(LocalCrew(Task("deadly", die_or_not), jobs=jobs)) as crew:
        found = list(analyse(map(str, range(12)), crew))
    assert sorted(place for place, _ in found) == list(range(12))
    assert {place for place, failure in found if "died (SIGKILL(-9))" in failure.error} == deadly
    assert {place for place, failure in found if failure.error == "alive"} == set(range(12)) - deadly


def test_a_worker_that_hangs_costs_no_file_sent_after_it():
    def hang_or_not(path):
        if os.path.basename(path) == "5":
            time.sleep(60)
        return Failure(path, "alive")

    with closing(LocalCrew(Task("hangs", hang_or_not), timeout_s=1.0)) as crew:
        found = dict(analyse(map(str, range(8)), crew))
    assert "not done after 1 s" in found.pop(5).error
    assert {failure.error for failure in found.values()} == {"alive"}


@pytest.mark.parametrize(("seconds", "ahead"), [(0.0, FILES_PER_HAND), (QUICK_S + 0.1, 1)])
def test_only_quick_files_are_sent_ahead(seconds, ahead):
    def work(path):
        time.sleep(seconds)
        return Failure(path, "alive")

    with closing(LocalCrew(Task("work", work), jobs=2)) as crew:
        assert crew.size() == 2
        list(analyse(["0", "1"], crew))
        assert crew.size() == 2 * ahead


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_worker_holds_its_task_however_large(jobs):
    ballast = bytes(3_000_000)  # more than a pipe takes before it is read
    task = Task("large", lambda path: Failure(path, f"{len(ballast)} bytes"))
    with closing(LocalCrew(task, jobs=jobs)) as crew:
        results = dict(analyse([f"{i}.wav" for i in range(6)], crew))
    assert results == {i: Failure(f"{i}.wav", "3000000 bytes") for i in range(6)}


def test_no_thread_of_lokys_outlives_a_crew(monkeypatch):
    """One that this process cuts short at its end may leave a semaphore half let go, of which a warning tells."""
    feed = Queue._feed

    def feed_slowly(*arguments):
        feed(*arguments)
        time.sleep(0.5)

    monkeypatch.setattr(Queue, "_feed", staticmethod(feed_slowly))
    before = set(threading.enumerate())
    with closing(LocalCrew(Task("work", lambda path: Failure(path, "alive")), jobs=2)) as crew:
        assert len(list(analyse(["a", "b"], crew))) == 2
    assert set(threading.enumerate()) <= before
