"""Exports: read back by programs that others wrote."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest
from timelines import HOSTILE, MUSIC, SEGMENTS, TIMELINES, make_timeline

from scoreorsong import exports, files
from scoreorsong.errors import ExportError
from scoreorsong.segments import Segment, clock
from scoreorsong.timecode import frame_rate

RATES = ("23.976", "24", "25", "29.97", "29.97ndf", "59.94", "60")

timelines = pytest.mark.parametrize("segments", TIMELINES.values(), ids=TIMELINES)
hostile = pytest.mark.parametrize("source", HOSTILE)
rates = pytest.mark.parametrize("rate", [frame_rate(name) for name in RATES], ids=RATES)


def music_of(segments, *, at_least_s=0.0):
    return [s for s in segments if s.label != "no_music" and s.end_s - s.start_s >= at_least_s]


# ---- segments


def test_a_segment_reads_as_one_line():
    assert [str(segment) for segment in SEGMENTS[1:4]] == [
        "0:00:12.5  0:01:10.0  score  p(song) 0.08  voice 2%",
        "0:01:10.0  0:04:10.2  song  p(song) 0.93  voice 80%",
        "0:04:10.2  0:04:11.0  no_music  (unsure)",
    ]
    assert clock(59.96) == "0:01:00.0"


def test_the_probability_of_a_label_is_that_of_what_it_says():
    assert [segment.label_probability for segment in SEGMENTS[:3]] == [None, 0.92, 0.93]


# ---- what names all stretches


@timelines
@pytest.mark.filterwarnings("ignore:All interval durations must be strictly positive:UserWarning")
def test_audacity_labels(tmp_path, segments):
    mir_eval = pytest.importorskip("mir_eval")
    path = tmp_path / "labels.txt"
    path.write_text(exports.audacity(segments))
    if not segments:
        assert path.read_text() == ""
        return
    intervals, labels = mir_eval.io.load_labeled_intervals(str(path), delimiter="\t")
    assert intervals.tolist() == [[s.start_s, s.end_s] for s in segments]
    assert [label.split(" ")[0] for label in labels] == [s.label for s in segments]
    assert ["unsure" in label for label in labels] == [not s.confident for s in segments]


@timelines
def test_csv_and_json_hold_everything(segments):
    document = json.loads(exports.document(make_timeline(segments).to_dict()), parse_constant=pytest.fail)
    assert (document["source"], document["band"]) == ("film.wav", [0.4, 0.6])
    for row, said, segment in zip(
        csv.DictReader(io.StringIO(exports.rows(segments))), document["segments"], segments, strict=True
    ):
        assert list(row) == list(segment.to_dict())
        assert {name: json.loads(cell) if name != "label" else cell for name, cell in row.items()} == said
        assert Segment(**{name: value for name, value in said.items() if name != "duration_s"}) == segment
        assert said["duration_s"] == pytest.approx(segment.duration_s, abs=1e-6)


@timelines
@pytest.mark.filterwarnings("ignore:Passing a schema to Validator:DeprecationWarning")  # within jams
def test_jams_validates(tmp_path, segments):
    jams = pytest.importorskip("jams")
    path = tmp_path / "a.jams"
    path.write_text(exports.jams(segments, source="a.wav", duration_s=7200.0, model_id="m1"))
    read = jams.load(str(path), validate=True, strict=True)
    [annotation] = read.search(namespace="segment_open")
    assert [(o.time, o.value, o.confidence) for o in annotation.data] == [
        (s.start_s, s.label, s.label_probability) for s in segments
    ]
    assert read.file_metadata.duration == 7200
    assert annotation.annotation_metadata.annotator.model_id == "m1"


# ---- what lists music


@timelines
def test_webvtt_captions(segments):
    webvtt = pytest.importorskip("webvtt")
    captions = webvtt.from_buffer(io.StringIO(exports.webvtt(segments))).captions
    music = music_of(segments, at_least_s=0.001)
    assert [caption.text.split(" ")[0] for caption in captions] == [s.label for s in music]
    for caption, segment in zip(captions, music, strict=True):
        seconds = [
            t.hours * 3600 + t.minutes * 60 + t.seconds + t.milliseconds / 1000
            for t in (caption.start_time, caption.end_time)
        ]
        assert seconds == pytest.approx([segment.start_s, segment.end_s], abs=5e-4)


@timelines
def test_rttm(tmp_path, segments):
    load_rttm = pytest.importorskip("pyannote.database.util").load_rttm
    path = tmp_path / "a.rttm"
    path.write_text(exports.rttm(segments, source="films/my film.mkv"))
    music = music_of(segments)
    if not music:
        assert path.read_text() == ""
        return
    [(name, annotation)] = load_rttm(path).items()
    assert name == "my_film"
    read = [(s.start, s.end, label) for s, _, label in annotation.itertracks(yield_label=True)]
    heard = [s for s in music if s.duration_s > 0.0005]  # a stretch without length is none to pyannote
    for (start, end, label), segment in zip(read, heard, strict=True):
        assert (start, end) == pytest.approx((segment.start_s, segment.end_s), abs=2e-3)
        assert label == segment.label


@timelines
@rates
def test_edl_events_lie_at_the_nearest_frames(segments, rate):
    otio = pytest.importorskip("opentimelineio")
    start = rate.timecode(rate.frame_at("01:00:00:00"))
    text = exports.edl(segments, source="film.mov", rate=rate, start_timecode="01:00:00:00")
    assert text.splitlines()[:2] == ["TITLE: film", f"FCM: {'' if rate.drop_frame else 'NON-'}DROP FRAME"]
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate.fps))
    assert timeline.name == "film"
    events = [s for s in segments if s.label != "no_music" and rate.frame(s.start_s) < rate.frame(s.end_s)]
    if not events:
        assert not timeline.tracks
        return
    left, right = timeline.tracks
    assert (left.kind, left.name, right.name) == ("Audio", "A1", "A2")
    clips = list(left.find_clips())
    assert [clip.name for clip in clips] == [s.label for s in events]
    first = otio.opentime.from_timecode(start, float(rate.fps))
    for clip, segment in zip(clips, events, strict=True):
        began = clip.source_range.start_time - first
        assert began.value == rate.frame(segment.start_s)
        assert began.to_seconds() == pytest.approx(segment.start_s, abs=0.5 / float(rate.fps) + 1e-6)
        ended = clip.source_range.end_time_exclusive() - first
        assert ended.to_seconds() == pytest.approx(segment.end_s, abs=0.5 / float(rate.fps) + 1e-6)
        if rate.drop_frame:  # this reader knows locators with colons only
            continue
        [marker] = clip.markers
        assert marker.name.startswith(segment.label)
        assert marker.color == {"score": "BLUE", "song": "MAGENTA"}[segment.label]


@timelines
@rates
def test_otio_holds_clips_gaps_and_markers(segments, rate):
    otio = pytest.importorskip("opentimelineio")
    write = partial(exports.otio, source="film.mov", duration_s=7200.0, rate=rate)
    timeline = otio.adapters.read_from_string(write(segments, start_timecode="10:00:00:00"), "otio_json")
    fps = float(rate.fps)
    assert timeline.global_start_time == otio.opentime.RationalTime(rate.frame_at("10:00:00:00"), fps)
    [track] = timeline.audio_tracks()
    events = [s for s in segments if s.label != "no_music" and rate.frame(s.start_s) < rate.frame(s.end_s)]
    clips = list(track.find_clips())
    assert [clip.metadata["scoreorsong"]["label"] for clip in clips] == [s.label for s in events]
    for clip, segment in zip(clips, events, strict=True):
        placed = clip.range_in_parent()  # gaps and clips before it add up to where it belongs
        assert placed.start_time.value == rate.frame(segment.start_s)
        assert placed.end_time_exclusive().value == rate.frame(segment.end_s)
        media = clip.available_range()
        assert media.start_time == timeline.global_start_time <= clip.source_range.start_time
        assert clip.source_range.end_time_exclusive() <= media.end_time_exclusive()
        [marker] = clip.markers
        assert marker.marked_range == clip.source_range
        assert dict(marker.metadata["scoreorsong"]) == segment.to_dict()


def test_an_otio_clip_leads_to_its_file(tmp_path):
    otio = pytest.importorskip("opentimelineio")
    source = tmp_path / "a film #1 é.mov"
    source.touch()
    text = exports.otio(
        SEGMENTS, source=str(source), duration_s=600.0, rate=frame_rate(24), start_timecode="00:00:00:00"
    )
    timeline = otio.adapters.read_from_string(text, "otio_json")
    urls = {clip.media_reference.target_url for clip in timeline.find_clips()}
    assert [otio.url_utils.filepath_from_url(url) for url in urls] == [str(source)]


def test_an_edl_numbers_at_most_999_events():
    segments = [Segment(i, i + 1, "score", 0.1, True, 0.0) for i in range(1000)]
    write = partial(exports.edl, source="a", rate=frame_rate(24), start_timecode="00:00:00:00")
    assert "999  AX" in write(segments[:999])
    with pytest.raises(ExportError, match="1000 cues; a CMX 3600 EDL numbers at most 999"):
        write(segments)


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    write = partial(
        exports.otio, source="a", duration_s=1.0, rate=frame_rate(24), start_timecode="00:00:00:00"
    )
    with pytest.raises(ExportError, match=r'pip install "score-or-song\[otio\]"'):
        write(())


# ---- names


@hostile
def test_hostile_names_stay_names(tmp_path, source):
    """Each format reads back with as many cues as there are, whatever the file is called."""
    otio = pytest.importorskip("opentimelineio")
    load_rttm = pytest.importorskip("pyannote.database.util").load_rttm
    place = {"rate": frame_rate(29.97), "start_timecode": "00:00:00;00"}
    exports.written(tmp_path / "a.rttm", exports.rttm(SEGMENTS, source=source))
    [annotation] = load_rttm(tmp_path / "a.rttm").values()
    assert len(annotation) == len(MUSIC)
    edl = exports.edl(SEGMENTS, source=source, **place)
    assert edl.isascii()
    assert len(edl.splitlines()) == 3 + 4 * len(MUSIC)
    assert len(
        otio.adapters.read_from_string(edl, "cmx_3600", rate=30000 / 1001).tracks[0].find_clips()
    ) == len(MUSIC)
    exports.written(tmp_path / "a.otio", exports.otio(SEGMENTS, source=source, duration_s=600.0, **place))
    assert len(otio.adapters.read_from_file(str(tmp_path / "a.otio")).find_clips()) == len(MUSIC)
    jams = json.loads(exports.jams(SEGMENTS, source=source, duration_s=600.0, model_id="m"))
    assert jams["file_metadata"]["identifiers"]["source"] == source.replace("\udcff", "?")


# ---- the writing


@pytest.mark.parametrize("name", ["none/a.txt", "folder", "a\0b.txt"])
def test_where_nothing_can_be_written_is_told(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ExportError, match="cannot be written"):
        exports.written(tmp_path / name, "text")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_write_that_fails_keeps_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(ExportError, match=r"a\.txt: cannot be written \(No space left"):
        exports.written(tmp_path / "a.txt", "new")
    assert [Path(path).read_text() for path in tmp_path.iterdir()] == ["old"]
