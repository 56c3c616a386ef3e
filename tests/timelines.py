"""Made-up timelines: usual ones, and those at which a format may stumble."""

from __future__ import annotations

from scoreorsong.segments import Segment

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
