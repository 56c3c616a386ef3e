"""Seconds ⇄ SMPTE timecode at the frame rates of film and television.

Conventions: a timecode is ``hours:minutes:seconds:frames`` and counts frames at the rounded
rate, so that at 23.976 it falls behind the clock. Drop-frame timecode (29.97 and 59.94) mends that
by leaving out the first two (four) frame *numbers* of every minute but each tenth, and has a
semicolon before the frames. After 24 hours it begins anew. (SMPTE ST 12-1.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from .errors import ExportError

DEFAULT_FPS: Final = "24"
DEFAULT_START: Final = "00:00:00:00"
RATES: Final = {
    f"{float(rate):.5g}": rate
    for rate in (
        Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
        Fraction(48), Fraction(50), Fraction(60000, 1001), Fraction(60),
    )
}  # fmt: skip
DROPPING: Final = ("29.97", "59.94")
NEAR: Final = 0.005  # frames a second: 23.98 is meant for 23.976, and 30 is not meant for 29.97
HOURS: Final = 24


@dataclass(frozen=True)
class FrameRate:
    """Exact frames per second, and whether the timecode drops frame numbers."""

    fps: Fraction
    drop_frame: bool = False

    @property
    def counted(self) -> int:
        """Frames that a timecode counts to a second."""
        return round(self.fps)

    @property
    def dropped(self) -> int:
        """Frame numbers left out in each minute but every tenth."""
        return self.counted // 15 if self.drop_frame else 0

    def frame(self, seconds: float) -> int:
        """The frame that begins nearest to a time."""
        return round(Fraction(seconds) * self.fps)

    def timecode(self, frame: int) -> str:
        """What a counter shows at a frame.

        >>> frame_rate("29.97").timecode(1800)
        '00:01:00;02'
        """
        tens, rest = divmod(frame, 600 * self.counted - 9 * self.dropped)
        minutes = max(0, rest - self.dropped) // (60 * self.counted - self.dropped)
        number = frame + self.dropped * (9 * tens + minutes)
        seconds, frames = divmod(number, self.counted)
        separator = ";" if self.drop_frame else ":"
        return f"{seconds // 3600 % HOURS:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{separator}{frames:02}"

    def frame_at(self, timecode: str) -> int:
        """The frame at which a counter shows this.

        Raises
        ------
        ExportError : no timecode, or one that does not occur at this rate.
        """
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d)", timecode, re.ASCII)
        if match is None:
            raise ExportError(f"start timecode {timecode!r}: expected HH:MM:SS:FF, e.g. 01:00:00:00")
        hours, minutes, seconds, frames = map(int, match.group(1, 2, 3, 5))
        number = (hours * 3600 + minutes * 60 + seconds) * self.counted + frames
        ten_minutes, minute = divmod(hours * 60 + minutes, 10)
        frame = number - self.dropped * (9 * ten_minutes + minute)
        if self.timecode(frame).replace(";", ":") != timecode.replace(";", ":"):
            raise ExportError(f"start timecode {timecode!r}: does not occur at {self}")
        if match[4] == ";" and not self.drop_frame:
            raise ExportError(
                f"start timecode {timecode!r}: the semicolon means drop-frame, but this is {self}"
            )
        return frame

    def __str__(self) -> str:
        form = "drop-frame" if self.drop_frame else "non-drop-frame"
        return f"{float(self.fps):.5g} frames a second, {form}"


def frame_rate(fps: float | str) -> FrameRate:
    """A frame rate as people write it.

    Parameters
    ----------
    fps : a number or its text: 23.976 (or 23.98), 24, 25, 29.97, 30, 48, 50, 59.94 or 60. The
        timecode of 29.97 and 59.94 is drop-frame; ``"29.97ndf"`` is not.

    Raises
    ------
    ExportError : another rate.
    """
    text = str(fps).strip().lower()
    number = text.removesuffix("ndf").removesuffix("df")
    try:
        name = next(name for name, rate in RATES.items() if abs(float(number) - rate) < NEAR)
    except (StopIteration, ValueError):
        expected = ", ".join(RATES)
        raise ExportError(f"frame rate {fps}: expected one of {expected}, or 29.97ndf or 59.94ndf") from None
    if text != number and name not in DROPPING:
        raise ExportError(
            f"frame rate {fps}: only {' and '.join(DROPPING)} may drop frames; leave out the ending"
        )
    return FrameRate(RATES[name], name in DROPPING and not text.endswith("ndf"))
