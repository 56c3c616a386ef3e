"""`scan` as users have it: in processes of its own that are killed, starved and lied to."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import EXAMPLES, check, environment, run, score, small_model, song, write_wav

from scoreorsong import predict
from scoreorsong.tables import COLUMNS

# What decoders do to us, by the name of the file; and a list of the files that were decoded.
FAULTS = """
import ctypes, os, time
import soundfile

opens = soundfile.SoundFile.__init__

def faulty(self, file, *arguments, **options):
    name = os.path.basename(os.fsdecode(file))
    with open(os.environ["HEARD"], "a") as heard:
        heard.write(f"{os.getpid()} {name}\\n")
    if "dies" in name:
        os.kill(os.getpid(), 9)
    if "hangs" in name:
        ctypes.PyDLL(None).sleep(1000)  # and never lets go of Python's lock
    if "slow" in name:
        time.sleep(0.2)
    if "raises" in name:
        raise RuntimeError("a bug")
    opens(self, file, *arguments, **options)

soundfile.SoundFile.__init__ = faulty
"""


class Desk:
    """A folder to scan, a table to write, and a record of what was decoded."""

    def __init__(self, root):
        self.root, self.folder, self.table = root, root / "library", root / "out.csv"
        (root / "faults").mkdir()
        (root / "faults" / "sitecustomize.py").write_text(FAULTS)
        paths = [str(root / "faults"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.heard_path = root / "heard"
        self.env = environment(PYTHONPATH=os.pathsep.join(paths), HEARD=str(self.heard_path))

    def fill(self, *names):
        for i, name in enumerate(names):
            write_wav(self.folder / name, (song if i % 2 else score)(i, 1.0))

    def scan(self, *arguments, **options):
        return run("scan", self.folder, "-o", self.table, *arguments, **{"env": self.env, **options})

    @contextlib.contextmanager
    def scanning(self, *arguments, rows=0):
        """A scan under way, of which so many rows are written."""
        command = [sys.executable, "-m", "scoreorsong", "scan", self.folder, "-o", self.table, *arguments]
        process = subprocess.Popen(
            list(map(str, command)), env=self.env, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        with process:
            try:
                wait_for(lambda: self.table.exists() and self.table.read_bytes().count(b"\n") > rows)
                yield process
            finally:
                process.kill()

    def heard(self):
        lines = self.heard_path.read_text().splitlines() if self.heard_path.exists() else []
        self.heard_path.unlink(missing_ok=True)
        return [(int(line.split()[0]), line.split(maxsplit=1)[1]) for line in lines]

    def rows(self):
        with self.table.open(newline="", encoding="utf-8") as file:
            return {os.path.relpath(row["path"], self.folder): row for row in csv.DictReader(file)}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_scan_of_the_examples_says_what_predict_says(desk):
    desk.folder = EXAMPLES[0].parent
    result = check(desk.scan("--jobs", 2))
    rows = desk.rows()
    assert [*rows] == [path.name for path in EXAMPLES]
    for path in EXAMPLES:
        expected, row = predict(path), rows[path.name]
        assert tuple(row) == COLUMNS
        assert (row["status"], row["label"], row["error"]) == ("ok", expected.label, "")
        assert float(row["song_probability"]) == pytest.approx(expected.song_probability, abs=1e-9)
    assert result.stdout == ""
    assert "5/5" in result.stderr
    assert "5 files: 3 score, 1 song, 1 no_music, 0 failed; " in result.stderr


def test_a_second_scan_does_nothing_but_what_changed_failed_or_is_new(desk):
    desk.fill("a.wav", "b.wav", "c.wav", "sub/bad.wav")
    (desk.folder / "sub" / "bad.wav").write_text("no audio")
    first = check(desk.scan(), 1)
    assert "1 failed in " + str(desk.folder / "sub") in first.stderr
    before = desk.table.read_bytes()
    desk.heard()
    assert check(desk.scan("--quiet"), 1).stderr == ""
    assert [name for _, name in desk.heard()] == ["bad.wav"]
    assert desk.table.read_bytes() == before
    write_wav(desk.folder / "b.wav", song(9, 2.0))
    os.utime(desk.folder / "c.wav", ns=(1, 1))
    write_wav(desk.folder / "sub" / "bad.wav", song(8, 1.0))
    desk.fill("a-new.wav")
    result = check(desk.scan())
    assert sorted(name for _, name in desk.heard()) == ["a-new.wav", "b.wav", "bad.wav", "c.wav"]
    assert [*desk.rows()] == ["a-new.wav", "a.wav", "b.wav", "c.wav", "sub/bad.wav"]
    assert "4 analysed now" in result.stderr
    assert "1 done before" in result.stderr
    check(desk.scan("--no-resume", "--no-recursive"))
    assert len(desk.heard()) == 4
    assert [*desk.rows()] == ["a-new.wav", "a.wav", "b.wav", "c.wav"]


def test_another_model_analyses_anew(desk):
    desk.fill("a.wav", "b.wav")
    check(desk.scan())
    model = desk.root / "small.model"
    model_id = small_model().save(model)
    desk.heard()
    check(desk.scan("--model", model))
    assert len(desk.heard()) == 2
    assert [row["model_id"] for row in desk.rows().values()] == [model_id] * 2


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="asks /proc who is alive")
@pytest.mark.parametrize("rows", [0, 7])
def test_killed_at_any_moment_it_goes_on_where_it_was(desk, rows):
    names = [f"slow-{i:02}.wav" for i in range(16)]
    desk.fill(*names)
    with desk.scanning("--jobs", 2, rows=rows) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        done = set(desk.rows())
        first = desk.heard()
        wait_for(lambda: not any(alive(pid) for pid, _ in first), 20)
    assert rows <= len(done) < 16
    desk.heard()
    check(desk.scan("--jobs", 2))
    assert {name for _, name in desk.heard()} == set(names) - done
    resumed = desk.table.read_bytes()
    check(desk.scan("--no-resume"))
    assert resumed == desk.table.read_bytes()


def test_ctrl_c_stops_within_a_second(desk):
    desk.fill(*(f"slow-{i:02}.wav" for i in range(16)), "slow-hangs.wav")
    with desk.scanning("--jobs", 2, rows=3) as process:
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        errors = process.stderr.read()
        code = process.wait()
        took = time.monotonic() - began
    assert took < 1
    assert code == 2
    assert "run the same command to go on\nscore-or-song: stopped\n" in errors
    assert "Traceback" not in errors
    done = desk.rows()
    assert {row["status"] for row in done.values()} == {"ok"}
    assert len(done) >= 3


def test_what_kills_hangs_or_startles_a_worker_costs_its_row_only(desk):
    names = [
        "a.wav",
        "b-dies.wav",
        "c-hangs.wav",
        "d-dies.wav",
        "e-raises.wav",
        *(f"f{i}.wav" for i in range(8)),
    ]
    desk.fill(*names)
    result = check(desk.scan("--jobs", 2, "--timeout", 3), 1)
    rows = desk.rows()
    assert [*rows] == names
    assert {name: row["status"] for name, row in rows.items()} == {
        name: "error" if "-" in name else "ok" for name in names
    }
    for name in ("b-dies.wav", "d-dies.wav"):
        assert "the worker that analysed it died (SIGKILL(-9))" in rows[name]["error"]
    assert "not done after 3 s and given up" in rows["c-hangs.wav"]["error"]
    assert "RuntimeError('a bug')" in rows["e-raises.wav"]["error"]
    assert ", 4 failed; " in result.stderr


def test_a_full_disk_loses_nothing_that_was_done(desk):
    resource = pytest.importorskip("resource")
    desk.fill(*(f"{i:02}.wav" for i in range(12)))
    result = check(
        desk.scan("--quiet", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))), 2
    )
    assert "out.csv" in result.stderr
    assert "cannot be written (" in result.stderr
    done = desk.rows()
    assert 0 < len(done) < 12
    assert desk.table.read_bytes().endswith(b"\n")
    desk.heard()
    check(desk.scan())
    assert {name for _, name in desk.heard()} == {f"{i:02}.wav" for i in range(12)} - set(done)
    assert len(desk.rows()) == 12


@pytest.mark.parametrize("target", ["none/out.csv", "folder.csv", "out.xls", "full.csv"])
def test_a_target_that_cannot_be_written_is_told_before_work_starts(desk, target):
    desk.fill("a.wav")
    (desk.root / "folder.csv").mkdir()
    (desk.root / "full.csv").symlink_to("/dev/full")
    desk.table = desk.root / target
    result = check(desk.scan(), 2)
    assert result.stderr.startswith("score-or-song: ")
    assert target.split("/")[-1].removeprefix("full.csv") in result.stderr
    assert result.stderr.count("\n") == 1
    assert desk.heard() == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_is_closed_is_a_row(desk):
    desk.fill("a.wav", "closed/b.wav")
    (desk.folder / "closed").chmod(0)
    check(desk.scan(), 1)
    (desk.folder / "closed").chmod(0o755)
    assert "cannot be read" in desk.rows()["closed"]["error"]


def test_where_everything_failed_the_code_is_2(desk):
    desk.folder.mkdir()
    (desk.folder / "bad.wav").write_text("no audio")
    check(desk.scan(), 2)
    assert desk.rows()["bad.wav"]["status"] == "error"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pattern", "*.mp3"], "no audio in this folder fits the pattern '*.mp3'"),
        (["--model", "none.model"], "none.model: cannot be read"),
        (["--dask", "tcp://127.0.0.1:9"], "tcp://127.0.0.1:9: "),
    ],
)
def test_what_cannot_begin_is_told(desk, arguments, message):
    if "--dask" in arguments:
        pytest.importorskip("distributed")
    desk.fill("a.wav")
    assert message in check(desk.scan(*arguments), 2).stderr


def test_parquet_is_written_at_the_end_and_resumed(desk):
    parquet = pytest.importorskip("pyarrow.parquet")
    desk.fill("a.wav", "b.wav")
    desk.table = desk.root / "out.parquet"
    check(desk.scan())
    desk.heard()
    check(desk.scan())
    assert desk.heard() == []
    rows = parquet.read_table(desk.table).to_pylist()
    assert [os.path.basename(row["path"]) for row in rows] == ["a.wav", "b.wav"]
    assert tuple(rows[0]) == COLUMNS


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="asks /proc who is alive")
def test_albums_are_right_however_the_scan_came_to_its_end(desk):
    """Killed within a folder, gone on with, and asked for when all was done: the same table."""
    names = [f"{folder}/slow-{i}.wav" for folder in "ab" for i in range(3)]
    desk.fill(*names)
    (desk.folder / "b" / "bad.wav").write_text("no audio")
    killed, resumed, late, fresh = (
        desk.root / f"{name}.csv" for name in ("killed", "resumed", "late", "fresh")
    )
    with desk.scanning("--albums", killed, rows=2) as process:
        process.kill()
        process.wait()
        workers = {pid for pid, _ in desk.heard()}
        wait_for(lambda: not any(map(alive, workers)), 20)
    assert not killed.exists()
    left = {name for name in names if name not in desk.rows()}
    assert left
    for albums, decoded in ((resumed, len(left) + 1), (late, 1)):
        desk.heard()
        check(desk.scan("--albums", albums), 1)
        assert len(desk.heard()) == decoded
    desk.table = desk.root / "fresh.jsonl"
    check(desk.scan("--albums", fresh), 1)
    assert resumed.read_bytes() == late.read_bytes() == fresh.read_bytes()
    with fresh.open(newline="") as file:
        a, b = csv.DictReader(file)
    assert [a["folder"], b["folder"]] == [str(desk.folder / name) for name in "ab"]
    assert [a["failed"], b["failed"]] == ["0", "1"]
    assert bool(a["cohesion"]) == (int(a["tracks"]) > 1)


@pytest.fixture
def cluster(desk):
    """The address of a scheduler with two workers, each a process with a nanny."""
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("needs the extra [dask]")
    contact = desk.root / "scheduler.json"
    common = ["--scheduler-file", contact, "--no-dashboard"]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", *common]]
    commands += [
        ["worker", *common, "--nthreads", "1", "--local-directory", desk.root / f"worker{i}"] for i in (1, 2)
    ]
    with contextlib.ExitStack() as stack:
        for command in commands:
            wait_for(lambda i=command: i[0] == "scheduler" or contact.exists())
            stack.enter_context(dask(command, desk))
        yield json.loads(contact.read_text())["address"]


@contextlib.contextmanager
def dask(command, desk):
    log = (desk.root / f"{command[0]}.log").open("a")
    with (
        log,
        subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, command)],
            env=desk.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
        finally:
            # No farewell: a nanny that is asked to end may wait for ever for a worker that hangs.
            os.killpg(process.pid, signal.SIGKILL)


def test_a_cluster_gives_the_same_table(desk, cluster):
    desk.fill(*(f"slow-{i}.wav" for i in range(8)), "a-raises.wav")
    (desk.folder / "bad.wav").write_text("no audio")
    albums = desk.root / "albums.csv"
    check(desk.scan("--dask", cluster, "--albums", albums), 1)
    assert len({pid for pid, _ in desk.heard()}) == 2
    there = desk.table.read_bytes(), albums.read_bytes()
    check(desk.scan("--no-resume", "--jobs", 2, "--albums", albums), 1)
    assert there == (desk.table.read_bytes(), albums.read_bytes())


def test_a_file_that_kills_or_hangs_a_clusters_workers_costs_its_row_only(desk, cluster):
    desk.fill("a.wav", "b-dies.wav", "c-hangs.wav", "d.wav", "e.wav")
    check(desk.scan("--dask", cluster, "--timeout", 2), 1)
    assert [row["status"] for row in desk.rows().values()] == ["ok", "error", "error", "ok", "ok"]
    assert "workers died of it or were not done in time" in desk.rows()["b-dies.wav"]["error"]
