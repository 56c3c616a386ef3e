"""Long media → where the score, the songs and the rest are.

Conventions: times are seconds from the start of the source; segments follow one another without
gap or overlap from 0 to its end. `listening` says what is heard at every point of half a second.
Here that becomes evidence for three states and for changes between them, and `decoding`
finds the likeliest sequence: points in a row hear much the same, so that each counts for a fraction
only, and a change must pay for itself by the evidence on both sides. What is found is heard again
where least is spoken over it, and the sequence then found anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from scipy.special import expit, log_expit

from . import exports
from .audio import Audio, Samples, Source, open_audio
from .blas import one_blas_thread
from .cuesheet import cue_sheet_page, cue_sheet_table, cues, read_usage_map
from .decision import Matrix
from .decoding import Run, decode, novelty
from .extraction import warn_if_odd
from .features import SEGMENT_S
from .hearing import MUSIC, SPEECH, voice_in
from .listening import Heard, glimpses, listen
from .model import Model
from .prediction import default_model
from .segments import Curve, Segment
from .spectra import Array
from .spool import Spool
from .timecode import DEFAULT_FPS, DEFAULT_START, frame_rate

Path: TypeAlias = str | os.PathLike[str]
Fps: TypeAlias = float | str
Again: TypeAlias = Callable[[list[slice]], Iterable[slice]]

STATES: Final = ("score", "song", "no_music")
SHORTEST_S: Final = (4.0, 4.0, 2.0)  # of a segment in each state
NOVELTY_POINTS: Final = round(5.0 / SEGMENT_S)  # to either side of a change
DIALOGUE_LOGIT: Final = 1.5  # added to the logit of music where someone speaks, who masks it
SPEECH_POINTS: Final = 7  # over which the ear's word on speech is averaged
SUREST: Final = (
    3.0  # logit of music, to either side: beyond it a neighbour of a change would outvote its novelty
)
# What a point adds to the evidence: windows overlap and neighbours agree, so that it counts for a fraction.
SONG_WEIGHT: Final = 0.07
MUSIC_WEIGHT: Final = 0.4
# How much less a window tells of the music in it, the more the sound changes within; and how much one
# without music still does.
PURITY: Final = 20.0
LEAST_MUSIC: Final = 0.02
# How much the glimpses of a cue count beside its windows where everything is spoken over.
GLIMPSE_WEIGHT: Final = 3.0
# The cost of a change where the sound stays the same, in nats, and what it falls by per unit of novelty:
# half a minute, which a cue lasts, has 60 points at which it might have ended (log 60 = 4).
CHANGE_COST: Final = 4.0
NOVELTY_GAIN: Final = 10.0
LEAST_COST: Final = 0.3
# From which novelty on a change within one label is a new cue, where nobody speaks, and what that gains.
NEW_CUE_NOVELTY: Final = 0.35
NEW_CUE_GAIN: Final = 0.5


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
        evidence = heard_again(weigh(heard, model), heard, spool, model, again)
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


@dataclass(frozen=True)
class Evidence:
    """What speaks for each state and for a change, at every point.

    Attributes
    ----------
    music, song : ``(points,)`` logit that there is music, and that it is a song.
    sung : ``(points,)`` whether someone sings.
    change : ``(points,)`` novelty before a point, 0 to 1.
    clear : ``(points,)`` how surely nobody speaks before or after a point, where novelty looks, 0 to 1.
    """

    music: Matrix
    song: Matrix
    sung: npt.NDArray[np.bool_]
    change: Matrix
    clear: Matrix

    def runs(self) -> list[Run]:
        """The likeliest sequence of `STATES`."""
        return decode(self.gains(), self.costs(), [round(s / SEGMENT_S) for s in SHORTEST_S])

    def gains(self) -> Matrix:
        """The log likelihood of each of `STATES`, ``(points, 3)``."""
        there = MUSIC_WEIGHT * log_expit(self.music)
        score_or_song = [there + SONG_WEIGHT * log_expit(sign * self.song) for sign in (-1, 1)]
        return np.array([*score_or_song, MUSIC_WEIGHT * log_expit(-self.music)]).T

    def costs(self) -> Matrix:
        """Of a boundary before each point from one state to another, ``(points, 3, 3)``."""
        changes = np.maximum(CHANGE_COST - NOVELTY_GAIN * self.change, LEAST_COST)
        costs = np.tile(changes[:, None, None], (1, len(STATES), len(STATES)))
        costs[:, [0, 1], [0, 1]] = np.where(self.new_cues(), -NEW_CUE_GAIN, np.inf)[:, None]
        costs[:, 2, 2] = np.inf  # no music is never parted from no music
        return costs

    def new_cues(self) -> npt.NDArray[np.bool_]:
        """Where a cue may follow another of its label: at peaks of novelty that no speech explains."""
        peaks = self.change == scipy.ndimage.maximum_filter1d(self.change, 2 * NOVELTY_POINTS + 1)
        return np.asarray(peaks & (self.change * self.clear > NEW_CUE_NOVELTY))


def weigh(heard: Heard, model: Model) -> Evidence:
    """What was heard → the evidence in it."""
    change = novelty(_standardised(heard.heads), NOVELTY_POINTS)
    speech = _speech(heard, model)
    music = heard.heads[:, model.ear.heads.index(MUSIC)] + DIALOGUE_LOGIT * speech
    music = np.where(heard.sounding > 0, np.clip(music, -SUREST, SUREST), -SUREST)
    song = heard.over_points(heard.song, _trust(heard, change, expit(music)))
    return Evidence(
        music=music,
        song=song,
        sung=model.sung_segments(heard.heads, heard.sounding == 0, song),
        change=change,
        clear=1 - scipy.ndimage.maximum_filter1d(speech, 2 * NOVELTY_POINTS + 1),
    )


def heard_again(
    evidence: Evidence, heard: Heard, spool: Spool, model: Model, again: Again = iter
) -> Evidence:
    """The evidence, that for a song weighed against what each run of music sounds like where least is spoken over it."""
    weights, song = GLIMPSE_WEIGHT * heard.spoken(), evidence.song.copy()
    music = (slice(first, end) for first, end, state in evidence.runs() if STATES[state] != "no_music")
    parts = [part for part in music if weights[part].any()]  # never any of a model that knows no dialogue
    for part, glimpse in zip(parts, glimpses(heard, evidence.music, again(parts), spool, model), strict=True):
        weight = weights[part].mean()
        song[part] = (song[part] + weight * glimpse) / (1 + weight)
    return replace(evidence, song=song, sung=model.sung_segments(heard.heads, heard.sounding == 0, song))


def _speech(heard: Heard, model: Model) -> Matrix:
    """How surely someone speaks, ``(points,)``: as the windows say or as the ear does, who hears what the gate lets pass."""
    told = heard.heads[:, model.ear.heads.index(SPEECH)].astype(np.float64)
    told = expit(scipy.ndimage.uniform_filter1d(told, SPEECH_POINTS, mode="nearest"))
    return np.maximum(told, heard.spoken())


def _trust(heard: Heard, change: Matrix, music: Matrix) -> Matrix:
    """How far to trust the windows' word on song or score, ``(windows,)``.

    The more, the more music is in it; the less, the more it changes in its midst: a window across a
    change tells of neither side.
    """
    inside = np.array([change[part][2:-1].max(initial=0) for part in heard.windows()])
    share = np.array([music[part].mean() for part in heard.windows()])
    return np.asarray(np.exp(-PURITY * inside) * (LEAST_MUSIC + share))


def _standardised(rows: Array) -> Array:
    """Deviations from the source's own mean: what it has in common throughout makes nothing alike."""
    mean, spread = (of(axis=0, dtype=np.float64).astype(np.float32) for of in (rows.mean, rows.std))
    return np.asarray((rows - mean) / (spread + np.float32(1e-6)))


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
