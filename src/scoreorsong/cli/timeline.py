"""A film or show → where its score and its songs are: `score-or-song timeline`."""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import ExportError
from .common import OK, chosen_model, command, exit_code, progress_shown

if TYPE_CHECKING:
    from ..audio import Audio, Samples
    from ..timelines import Timeline

ENDINGS: Final = {
    "audacity": ".txt", "csv": ".csv", "json": ".json", "jams": ".jams", "otio": ".otio", "edl": ".edl",
    "cuesheet": ".html", "webvtt": ".vtt", "rttm": ".rttm",
}  # fmt: skip
IN_FRAMES: Final = ("otio", "edl", "cuesheet")

Write: TypeAlias = "Callable[[Timeline, Path], None]"


def add(commands: Any) -> None:
    example = "score-or-song timeline film.mkv -o film.edl --fps 25 --plot film.html"
    what = "say where in a film or show there is score, where a song, where no music"
    parser = command(commands, "timeline", run, what, example)
    parser.add_argument("file", metavar="FILE", help="a film, a show or any other long recording")
    parser.add_argument(
        "-o", "--output", action="append", default=[], metavar="OUT",
        help="what to write: " + ", ".join(f"{ending} ({name})" for name, ending in ENDINGS.items())
        + "; more than once for more than one; without it, readable lines on stdout",
    )  # fmt: skip
    parser.add_argument(
        "--format",
        choices=ENDINGS,
        help="of OUT, where its ending does not say; with cuesheet, .csv is a table and .html a page",
    )
    parser.add_argument(
        "--plot", metavar="P", help="also draw it: .png, .svg, .pdf, or .html, a page that plays the file"
    )
    parser.add_argument(
        "--fps",
        help="frame rate of otio, edl and cuesheet, e.g. 23.976, 25, 29.97 (drop-frame) or 29.97ndf (default: 24)",
    )
    parser.add_argument(
        "--start-timecode",
        metavar="TC",
        help="of the first frame in otio, edl and cuesheet (default: 00:00:00:00)",
    )
    parser.add_argument("--usage-map", metavar="TOML", help="usage codes to suggest in cuesheet")
    parser.add_argument(
        "--track", type=int, default=1, metavar="N", help="sound track of a film (default: 1)"
    )
    parser.add_argument("--model", metavar="MODEL", help="a model file instead of the shipped model")


def run(options: argparse.Namespace) -> int:
    from ..audio import open_audio
    from ..timelines import of_audio

    audio = open_audio(options.file, track=options.track)
    outputs = _outputs(options)
    for path, write in outputs.items():
        _check(path, write, options.file)
    timeline = of_audio(audio, model=chosen_model(options.model), progress=_counted, again=_counted_again)
    failed = sum(not _written(timeline, path, write) for path, write in outputs.items())
    if failed or not options.output:
        print(timeline)  # what was heard is not lost with a full disk
    else:
        for warning in timeline.warnings:
            print(f"score-or-song: {options.file}: {warning}", file=sys.stderr)
    return exit_code(failed, len(outputs)) if outputs else OK


# ---- what to write


def _outputs(options: argparse.Namespace) -> dict[str, Write]:
    """How to write each file that is asked for."""
    if options.format and len(options.output) != 1:
        raise ExportError(f"--format {options.format}: goes with one -o OUT")
    formats = {path: options.format or _format_of(path) for path in options.output}
    _check_used(options, set(formats.values()))
    outputs = {path: _exporter(name, options) for path, name in formats.items()}
    if options.plot in outputs:
        raise ExportError(f"{options.plot}: is named twice; give the plot another name")
    return {**outputs, **({options.plot: _plotter(options.plot)} if options.plot else {})}


def _format_of(path: str) -> str:
    ending = Path(path).suffix.lower()
    for name, known in ENDINGS.items():
        if ending == known:
            return name
    raise ExportError(
        f"{path}: has the ending {ending!r}; expected {', '.join(ENDINGS.values())}, or say --format"
    )


def _check_used(options: argparse.Namespace, formats: set[str]) -> None:
    """Refuse options that none of the formats heeds."""
    for flag, value, heeding in (
        ("--fps", options.fps, IN_FRAMES),
        ("--start-timecode", options.start_timecode, IN_FRAMES),
        ("--usage-map", options.usage_map, ("cuesheet",)),
    ):
        if value is not None and formats.isdisjoint(heeding):
            raise ExportError(f"{flag}: goes with -o OUT in the format {', '.join(heeding)}")


def _exporter(name: str, options: argparse.Namespace) -> Write:
    from ..timelines import Timeline

    chosen = {"fps": options.fps, "start_timecode": options.start_timecode} if name in IN_FRAMES else {}
    if name == "cuesheet":
        chosen["usage_map"] = options.usage_map
    method = Timeline.to_cue_sheet if name == "cuesheet" else getattr(Timeline, f"to_{name}")
    return partial(method, **{option: value for option, value in chosen.items() if value is not None})


def _plotter(path: str) -> Write:
    if path.lower().endswith(".html"):
        from ..player import write_player

        return write_player
    from ..plots import write_plot

    return write_plot


def _check(path: str, write: Write, source: str) -> None:
    """Write a timeline of nothing beside it, so that what cannot work fails before the long work."""
    if os.path.isdir(path):
        raise ExportError(f"{path}: is a folder; name the file to write in it")
    if os.path.exists(path) and os.path.samefile(path, source):
        raise ExportError(f"{path}: is the file to hear; name another for the output")
    try:
        with tempfile.TemporaryDirectory(prefix=".score-or-song-", dir=Path(path).parent) as folder:
            write(_nothing(), Path(folder, "timeline").with_suffix(Path(path).suffix))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ExportError(
            f"{path}: cannot be written ({reason}); choose a folder that exists and is yours"
        ) from error


def _nothing() -> Timeline:
    import numpy as np

    from ..segments import Curve
    from ..timelines import Timeline

    empty = np.zeros(0, np.float32)
    return Timeline("", 0.0, (), Curve(1.0, empty, empty, empty, empty), (0.5, 0.5), (), "")


def _written(timeline: Timeline, path: str, write: Write) -> bool:
    try:
        write(timeline, Path(path))
    except ExportError as error:
        print(f"score-or-song: {error}", file=sys.stderr)
        return False
    count = [segment.label for segment in timeline.segments].count
    told = ", ".join(f"{count(label)} {label}" for label in ("score", "song", "no_music"))
    print(f"{path}: {len(timeline.segments)} segments: {told}", file=sys.stderr)
    return True


# ---- progress


def _counted(audio: Audio) -> Iterator[Samples]:
    """The blocks of a source, by the second, counted off on stderr."""
    seconds = _by_second(audio)
    first = next(seconds)  # with it the length is known
    total = math.ceil(audio.announced_s) or None
    return progress_shown(chain([first], seconds), total, unit="s of sound")


def _counted_again(cues: list[slice]) -> Iterator[slice]:
    """The same cues, counted off on stderr."""
    return progress_shown(cues, len(cues), unit=" cues heard again")


def _by_second(audio: Audio) -> Iterator[Samples]:
    """Blocks of a second each: some decoders give far shorter ones."""
    import numpy as np

    from ..audio import RATE_HZ

    rest = np.zeros(0, np.float32)
    for block in audio:
        rest = np.concatenate([rest, block])
        while len(rest) >= RATE_HZ:
            yield rest[:RATE_HZ]
            rest = rest[RATE_HZ:]
    if len(rest):
        yield rest
