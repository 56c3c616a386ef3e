"""Segments → the texts that other programs read.

Conventions: each function makes the text of one format from segments in their order, `written`
puts it into a file. Where a format names stretches of sound, stretches without music are
named too (Audacity, CSV, JSON, JAMS); where it lists events, only music is one (EDL,
OpenTimelineIO, WebVTT, RTTM). In formats that count frames, an edge lies at the nearest frame,
and what is shorter than half a frame vanishes.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .errors import ExportError
from .files import write_whole
from .segments import Segment
from .timecode import FrameRate

JAMS_VERSION: Final = "0.3.5"
LAST_EVENT: Final = 999
TITLE_LENGTH: Final = 70
COLORS: Final = {"score": "BLUE", "song": "MAGENTA"}
Segments = Sequence[Segment]


def written(path: str | os.PathLike[str], data: str | bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    ExportError : the folder does not exist or cannot be written to, or the disk is full.
    """
    try:
        write_whole(path, data.encode("utf-8", "replace") if isinstance(data, str) else data)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ExportError(
            f"{os.fspath(path)}: cannot be written ({reason}); choose a folder that exists and is yours"
        ) from error


def audacity(segments: Segments) -> str:
    """A label track: start and end in seconds, and the label, parted by tabs."""
    return "".join(
        f"{s.start_s:.6f}\t{s.end_s:.6f}\t{s.label}{'' if s.confident else ' (unsure)'}\n" for s in segments
    )


