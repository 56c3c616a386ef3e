"""What users do, in processes of their own: results on stdout, the rest on stderr, an exit code, never a traceback."""

from __future__ import annotations

import csv
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import (
    EXAMPLES,
    OK_ROW,
    RATE_HZ,
    check,
    environment,
    json_lines,
    noise,
    run,
    score,
    song,
    write_results,
    write_wav,
)

from scoreorsong import __version__, cli, extract, predict, prediction
from scoreorsong.cli import common
from scoreorsong.errors import ModelError, readable
from scoreorsong.feature_table import COLUMNS
from scoreorsong.features import schema
from scoreorsong.prediction import default_model

COMMANDS = ("predict", "scan", "timeline", "features", "train", "evaluate", "report", "info")
FORBIDDEN = not hasattr(os, "geteuid") or os.geteuid() == 0


# ---- predict


@pytest.fixture(scope="module")
def plain():
    """What `predict` prints of all examples."""
    return check(run("predict", *EXAMPLES)).stdout.splitlines()


def test_predict_prints_one_line_per_file(plain):
    assert plain == [str(predict(path)) for path in EXAMPLES]
    for path, line in zip(EXAMPLES, plain, strict=True):
        assert re.match(rf"{re.escape(str(path))}: (score|song|no_music)  ", line)


def test_predict_explains(plain):
    lines = check(run("predict", "--explain", *EXAMPLES)).stdout.splitlines()
    assert [line for line in lines if not line.startswith("    ")] == plain
    reasons = [line for line in lines if line.startswith("    ")]
    assert len(reasons) >= 4
    assert all(re.fullmatch(r"    [+-]\d+\.\d\d  .* speaks for (song|score).*", line) for line in reasons)


def test_predict_gives_json_for_machines(tmp_path):
    (tmp_path / "empty.wav").touch()
    result = check(run("predict", "--json", EXAMPLES[0], tmp_path / "empty.wav"), 1)
    good, bad = json_lines(result.stdout)
    assert good == {**predict(EXAMPLES[0]).to_dict(), "status": "ok"}
    assert (bad["source"], bad["status"]) == (str(tmp_path / "empty.wav"), "error")
    assert "the file is empty" in bad["error"]


def test_predict_in_several_processes_keeps_the_order(plain):
    assert check(run("predict", "--jobs", 2, *EXAMPLES)).stdout.splitlines() == plain


BAD = {
    "missing": (lambda path: None, "no such file"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.touch(), "the file is empty"),
    "text": (lambda path: path.write_text("Dear reader, " * 200), "expected WAV, FLAC"),
    "half a header": (lambda path: path.write_bytes(b"RIFF\xff\xff"), "expected WAV, FLAC"),
    "no samples": (lambda path: write_wav(path, np.zeros(0)), "0 s of sound"),
    "one sample": (lambda path: write_wav(path, np.zeros(1)), "s of sound in the part to analyse"),
}
ODD = {
    "0.2 s": (lambda path: write_wav(path, song(1, 0.2)), "only 0.2 s"),
    "silence": (lambda path: write_wav(path, np.zeros(5 * RATE_HZ)), "nothing but silence"),
    "dc": (lambda path: write_wav(path, np.full(6 * RATE_HZ, 0.5)), ""),
    "nan": (lambda path: write_wav(path, np.full(6 * RATE_HZ, np.nan), subtype="FLOAT"), "taken as silence"),
    "inf": (lambda path: write_wav(path, np.where(noise(0, 6.0) > 0.1, np.inf, song(1)), subtype="FLOAT"), "as silence"),
    "8 kHz": (lambda path: write_wav(path, song(1, 6.0), rate_hz=8000), ""),
    "192 kHz": (lambda path: write_wav(path, np.tile(song(1, 6.0), 9), rate_hz=192_000), ""),
    "8 channels": (lambda path: write_wav(path, np.tile(song(1, 6.0)[:, None], 8)), ""),
    "24 bit": (lambda path: write_wav(path, score(1, 6.0), subtype="PCM_24"), ""),
    "float": (lambda path: write_wav(path, score(1, 6.0), subtype="DOUBLE"), ""),
}  # fmt: skip


