"""Long media → where the score, the songs and the rest are.

Conventions: times are seconds from the start of the source; segments follow one another without
gap or overlap from 0 to its end. `listening` says what is heard at every point of half a second,
`evidence` what that speaks for, and `decoding` finds the likeliest sequence. What of it is only the
background of a scene is taken away (`backgrounds`), the rest heard again where least is spoken over
it, and the sequence then found anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from scipy.special import expit

from . import exports
from .audio import Audio, Samples, Source, open_audio
from .blas import one_blas_thread
from .cuesheet import cue_sheet_page, cue_sheet_table, cues, read_usage_map
from .decoding import Run
from .evidence import STATES, Again, Evidence, heard_again, weigh, without_backgrounds
from .extraction import warn_if_odd
from .features import SEGMENT_S
from .hearing import voice_in
from .listening import Heard, listen
from .model import Model
from .prediction import default_model
from .segments import Curve, Segment
from .spool import Spool
from .timecode import DEFAULT_FPS, DEFAULT_START, frame_rate

Path: TypeAlias = str | os.PathLike[str]
Fps: TypeAlias = float | str


@dataclass(frozen=True)
class Timeline:
    """Where the score, the songs and the rest of a source are.

    Attributes
    ----------
    source : path or name of what was analysed.
    duration_s : its length, in seconds.
    segments : in order of time, from 0 to `duration_s` without gap or overlap.
    curve : what was heard at every half second.
    band : song probabilities between these two are called uncertain.
    warnings : what was odd about the source.
    model_id : of the model that said so.
    """

    source: str
    duration_s: float
    segments: tuple[Segment, ...]
    curve: Curve = field(repr=False)
    band: tuple[float, float]
    warnings: tuple[str, ...]
    model_id: str

    def __str__(self) -> str:
        odd = [f"[{warning}]" for warning in self.warnings]
        return "\n".join([*map(str, self.segments), *odd])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the curve is left out."""
        return {
            "source": self.source,
            "duration_s": self.duration_s,
            "segments": [segment.to_dict() for segment in self.segments],
            "band": list(self.band),
            "warnings": list(self.warnings),
            "model_id": self.model_id,
        }

    def to_audacity(self, path: Path) -> None:
        """Write a label track for Audacity; like all of these, whole or not at all.

        Raises
        ------
        ExportError : it cannot be written.
        """
        exports.written(path, exports.audacity(self.segments))

    def to_csv(self, path: Path) -> None:
        """Write one row per segment.

        Raises
        ------
        ExportError : it cannot be written.
        """
        exports.written(path, exports.rows(self.segments))

    def to_json(self, path: Path) -> None:
        """Write `to_dict`.

        Raises
        ------
        ExportError : it cannot be written.
        """
        exports.written(path, exports.document(self.to_dict()))

    def to_jams(self, path: Path) -> None:
        """Write JAMS, the annotations of music research.

        Raises
        ------
        ExportError : it cannot be written.
        """
        text = exports.jams(
            self.segments, source=self.source, duration_s=self.duration_s, model_id=self.model_id
        )
        exports.written(path, text)

    def to_webvtt(self, path: Path) -> None:
        """Write captions of the music, to be shown over a film.

        Raises
        ------
        ExportError : it cannot be written.
        """
        exports.written(path, exports.webvtt(self.segments))

    def to_rttm(self, path: Path) -> None:
        """Write rich transcription time marks of the music.

        Raises
        ------
        ExportError : it cannot be written.
        """
        exports.written(path, exports.rttm(self.segments, source=self.source))

    def to_otio(self, path: Path, *, fps: Fps = DEFAULT_FPS, start_timecode: str = DEFAULT_START) -> None:
        """Write OpenTimelineIO with a clip and a marker per cue; needs the extra ``[otio]``.

        Parameters
        ----------
        fps : 24, 25, "29.97" (drop-frame), "29.97ndf" (not) and the like, see `frame_rate`.
        start_timecode : of the programme's first frame.

        Raises
        ------
        ExportError : no such rate or timecode, the extra is not installed, or it cannot be written.
        """
        text = exports.otio(
            self.segments,
            source=self.source,
            duration_s=self.duration_s,
            rate=frame_rate(fps),
            start_timecode=start_timecode,
        )
        exports.written(path, text)

    def to_edl(self, path: Path, *, fps: Fps = DEFAULT_FPS, start_timecode: str = DEFAULT_START) -> None:
        """Write a CMX 3600 edit decision list of the cues; `fps` and `start_timecode` as in `to_otio`.

        Raises
        ------
        ExportError : no such rate or timecode, or it cannot be written.
        """
        rate = frame_rate(fps)
        text = exports.edl(self.segments, source=self.source, rate=rate, start_timecode=start_timecode)
        exports.written(path, text)

    def to_cue_sheet(
        self,
        path: Path,
        *,
        fps: Fps = DEFAULT_FPS,
        start_timecode: str = DEFAULT_START,
        usage_map: Path | None = None,
    ) -> None:
        """Write the draft of a cue sheet: a page to print where the path ends in .html, else CSV.

        Parameters
        ----------
        fps, start_timecode : as in `to_otio`.
        usage_map : a file that says which usage codes to suggest, by default the shipped map.

        Raises
        ------
        ExportError : no such rate or timecode, a map that cannot be used, or it cannot be written.
        """
        rate, usage = frame_rate(fps), read_usage_map(usage_map)
        rows = cues(self.segments, rate=rate, start_timecode=start_timecode, usage_map=usage)
        if os.fspath(path).lower().endswith(".html"):
            length = rate.timecode(rate.frame(self.duration_s))
            text = cue_sheet_page(
                rows, source=self.source, duration=length, rate=rate, model_id=self.model_id
            )
        else:
            text = cue_sheet_table(rows)
        exports.written(path, text)


