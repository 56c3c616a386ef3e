"""A short part of `benchmarks/fuzz.py`: damaged files of every kind are read soundly, and what is not is found."""

from __future__ import annotations

import sys
import warnings

import pytest
from helpers import ROOT

pytest.importorskip("resource", reason="memory cannot be limited here")
sys.path.insert(0, str(ROOT / "benchmarks"))  # also for the workers, which import the script anew

import fuzz

FILES_PER_READER = 12


@pytest.fixture(scope="module")
def worker():
    worker = fuzz.Worker()
    yield worker
    worker.close()


@pytest.mark.parametrize("name", fuzz.READERS)
def test_damaged_files_are_read_soundly(worker, name):
    stories = [worker.attempt(*task) for task in fuzz.tasks([name], 0, FILES_PER_READER)]
    assert not "\n".join(filter(None, stories))


def test_a_worker_that_dies_is_told_and_replaced(worker):
    assert worker.attempt("no such reader", 0) == "dies: exit code 1"
    assert worker.attempt("labels", 0) == ""


@pytest.mark.parametrize("name", fuzz.READERS)
def test_a_finding_can_be_made_again(name):
    files = [fuzz.damaged_file(name, seed) for seed in range(8) if fuzz.READERS[name].seeds()]
    assert files == [fuzz.damaged_file(name, seed) for seed in range(len(files))]
    assert len(set(files)) > len(files) // 2


def test_readers_take_turns_with_their_seeds():
    names = ["wav", "labels"]
    assert [*fuzz.tasks(names, 7, 5)] == [("wav", 7), ("labels", 7), ("wav", 8), ("labels", 8), ("wav", 9)]


def fail(_):
    raise KeyError("x")


def warn(_):
    warnings.warn("divided by zero", RuntimeWarning, stacklevel=1)


@pytest.mark.parametrize(
    ("read", "story"), [(fail, "KeyError: 'x'"), (warn, "RuntimeWarning: divided by zero")]
)
def test_what_goes_wrong_is_a_finding(tmp_path, read, story):
    bad = fuzz.Reader(".txt", lambda: [b"x"], read, fuzz.damaged)
    assert fuzz.attempt(bad, b"x", tmp_path).splitlines()[-1] == story


def test_a_finding_is_kept_with_its_seed(tmp_path):
    fuzz._keep(tmp_path / "new", "table .csv", 3, "a story")
    assert (tmp_path / "new" / "table-csv-3.csv").read_bytes() == fuzz.damaged_file("table .csv", 3)
    assert (tmp_path / "new" / "table-csv-3.txt").read_text() == "a story"
