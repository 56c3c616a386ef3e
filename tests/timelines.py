"""Made-up timelines: usual ones, and those at which a format may stumble."""

from __future__ import annotations

import numpy as np

from scoreorsong.segments import Curve, Segment
from scoreorsong.timelines import Timeline

SEGMENTS = (
    Segment(0.0, 12.5, "no_music", 0.4, True, 0.0),
    Segment(12.5, 70.04, "score", 0.08, True, 0.02),
    Segment(70.04, 250.2, "song", 0.93, True, 0.8),
    Segment(250.2, 251.0, "no_music", 0.5, False, 0.0),
    Segment(251.0, 600.0, "score", 0.47, False, 0.3),
)
MUSIC = tuple(s for s in SEGMENTS if s.label != "no_music")
TIMELINES = {
    "usual": SEGMENTS,
    "empty": (),
    "one": SEGMENTS[1:2],
    "silent": SEGMENTS[:1],
    "no length": (Segment(0.0, 5.0, "score", 0.1, True, 0.0), Segment(5.0, 5.0, "song", 0.9, True, 0.9)),
    "under a frame": (
        Segment(0.0, 5.0, "score", 0.1, True, 0.0),
        Segment(5.0, 5.0003, "song", 0.9, True, 0.9),
    ),
    "two hours": tuple(
        Segment(i * 72.0, i * 72.0 + 72, ("score", "song")[i % 2], i % 2, True, 0.0) for i in range(100)
    ),
}
HOSTILE = (
    "a b\tc.wav", "a\nTITLE: b.wav", "a --> b.wav", "日本 é.mkv", "no text \udcff.wav", '"=1+1".wav', "=cmd()", "<b>&.wav",
    "..", "<array>", "", ";", "a\x85b\u2028c.wav",
)  # fmt: skip


def make_timeline(segments=SEGMENTS, *, source="film.wav", hop_s=0.5, **more):
    """A timeline of these segments, whose curve says the same."""
    duration_s = segments[-1].end_s if segments else 0.0
    middles = (np.arange(np.ceil(duration_s / hop_s)) + 0.5) * hop_s
    heard = [next((s for s in segments if at_s < s.end_s), segments[-1]) for at_s in middles]
    curve = Curve(
        hop_s,
        song_probability=np.array([s.song_probability for s in heard], np.float32),
        music=np.array([s.has_music for s in heard], np.float32),
        voice=np.array([s.vocal_fraction for s in heard], np.float32),
        level_db=np.array([-20.0 if s.has_music else -55.0 for s in heard], np.float32),
    )
    known = {"band": (0.4, 0.6), "warnings": (), "model_id": "m1", **more}
    return Timeline(source=source, duration_s=duration_s, segments=tuple(segments), curve=curve, **known)