def table(header: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV, with the flags of JSON."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for row in rows:
        cells = (row[name] for name in header)
        writer.writerow(str(cell).lower() if isinstance(cell, bool) else cell for cell in cells)
    return text.getvalue()


def rows(segments: Segments) -> str:
    """A CSV with one row per segment, its columns named as the segment's attributes."""
    header = tuple(Segment(0, 0, "", 0, True, 0).to_dict())
    return table(header, [s.to_dict() for s in segments])


def document(content: Mapping[str, Any]) -> str:
    """JSON for people to read as well."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def jams(segments: Segments, *, source: str, duration_s: float, model_id: str) -> str:
    """JAMS with one annotation in the namespace ``segment_open``.

    Confidence is the probability of the label, and none where there is no music. (Humphrey et
    al., "JAMS: a JSON annotated music specification", ISMIR 2014.)
    """
    data = [
        {"time": s["start_s"], "duration": s["duration_s"], "value": s["label"], "confidence": confidence}
        for s, confidence in ((s.to_dict(), s.label_probability) for s in segments)
    ]
    made_by = {"name": "", "email": ""}
    about = {
        "curator": made_by, "annotator": {"model_id": model_id}, "version": "", "corpus": "",
        "annotation_tools": "score-or-song", "annotation_rules": "", "validation": "", "data_source": "program",
    }  # fmt: skip
    annotation = {
        "namespace": "segment_open", "data": data, "annotation_metadata": about, "sandbox": {},
        "time": 0.0, "duration": duration_s,
    }  # fmt: skip
    file_metadata = {
        "title": "", "artist": "", "release": "", "duration": duration_s,
        "identifiers": {"source": plain(source)}, "jams_version": JAMS_VERSION,
    }  # fmt: skip
    content = {"annotations": [annotation], "file_metadata": file_metadata, "sandbox": {}}
    return document(content)


def webvtt(segments: Segments) -> str:
    """Captions that say over a film what music is heard."""
    cues = (
        (_vtt_clock(s.start_s), _vtt_clock(s.end_s), f"{_told(s)}, voice {s.vocal_fraction:.0%}")
        for s in segments
        if s.has_music
    )
    return "WEBVTT\n" + "".join(f"\n{start} --> {end}\n{text}\n" for start, end, text in cues if start < end)


def _vtt_clock(seconds: float) -> str:
    whole_s, milli = divmod(round(seconds * 1000), 1000)
    return f"{whole_s // 3600:02}:{whole_s // 60 % 60:02}:{whole_s % 60:02}.{milli:03}"


def rttm(segments: Segments, *, source: str) -> str:
    """Rich transcription time marks: score and song stand in the place of speakers.

    The file's name stands there without ending; whatever is neither letter, digit, dot nor
    hyphen becomes an underscore, since blanks part the fields. (NIST RT-09.)
    """
    name = re.sub(r"[^\w.-]+", "_", Path(source).stem) or "_"
    return "".join(
        f"SPEAKER {name} 1 {s.start_s:.3f} {s.duration_s:.3f} <NA> <NA> {s.label} {s.label_probability:.3f} <NA>\n"
        for s in segments
        if s.has_music
    )


def edl(segments: Segments, *, source: str, rate: FrameRate, start_timecode: str) -> str:
    """A CMX 3600 edit decision list of the music, each cue with a locator.

    The programme's first frame has the start timecode, in the source and in the record. It is
    written here and not by OpenTimelineIO's adapter, which writes pictures only, no ``FCM``
    line, and at 29.97 frames a second nothing but drop-frame.

    Raises
    ------
    ExportError : more than 999 events, or a start timecode that does not occur at this rate.
    """
    cues = list(in_frames(segments, rate, start_timecode))
    if len(cues) > LAST_EVENT:
        raise ExportError(
            f"{len(cues)} cues; a CMX 3600 EDL numbers at most {LAST_EVENT}: write .otio or .csv"
        )
    head = [
        f"TITLE: {_ascii(Path(source).stem)[:TITLE_LENGTH]}",
        f"FCM: {'' if rate.drop_frame else 'NON-'}DROP FRAME",
    ]
    lines = [line for number, cue in enumerate(cues, 1) for line in _event(number, *cue, source, rate)]
    return "\r\n".join([*head, "", *lines, ""])


def _event(number: int, segment: Segment, start: int, end: int, source: str, rate: FrameRate) -> list[str]:
    begins, ends = rate.timecode(start), rate.timecode(end)
    return [
        f"{number:03}  AX       AA    C        {begins} {ends} {begins} {ends}",
        f"* FROM CLIP NAME:  {segment.label}",
        f"* SOURCE FILE: {_ascii(Path(source).name)}",
        f"* LOC: {begins} {COLORS[segment.label]:7} {_told(segment)}",
    ]


def otio(segments: Segments, *, source: str, duration_s: float, rate: FrameRate, start_timecode: str) -> str:
    """An OpenTimelineIO timeline: one sound track with a clip and a marker per cue, and gaps between.

    Raises
    ------
    ExportError : the extra is not installed, or the start timecode does not occur at this rate.
    """
    schema, opentime = _otio()
    fps, first = float(rate.fps), rate.frame_at(start_timecode)

    def span(start: int, end: int) -> Any:
        return opentime.TimeRange(opentime.RationalTime(start, fps), opentime.RationalTime(end - start, fps))

    media = _reference(schema, source, span(first, first + rate.frame(duration_s)))
    track, reached = schema.Track(name="music", kind=schema.TrackKind.Audio), first
    for segment, start, end in in_frames(segments, rate, start_timecode):
        if start > reached:
            track.append(schema.Gap(source_range=span(reached, start)))
        track.append(_clip(schema, segment, media.clone(), span(start, end)))
        reached = end
    timeline = schema.Timeline(
        name=plain(Path(source).name), global_start_time=opentime.RationalTime(first, fps)
    )
    timeline.tracks.append(track)
    return str(timeline.to_json_string())


def _otio() -> tuple[Any, Any]:
    try:
        from opentimelineio import opentime, schema
    except ImportError as error:
        raise ExportError('OpenTimelineIO needs an extra: pip install "score-or-song[otio]"') from error
    return schema, opentime


def _reference(schema: Any, source: str, available: Any) -> Any:
    """The file itself; what was no file when it was heard cannot be found again."""
    if not os.path.isfile(source):
        return schema.MissingReference(name=plain(source), available_range=available)
    return schema.ExternalReference(Path(source).absolute().as_uri(), available_range=available)


def _clip(schema: Any, segment: Segment, media: Any, span: Any) -> Any:
    heard = {"scoreorsong": segment.to_dict()}
    marker = schema.Marker(_told(segment), span, COLORS[segment.label], metadata=heard)
    clip = schema.Clip(segment.label, media_reference=media, source_range=span, metadata=heard)
    clip.markers.append(marker)
    return clip


def in_frames(segments: Segments, rate: FrameRate, start_timecode: str) -> Iterator[tuple[Segment, int, int]]:
    """Each cue with its first frame and the one after its last, counted from timecode zero."""
    first = rate.frame_at(start_timecode)
    for segment in segments:
        start, end = first + rate.frame(segment.start_s), first + rate.frame(segment.end_s)
        if segment.has_music and end > start:
            yield segment, start, end


def _told(segment: Segment) -> str:
    return f"{segment.label} {segment.label_probability:.2f}{'' if segment.confident else ' (unsure)'}"


def plain(name: str) -> str:
    """A name as text, even if its bytes were none."""
    return name.encode("utf-8", "replace").decode()


def _ascii(name: str) -> str:
    """A name as an EDL can hold it, on one line."""
    return re.sub(r"[^ -~]", "?", name)
