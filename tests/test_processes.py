"""Work in processes of joblib's, which outlive the call that began them."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scoreorsong import predict_many
from scoreorsong.estimators import ClipFeatures
from scoreorsong.processes import in_processes


def process_and_directory(_):
    return os.getpid(), os.getcwd()


def moved(directory, item):
    os.chdir(directory)
    return item


def test_workers_that_were_kept_look_where_their_caller_is_now(tmp_path, monkeypatch):
    met = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found = set(in_processes(process_and_directory, range(4), 2))
        assert {directory for _, directory in found} == {str(tmp_path / name)}
        met.append({process for process, _ in found})
    assert met[0] & met[1], "no worker was kept, so that nothing was tested"
    assert os.getpid() not in met[0] | met[1]


@pytest.mark.parametrize("ask", [lambda names: ClipFeatures(n_jobs=2).transform(names), lambda names: [p.label for p in predict_many(names, jobs=2)]], ids=["ClipFeatures", "predict_many"])  # fmt: skip
def test_relative_paths_are_found_after_the_caller_has_moved(ask, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        noise = np.random.default_rng(0).normal(size=48000) * 0.1
        soundfile.write(f"{name}.wav", noise, 24000)
        assert len(ask([f"{name}.wav"] * 2)) == 2


def test_the_callers_own_process_is_not_moved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    work = partial(moved, tmp_path / "elsewhere")
    assert list(in_processes(work, [1, 2], None)) == [1, 2]
    assert Path.cwd() == tmp_path / "elsewhere"


def test_a_caller_whose_directory_was_removed_is_served(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert list(in_processes(abs, [-1, -2, -3], 2)) == [1, 2, 3]