def timeline(
    source: Source, *, model: Model | None = None, rate: float | None = None, track: int = 1
) -> Timeline:
    """Find the cues of score and the songs in a film, a show or any other long source.

    It is read block by block, so that memory hardly grows with its length. Speech and
    sounds over the music do not end a cue; cues of one kind that follow one another are parted
    where the music clearly changes.

    Parameters
    ----------
    source : path, open binary file, or array of samples shaped ``(frames,)`` or
        ``(frames, channels)``.
    model : by default the one that ships with the package.
    rate : sample rate of an array in Hz.
    track : which sound track of a film, from 1.

    Raises
    ------
    AudioError : the source cannot be read, holds too little sound or has no such track.

    Examples
    --------
    >>> import numpy as np
    >>> print(timeline(np.zeros(44100), rate=22050).segments[0])
    0:00:00.0  0:00:02.0  no_music
    """
    return of_audio(open_audio(source, rate=rate, track=track), model=model)


def of_audio(
    audio: Audio,
    *,
    model: Model | None = None,
    progress: Callable[[Audio], Iterable[Samples]] = iter,
    again: Again = iter,
) -> Timeline:
    """The timeline of an opened source: `progress` may count its blocks, and `again` the cues to be heard again, as they pass."""
    model = model or default_model()
    with one_blas_thread(), Spool() as spool:  # many small products: threads would only wait for one another
        heard = listen(progress(audio), model, spool)
        evidence = without_backgrounds(weigh(heard, model), heard, spool, model)
        evidence = heard_again(evidence, heard, spool, model, again)
    warn_if_odd(audio, heard.duration_s, silent=not heard.sounding.any())
    return Timeline(
        source=audio.name,
        duration_s=heard.duration_s,
        segments=tuple(_segment(run, heard.duration_s, evidence, model) for run in evidence.runs()),
        curve=_curve(heard, evidence, model),
        band=model.band,
        warnings=tuple(audio.warnings),
        model_id=model.model_id,
    )


def _segment(run: Run, duration_s: float, evidence: Evidence, model: Model) -> Segment:
    """A run with its label, and as sure of it as the model would be of a clip with the same numbers."""
    first, end, state = run
    part = slice(first, end)
    probability = float(expit(evidence.song[part].mean()))
    called, sure = model.call(probability, float((evidence.music[part] > 0).mean()))
    return Segment(
        start_s=first * SEGMENT_S,
        end_s=duration_s if end == len(evidence.music) else end * SEGMENT_S,
        label=STATES[state],
        song_probability=probability,
        confident=sure and called == STATES[state],
        vocal_fraction=float(evidence.sung[part].mean()),
    )


def _curve(heard: Heard, evidence: Evidence, model: Model) -> Curve:
    music = expit(evidence.music)
    voice = voice_in(heard.heads, model.ear.heads, evidence.song) - model.voice_threshold
    song, music, voice = (v.astype(np.float32) for v in (expit(evidence.song), music, music * expit(voice)))
    return Curve(SEGMENT_S, song, music, voice, heard.level_db)