def test_bad_files_fail_alone_with_a_reason_and_odd_ones_are_heard(tmp_path):
    bad, odd = ({name: tmp_path / f"{name}.wav" for name in kinds} for kinds in (BAD, ODD))
    for name, path in {**bad, **odd}.items():
        {**BAD, **ODD}[name][0](path)
    result = check(run("predict", "--json", *bad.values(), *odd.values()), 1)
    rows = {row["source"]: row for row in json_lines(result.stdout)}
    assert list(rows) == [str(path) for path in (*bad.values(), *odd.values())]
    for name, path in bad.items():
        assert rows[str(path)]["status"] == "error"
        assert BAD[name][1] in rows[str(path)]["error"]
        assert f"score-or-song: {path}: " in result.stderr
    for name, path in odd.items():
        row = rows[str(path)]
        assert row["status"] == "ok"
        assert ODD[name][1] in " | ".join(row["warnings"])
        assert 0 <= row["song_probability"] <= 1
    assert {rows[str(odd[name])]["label"] for name in ("silence", "nan")} == {"no_music"}


def test_a_file_that_breaks_off_is_heard_with_a_warning(tmp_path):
    path = tmp_path / "cut.mp3"
    soundfile.write(path, song(1, 12.0), RATE_HZ)
    path.write_bytes(path.read_bytes()[:20_000])
    assert "breaks off" in check(run("predict", path)).stdout


def test_where_nothing_could_be_done_the_code_is_2(tmp_path):
    result = check(run("predict", tmp_path / "none.wav"), 2)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(FORBIDDEN, reason="nothing is forbidden to root")
def test_a_forbidden_file_is_named(tmp_path):
    write_wav(tmp_path / "secret.wav", song(1)).chmod(0)
    assert "cannot be read (Permission denied)" in check(run("predict", tmp_path / "secret.wav"), 2).stderr


