"""Numbers → the segments and the curve of a timeline: plain data that exports and plots read.

Conventions: times are in seconds from the start of the source; shares and probabilities lie
in 0 to 1. A song probability is given that there is music, so that it says nothing of a
segment without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Segment:
    """A stretch of a programme in which one thing is heard.

    Attributes
    ----------
    start_s, end_s : from the start of the source.
    label : "score", "song" or "no_music".
    song_probability : calibrated, 0 to 1, given that there is music.
    confident : whether the probability lies outside the band that the model calls uncertain.
    vocal_fraction : share of the segment in which someone sings or raps, 0 to 1.
    """

    start_s: float
    end_s: float
    label: str
    song_probability: float
    confident: bool
    vocal_fraction: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def has_music(self) -> bool:
        return self.label != "no_music"

    @property
    def label_probability(self) -> float | None:
        """How likely the label is among score and song; None without music."""
        sure = {"song": self.song_probability, "score": 1 - self.song_probability}
        return sure.get(self.label)

    def __str__(self) -> str:
        sure = "" if self.confident else "  (unsure)"
        heard = f"  p(song) {self.song_probability:.2f}  voice {self.vocal_fraction:.0%}"
        return (
            f"{clock(self.start_s)}  {clock(self.end_s)}  {self.label}{heard if self.has_music else ''}{sure}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "start_s": round(float(self.start_s), 6),
            "end_s": round(float(self.end_s), 6),
            "duration_s": round(float(self.duration_s), 6),
            "label": self.label,
            "song_probability": float(self.song_probability),
            "confident": bool(self.confident),
            "vocal_fraction": float(self.vocal_fraction),
        }


@dataclass(frozen=True)
class Curve:
    """What was heard, at a constant rate: point `i` stands for `hop_s` from ``i * hop_s`` on.

    Attributes
    ----------
    hop_s : from point to point.
    song_probability : shaped ``(points,)`` like the others, 0 to 1, given that there is music.
    music, voice : share of music, and of singing or rapping, 0 to 1.
    level_db : RMS level re full scale.
    """

    hop_s: float
    song_probability: npt.NDArray[np.float32]
    music: npt.NDArray[np.float32]
    voice: npt.NDArray[np.float32]
    level_db: npt.NDArray[np.float32]


def clock(seconds: float) -> str:
    """Hours, minutes and seconds with one decimal: ``0:01:02.5``.

    >>> clock(3662.5)
    '1:01:02.5'
    """
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"
