"""`score-or-song timeline`: what is written, what is said where, and that nothing heard is lost."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import sys

import numpy as np
import pytest
from conftest import make_silence
from helpers import check, run, score, song, write_wav
from test_films import write_film

from scoreorsong import Segment, cli, timeline
from scoreorsong.cli import common

ENDINGS = ("txt", "csv", "json", "jams", "otio", "edl", "html", "vtt", "rttm")
LINE = re.compile(r"\d+:\d\d:\d\d\.\d  \d+:\d\d:\d\d\.\d  (score|song|no_music)\b")


@pytest.fixture(scope="module")
def programme(tmp_path_factory):
    """Half a minute: a score, silence, a song."""
    path = tmp_path_factory.mktemp("programme") / "pro gramme.wav"
    return write_wav(path, np.concatenate([score(1, 12.0), make_silence(6.0), song(1, 12.0)]))


@pytest.fixture(scope="module")
def heard(programme):
    return timeline(programme)


def main(capsys, *arguments):
    """Exit code, stdout and stderr of the command, here in this process."""
    code = cli.main(["timeline", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# ---- what is written


def test_without_an_output_the_segments_are_lines(programme, heard):
    result = check(run("timeline", programme))
    assert result.stdout == f"{heard}\n"
    lines = result.stdout.splitlines()
    assert len(lines) == len(heard.segments) + len(heard.warnings)
    assert all(LINE.match(line) for line in lines[: len(heard.segments)])


def test_every_format_is_written_as_python_writes_it(programme, heard, tmp_path, capsys):
    outputs = [tmp_path / f"by command.{ending}" for ending in ENDINGS]
    arguments = [argument for path in outputs for argument in ("-o", path)]
    code, out, err = main(
        capsys,
        programme,
        *arguments,
        "--fps",
        "29.97",
        "--start-timecode",
        "01:00:00;00",
        "--plot",
        tmp_path / "a.png",
    )
    assert (code, out) == (0, "")
    assert all(f"{path}: {len(heard.segments)} segments: " in err for path in [*outputs, tmp_path / "a.png"])
    place = {"fps": 29.97, "start_timecode": "01:00:00;00"}
    by_python = tmp_path / "by python"
    heard.to_audacity(f"{by_python}.txt")
    heard.to_csv(f"{by_python}.csv")
    heard.to_json(f"{by_python}.json")
    heard.to_jams(f"{by_python}.jams")
    heard.to_otio(f"{by_python}.otio", **place)
    heard.to_edl(f"{by_python}.edl", **place)
    heard.to_cue_sheet(f"{by_python}.html", **place)
    heard.to_webvtt(f"{by_python}.vtt")
    heard.to_rttm(f"{by_python}.rttm")
    for path in outputs:
        assert path.read_bytes() == by_python.with_suffix(path.suffix).read_bytes()
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["a.png", *(f"by {who}.{ending}" for who in ("command", "python") for ending in ENDINGS)]
    )


def test_a_name_without_a_known_ending_needs_a_format(programme, tmp_path, capsys):
    code, _, err = main(capsys, programme, "-o", tmp_path / "labels")
    assert code == 2
    assert "has the ending ''; expected .txt, .csv, .json" in err
    assert main(capsys, programme, "-o", tmp_path / "labels", "--format", "audacity")[0] == 0
    assert (tmp_path / "labels").read_text().count("\t") >= 2


def test_a_cue_sheet_is_a_table_or_a_page(programme, heard, tmp_path, capsys):
    (tmp_path / "usage.toml").write_text(
        "vocal_from = 1\n"
        '[score]\ninstrumental = { code = "S1", confidence = 1 }\nvocal = { code = "S2", confidence = 1 }\n'
        '[song]\ninstrumental = { code = "T1", confidence = 1 }\nvocal = { code = "T2", confidence = 1 }\n'
    )
    path = tmp_path / "cues.csv"
    options = ("--format", "cuesheet", "--usage-map", tmp_path / "usage.toml", "--fps", "25")
    assert main(capsys, programme, "-o", path, *options)[0] == 0
    rows = list(csv.DictReader(path.read_text().splitlines()))
    music = [segment for segment in heard.segments if segment.has_music]
    assert [row["heard"].split(" ")[0] for row in rows] == [segment.label for segment in music]
    assert {row["usage"][0] for row in rows} <= {"S", "T"}
    assert main(capsys, programme, "-o", path.with_suffix(".html"))[0] == 0
    assert "<h1>Cue sheet" in path.with_suffix(".html").read_text()


def test_the_page_that_plays_is_a_plot(programme, tmp_path, capsys):
    code, out, _ = main(capsys, programme, "--plot", tmp_path / "film.html")
    assert code == 0
    assert LINE.match(out)  # without -o, lines as well
    assert "pro%20gramme.wav" in (tmp_path / "film.html").read_text()


def test_a_track_of_a_film_is_heard(tmp_path, capsys):
    film = write_film(tmp_path / "film.mkv", "aac")
    code, out, _ = main(capsys, film, "--track", "2")
    assert code == 0
    assert LINE.match(out)
    assert timeline(film, track=2).duration_s == pytest.approx(2.0, abs=0.1)
    code, out, err = main(capsys, film, "--track", "4", "-o", tmp_path / "a.csv")
    assert (code, out) == (2, "")
    assert "film.mkv: has no sound track 4; there is 1 (eng, aac, mono), 2 (deu" in err


@pytest.mark.parametrize("name", ["a\nb.wav", "-a.wav", "=1+1 <b>.wav", "$x$.wav"])
def test_hostile_names_are_written_about(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "plain.wav", score(1, 2.0))
    os.rename("plain.wav", name)
    outputs = [argument for ending in ENDINGS for argument in ("-o", f"a.{ending}")]
    code, _, err = main(capsys, *outputs, "--plot", "b.html", "--", name)
    assert (code, "Traceback" in err) == (0, False)
    assert json.loads((tmp_path / "a.json").read_text())["source"] == name
    assert "<b>" not in (tmp_path / "a.html").read_text()


def test_a_name_that_is_no_text_is_written_about(tmp_path):
    write_wav(tmp_path / "plain.wav", score(1, 2.0))
    path = tmp_path / "no text \udcff.wav"
    os.rename(tmp_path / "plain.wav", path)
    outputs = [argument for ending in ENDINGS for argument in ("-o", tmp_path / f"a.{ending}")]
    check(run("timeline", *outputs, "--plot", tmp_path / "b.html", path))
    assert json.loads((tmp_path / "a.json").read_text())["source"] == str(path)


# ---- what is told


def test_progress_is_told_in_seconds_of_sound(programme, capsys, monkeypatch):
    monkeypatch.setattr(common, "LINE_EVERY_S", 0.0)
    _, _, err = main(capsys, programme)
    lines = [line for line in err.replace("\r", "\n").splitlines() if "of sound" in line]
    assert len(lines) == 30
    assert re.search(r"50% .*15/30 \[\d\d:\d\d<\d\d:\d\d, .*s of sound", lines[14])
    again = [line for line in err.splitlines() if "cues heard again" in line]
    assert re.search(rf"100% {len(again)}/{len(again)} \[", again[-1])


def test_what_was_odd_is_told_on_stderr_if_the_lines_are_not_printed(tmp_path, capsys):
    path = write_wav(tmp_path / "silent.wav", make_silence(2.0))
    assert "silence" in main(capsys, path)[1]
    _, out, err = main(capsys, path, "-o", tmp_path / "a.csv")
    assert out == ""
    assert f"score-or-song: {path}: " in err


# ---- what cannot be done


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.wav"], "no such file"),
        (["a.wav", "-o", "none/a.csv"], r"none/a\.csv: cannot be written \(No such file"),
        (["a.wav", "-o", "folder.csv"], r"folder\.csv: is a folder"),
        (["a.wav", "-o", "a.wav", "--format", "csv"], r"a\.wav: is the file to hear"),
        (["a.wav", "-o", "link.csv"], r"link\.csv: is the file to hear"),
        (["a.wav", "-o", "a.csv", "-o", "a.edl", "--format", "csv"], "--format csv: goes with one -o OUT"),
        (["a.wav", "--format", "csv"], "--format csv: goes with one -o OUT"),
        (["a.wav", "-o", "a.gif"], r"has the ending '\.gif'; expected \.txt"),
        (["a.wav", "--plot", "a.gif"], r"no picture has the ending '\.gif'"),
        (["a.wav", "-o", "a.html", "--plot", "a.html"], r"a\.html: is named twice"),
        (
            ["a.wav", "-o", "a.csv", "--fps", "25"],
            "--fps: goes with -o OUT in the format otio, edl, cuesheet",
        ),
        (["a.wav", "--start-timecode", "01:00:00:00"], "--start-timecode: goes with"),
        (
            ["a.wav", "-o", "a.edl", "--usage-map", "m.toml"],
            "--usage-map: goes with -o OUT in the format cuesheet",
        ),
        (["a.wav", "-o", "a.edl", "--fps", "12"], "frame rate 12: expected one of"),
        (["a.wav", "-o", "a.otio", "--start-timecode", "1:0"], "start timecode '1:0': expected HH:MM:SS:FF"),
        (["a.wav", "-o", "a.html", "--usage-map", "none.toml"], r"none\.toml: cannot be read as a usage map"),
        (["a.wav", "--track", "0"], "track=0: expected a number from 1"),
        (["a.wav", "--track", "2"], "has no sound track 2; there is 1"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_long_work(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "a.wav", score(1, 1.0))
    os.link("a.wav", "link.csv")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(os.listdir())
    if "--track" not in arguments:
        monkeypatch.setattr("scoreorsong.timelines.listen", lambda *_: pytest.fail("has begun to listen"))
    code, out, err = main(capsys, *arguments)
    assert (code, out) == (2, "")
    assert re.search(f"^score-or-song: .*{message}", err)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("option", "path", "module", "extra"),
    [("-o", "a.otio", "opentimelineio", "otio"), ("--plot", "a.png", "matplotlib.figure", "report")],
)
def test_a_missing_extra_is_said_before_the_long_work(
    programme, tmp_path, monkeypatch, capsys, option, path, module, extra
):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("scoreorsong.timelines.listen", lambda *_: pytest.fail("has begun to listen"))
    code, _, err = main(capsys, programme, option, tmp_path / path)
    assert code == 2
    assert f'pip install "score-or-song[{extra}]"' in err


def test_a_disk_that_fills_up_loses_nothing(programme, heard, tmp_path, monkeypatch, capsys):
    """The one that fails is told, the others are written, and the lines are printed."""
    from scoreorsong import exports

    write_whole = exports.write_whole

    def fill_up(path, data):
        if len(heard.segments) and os.path.basename(path) == "b.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_whole(path, data)

    monkeypatch.setattr(exports, "write_whole", fill_up)
    outputs = [tmp_path / name for name in ("a.csv", "b.json", "c.txt")]
    code, out, err = main(capsys, programme, *(a for path in outputs for a in ("-o", path)))
    assert code == 1
    assert f"score-or-song: {outputs[1]}: cannot be written (No space left on device)" in err
    assert out == f"{heard}\n"
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "c.txt"]


def test_segments_read_back_from_json_are_those_of_python(programme, heard, tmp_path, capsys):
    main(capsys, programme, "-o", tmp_path / "a.json")
    said = json.loads((tmp_path / "a.json").read_text())
    read = [Segment(**{k: v for k, v in s.items() if k != "duration_s"}) for s in said["segments"]]
    for one, other in zip(read, heard.segments, strict=True):
        assert one.label == other.label
        assert (one.start_s, one.end_s) == pytest.approx((other.start_s, other.end_s), abs=1e-6)
    assert said["model_id"] == heard.model_id