@pytest.mark.parametrize(
    "name", ["with space.wav", "Käse-音.wav", "-dash.wav", "new\nline.wav", b"latin-\xe9.wav"]
)
def test_names_of_every_kind_are_printed_back(tmp_path, name):
    """Also what is no UTF-8, on a terminal that accepts nothing else."""
    folder = os.fsencode(tmp_path)
    path = os.fsdecode(os.path.join(folder, os.fsencode(name)))
    write_wav(tmp_path / "a.wav", song(1, 1.0)).rename(path)
    result = check(run("predict", path, env=environment(PYTHONIOENCODING="utf-8:strict"), errors="replace"))
    assert readable(os.fsdecode(os.fsencode(name))) in result.stdout
    check(run("features", path, "-o", tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [path]


@pytest.mark.parametrize("model", ["none.model", "text.model", "folder.model"])
def test_a_model_that_is_none_is_refused(tmp_path, model):
    (tmp_path / "text.model").write_text("Dear reader")
    (tmp_path / "folder.model").mkdir()
    result = check(run("predict", EXAMPLES[0], "--model", tmp_path / model), 2)
    assert f"score-or-song: {tmp_path / model}: " in result.stderr
    assert result.stdout == ""


# ---- features


def test_features_are_listed_with_unit_and_meaning():
    lines = check(run("features", EXAMPLES[0])).stdout.splitlines()
    assert lines[0].startswith(f"{EXAMPLES[0]}  (")
    assert [line.split()[0] for line in lines[1:]] == list(schema.NAMES)
    assert lines[1].endswith(schema.FEATURES[0].meaning)
    assert schema.FEATURES[0].unit in lines[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two clips in folders of its own, a text, a hidden file and a file that is no audio."""
    root = tmp_path_factory.mktemp("album")
    write_wav(root / "b" / "two.wav", song(1, 31.0))
    write_wav(root / "a" / "one.WAV", score(1, 6.0))
    (root / "b" / "._two.wav").write_text("what an operating system leaves behind")
    (root / "cover.txt").write_text("no audio")
    (root / "folder.wav").mkdir()
    return root


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_features_of_a_folder_are_a_table(folder, tmp_path):
    check(run("features", folder, "-o", tmp_path / "out.csv"))
    rows = rows_of(tmp_path / "out.csv")
    assert list(rows[0]) == [column for column in COLUMNS if column not in ("segments", "silent")]
    assert [row["path"] for row in rows] == [str(folder / "a" / "one.WAV"), str(folder / "b" / "two.wav")]
    for row in rows:
        clip = extract(row["path"], windows=False).clip
        assert [np.float32(row[name]) for name in schema.NAMES] == clip.tolist()


def test_features_of_windows(folder, tmp_path):
    check(run("features", folder / "b" / "two.wav", "-o", tmp_path / "out.csv", "--windows"))
    assert [float(row["start_s"]) for row in rows_of(tmp_path / "out.csv")] == [0, 10, 20]


def test_features_that_fail_leave_the_rest(folder, tmp_path):
    paths = (folder / "a" / "one.WAV", tmp_path / "none.wav")
    result = check(run("features", *paths, "-o", tmp_path / "out.csv"), 1)
    rows = {row["path"]: row for row in rows_of(tmp_path / "out.csv")}
    assert {path: row["status"] for path, row in rows.items()} == {
        str(paths[0]): "ok",
        str(paths[1]): "error",
    }
    assert {rows[str(paths[1])][name] for name in schema.NAMES} == {""}
    assert "none.wav: no such file" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["features", "FOLDER/empty"], "no audio in this folder"),
        (["features", "FOLDER/none.wav"], "no such file"),
        (["features", "long" * 99], "cannot be read (File name too long)"),
        (["features", EXAMPLES[0], "--windows"], "goes with -o and a name that ends in .csv"),
        (["features", EXAMPLES[0], "-o", "out.xlsx"], "expected a name that ends in .csv or .parquet"),
        (["features", EXAMPLES[0], "--windows", "-o", "FOLDER/none/out.csv"], "out.csv: cannot be written"),
        (["features", EXAMPLES[0], "-o", "FOLDER/none/out.csv"], "out.csv.state: cannot be written"),
        (["features", EXAMPLES[0], "-o", "FOLDER/empty.csv"], "is no file that can be kept"),
    ],
)
def test_wrong_use_of_features_is_told(tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").mkdir()
    assert cli.main([str(a).replace("FOLDER", str(tmp_path)) for a in arguments]) == 2
    assert message in capsys.readouterr().err


# ---- what a stranger may have named


def test_a_files_name_cannot_forge_a_line_or_drive_the_terminal(tmp_path):
    names = ["a\nb.wav: song  p(song) 1.00.wav", "\x1b[2Jc.wav"]
    paths = [write_wav(tmp_path / name, song(1)) for name in names]
    for command in ("predict", "features"):
        result = check(run(command, *paths, tmp_path / "\x1b[31mno\nne.wav"), 1)
        told = result.stdout + result.stderr
        assert "\x1b" not in told
        assert r"\x1b[2Jc.wav" in told
        assert r"a\nb.wav: song" in told
        assert not [line for line in result.stdout.splitlines() if line.startswith("b.wav")]


@pytest.mark.parametrize("name", ["=1+1.wav", "+1.wav", "-1.wav", "@x.wav", "\t=1.wav"])
def test_a_files_name_is_no_formula_in_a_table(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name[:-4]).mkdir()
    write_wav(Path(name), score(1, 2))
    shutil.copy(name, Path(name[:-4]) / "b.wav")
    assert cli.main(["features", "-o", "features.csv", "--", name]) == 0
    assert cli.main(["scan", "-o", "results.csv", "--quiet", "--", name[:-4]]) == 0
    for table, path in (("features.csv", f"./{name}"), ("results.csv", f"./{name[:-4]}/b.wav")):
        with Path(table).open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert row["path"] == path
        assert Path(row["path"]).is_file()


def test_a_card_cannot_drive_the_terminal(tmp_path, capsys):
    card = {**default_model().card, "licence": "free\x1b]0;title\x07", "limits": ["\x9b2J", "\u202eesrever"]}
    replace(default_model(), card=card).save(tmp_path / "hostile.model")
    for arguments in (["info"], ["info", "--json"]):
        assert cli.main([*arguments, str(tmp_path / "hostile.model")]) == 0
        out = capsys.readouterr().out
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)
        assert "free" in out
        assert len(out.splitlines()) > 20


# ---- the command itself


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["predict", EXAMPLES[0]],
            rf"model \w{{12}} of .*default\.model\n.*{EXAMPLES[0].name}: .* s of sound measured in ",
        ),
        (["features", EXAMPLES[0]], rf"{EXAMPLES[0].name}: .* s of sound measured in "),
        (
            ["scan", "TMP/audio", "-o", "TMP/new.csv", "--quiet"],
            r"1 files found, 0 of them done before\n.*a\.wav: ",
        ),
        (["report", "TMP/results.csv", "-o", "TMP/page.html"], r"1 rows in .*results\.csv"),
        (["info"], r"model \w{12} of .*default\.model"),
    ],
)
def test_verbose_tells_of_the_steps(tmp_path, caplog, arguments, told):
    write_wav(tmp_path / "audio" / "a.wav", song(1, 2))
    write_results(tmp_path / "results.csv", [OK_ROW])
    arguments = [str(a).replace("TMP", str(tmp_path)) for a in arguments]
    prediction._default_model.cache_clear()
    with caplog.at_level(logging.NOTSET):
        assert cli.main(arguments) == 0
        assert not caplog.records
        prediction._default_model.cache_clear()
        (tmp_path / "new.csv").unlink(missing_ok=True)
        assert cli.main([*arguments, "-v"]) == 0
    logging.getLogger("scoreorsong").setLevel(logging.NOTSET)
    assert re.search(told, "\n".join(caplog.messages))
    assert {record.name for record in caplog.records} == {"scoreorsong"}


@pytest.mark.parametrize(
    ("arguments", "verbose"),
    [(["info"], False), (["-v", "info"], True), (["info", "-v"], True), (["-v", "info", "--verbose"], True)],
)
def test_verbose_may_stand_before_the_command_and_after(arguments, verbose):
    assert cli._parser().parse_args(arguments).verbose == verbose


def test_verbose_messages_go_to_stderr_in_one_line_each(tmp_path):
    path = write_wav(tmp_path / "a\nb\x1b.wav", song(1, 2))
    lines = check(run("predict", "-v", path)).stderr.splitlines()
    assert [line.startswith("score-or-song: ") for line in lines] == [True, True]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([command, "--help"])
    assert exit_.value.code == 0
    assert f"example: score-or-song {command}" in capsys.readouterr().out


def test_help_and_version():
    text = check(run("--help")).stdout
    assert all(f"    {command} " in text for command in COMMANDS)
    assert check(run("--version")).stdout == f"score-or-song {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["sing"], ["predict"], ["predict", "a.wav", "--jobs", "0"], ["predict", "a.wav", "--jobs", "many"],
        ["predict", "a.wav", "--json", "--explain"], ["scan", "folder"],
        ["scan", "folder", "-o", "a.csv", "--timeout", "-1"], ["scan", "folder", "-o", "a.csv", "--timeout", "nan"], ["train", "labels.csv"], ["info", "a", "b"],
        ["train", "a.csv", "-o", "m", "--seeds", "0"], ["train", "a.csv", "-o", "m", "--folds", "1"],
        ["train", "a.csv", "-o", "m", "--folds", "3", "--leave-one-source-out"], ["evaluate", "--model", "m"],
    ],
)  # fmt: skip
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert "usage: score-or-song" in capsys.readouterr().err


def test_an_unforeseen_model_error_is_told_in_one_line(monkeypatch, capsys):
    def fail():
        raise ModelError("default.model: the shipped model is missing")

    monkeypatch.setattr("scoreorsong.prediction.default_model", fail)
    assert cli.main(["predict", "a.wav"]) == 2
    assert capsys.readouterr().err == "score-or-song: default.model: the shipped model is missing\n"


def test_being_stopped_is_no_crash(monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scoreorsong.prediction.predict_many", stop)
    assert cli.main(["predict", "a.wav"]) == 2
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["features", *EXAMPLES], ["info"], ["predict", "--json", *EXAMPLES]])
@pytest.mark.parametrize("lines", [0, 1])
def test_a_reader_that_goes_away_is_no_crash(arguments, lines):
    """As `score-or-song ... | head -1` has it."""
    command = [sys.executable, "-m", "scoreorsong", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment(), **pipes) as process:
        for _ in range(lines):
            assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")
@pytest.mark.parametrize("arguments", [["info"], ["predict", EXAMPLES[0]], ["features", EXAMPLES[0]]])
def test_a_full_disk_is_told(arguments):
    with open("/dev/full", "w") as full:
        result = run(*arguments, stdout=full)
    assert result.returncode == 2
    assert result.stderr.startswith("score-or-song: ")
    assert "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


def test_progress_is_told_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(common.time, "monotonic", iter(range(0, 1000, 20)).__next__)
    assert list(common.progress_shown(iter("abcd"), 4)) == ["a", "b", "c", "d"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" [")[0] for line in lines] == [" 50% 2/4", "100% 4/4"]
    assert "<00:40" in lines[0]


def test_progress_on_a_terminal_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(common.progress_shown(iter("abc"), 3)) == ["a", "b", "c"]
    assert "\r100%|" in capsys.readouterr().err
