"""Arguments → the functions of the other rooms → exit code.

Exit codes: 0 all well; 1 some inputs failed and the rest are done; 2 wrong usage or
nothing could be done. Results go to stdout, messages and progress to stderr.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from . import __version__
from .errors import AudioError, ScoreOrSongError

if TYPE_CHECKING:
    from .features import Features
    from .model import Model

OK, SOME_FAILED, NOTHING_DONE = 0, 1, 2
LINE_EVERY_S: Final = 30.0
MAX_TIMEOUT_S: Final = 1e6
SENSIBLE_SEEDS: Final = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    if getattr(sys.stdout, "errors", "") == "strict":  # a file may have a name that is no text
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except ScoreOrSongError as error:
        print(f"score-or-song: {error}", file=sys.stderr)
        return NOTHING_DONE
    except KeyboardInterrupt:
        print("score-or-song: stopped", file=sys.stderr)
        return NOTHING_DONE
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        _write_no_more()
        return OK
    except OSError as error:  # e.g. a full disk
        print(f"score-or-song: {error}", file=sys.stderr)
        _write_no_more()
        return NOTHING_DONE


def _write_no_more() -> None:
    """Drop what is still buffered for stdout, so that Python does not fail over it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="score-or-song", description="Hears whether a clip is score (underscore) or a standalone song."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(verbose=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_scan(commands)
    _add_features(commands)
    _add_train(commands)
    _add_report(commands)
    _add_info(commands)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], what: str, example: str
) -> Any:
    parser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on stderr")
    parser.set_defaults(run=run)
    return parser


def _add_predict(commands: Any) -> None:
    example = "score-or-song predict cue.wav --explain"
    parser = _command(commands, "predict", _predict, "say of each file whether it is score or song", example)
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio files")
    parser.add_argument("--model", metavar="MODEL", help="a model file instead of the shipped model")
    parser.add_argument(
        "--jobs", type=_jobs, metavar="N", help="worker processes (default: 1; -1: all cores)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per line, with the reasons")
    form.add_argument("--explain", action="store_true", help="add the strongest reasons to each line")


def _predict(options: argparse.Namespace) -> int:
    from .prediction import Failure, predict_many

    failed = 0
    for result in predict_many(options.files, jobs=options.jobs, model=_model(options.model)):
        if isinstance(result, Failure):
            failed += 1
            print(f"score-or-song: {result}", file=sys.stderr)
            if options.json:
                print(json.dumps({**result.to_dict(), "status": "error"}), flush=True)
        elif options.json:
            print(json.dumps({**result.to_dict(), "status": "ok"}), flush=True)
        else:
            print(result, flush=True)
            for reason in result.reasons if options.explain else ():
                print(f"    {reason.weight:+.2f}  {reason.sentence}", flush=True)
    return _code(failed, len(options.files))


def _add_scan(commands: Any) -> None:
    example = "score-or-song scan library -o results.csv --jobs 4"
    what = "predict every audio file of a folder into a table; run again, it goes on where it ended"
    parser = _command(commands, "scan", _scan, what, example)
    parser.add_argument("folder", metavar="FOLDER", help="where to look for audio")
    parser.add_argument(
        "-o", "--output", required=True, metavar="TABLE", help="what to write: .csv, .jsonl or .parquet"
    )
    parser.add_argument("--pattern", default="*", metavar="GLOB", help="only names such as '*.mp3'")
    parser.add_argument("--no-recursive", action="store_true", help="leave out the folders below")
    parser.add_argument("--model", metavar="MODEL", help="a model file instead of the shipped model")
    parser.add_argument(
        "--jobs", type=_jobs, metavar="N", help="worker processes (default: 1; -1: all cores)"
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="work on the cluster of this Dask scheduler")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=600.0,
        metavar="S",
        help="give up a file after so many seconds (default: 600; 0: never)",
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with a table that is there (the default), or begin it anew",
    )
    parser.add_argument("--quiet", action="store_true", help="neither progress nor summary")


def _scan(options: argparse.Namespace) -> int:
    from .batch import scan

    try:
        summary = scan(
            options.folder,
            options.output,
            pattern=options.pattern,
            recursive=not options.no_recursive,
            jobs=options.jobs,
            model=_model(options.model),
            timeout_s=options.timeout or None,
            dask=options.dask,
            resume=options.resume,
            progress=_silent if options.quiet else _progress,
        )
    except KeyboardInterrupt:
        print(
            "score-or-song: what is done is kept; run the same command to go on",
            file=sys.stderr,
        )
        raise
    if not options.quiet:
        print(summary, file=sys.stderr)
    return _code(summary.counts["failed"], summary.total)


def _add_features(commands: Any) -> None:
    example = "score-or-song features cue.wav"
    parser = _command(commands, "features", _features, "print or write the named numbers of files", example)
    parser.add_argument("paths", nargs="+", metavar="FILE|FOLDER", help="audio files, or folders of them")
    parser.add_argument("-o", "--output", metavar="CSV", help="write one row per file to this CSV")
    parser.add_argument("--windows", action="store_true", help="with -o: one row per window of 10 s instead")


def _features(options: argparse.Namespace) -> int:
    from .extraction import extract

    if options.windows and not options.output:
        raise ScoreOrSongError("--windows: goes with -o CSV, one row per window")
    files, failed = _audio_files(options.paths), 0
    with _Output(options.output) as output:
        for path in files:
            try:
                features = extract(path, windows=options.windows)
            except AudioError as error:
                failed += 1
                print(f"score-or-song: {error}", file=sys.stderr)
                continue
            for warning in features.warnings:
                print(f"score-or-song: {path}: {warning}", file=sys.stderr)
            output.write(features, windows=options.windows)
    return _code(failed, len(files))


class _Output:
    """Where features go: a readable list on stdout, or rows of a CSV."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.file: TextIO | None = None

    def __enter__(self) -> _Output:
        from .features import schema

        if self.path is not None:
            try:
                self.file = Path(self.path).open("w", newline="", encoding="utf-8", errors="surrogateescape")
            except OSError as error:
                raise ScoreOrSongError(f"{self.path}: cannot be written ({error.strerror})") from error
            csv.writer(self.file).writerow(["path", "start_s", *schema.NAMES])
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def write(self, features: Features, *, windows: bool) -> None:
        from .features import WINDOW_S

        if self.file is None:
            print(f"{features.source}  ({features.duration_s:.1f} s)")
            for feature, value in features.items():
                print(f"  {feature.name:34} {value:12.5g} {feature.unit:10} {feature.meaning}")
            return
        rows = features.windows if windows else [features.clip]
        for i, row in enumerate(rows):
            csv.writer(self.file).writerow(
                [features.source, i * WINDOW_S, *(f"{value:.7g}" for value in row)]
            )


def _audio_files(paths: Iterable[str]) -> list[Path]:
    """The files named, and all audio in the folders named, sorted."""
    from .dataset import is_audio_file

    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted(filter(is_audio_file, path.rglob("*"))) if os.path.isdir(path) else [path]
        if not found:
            raise ScoreOrSongError(f"{path}: no audio in this folder")
        files += found
    return files


def _add_train(commands: Any) -> None:
    example = "score-or-song train labels.csv -o my.model --jobs 2"
    parser = _command(commands, "train", _train, "train a model on one's own labels", example)
    parser.add_argument(
        "labels", metavar="LABELS", help="CSV with path,label[,group,...], or a folder with score/ and song/"
    )
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="the model file to write")
    parser.add_argument(
        "--audio-root", metavar="FOLDER", help="what paths are relative to (default: the CSV's folder)"
    )
    parser.add_argument(
        "--jobs", type=_jobs, metavar="N", help="worker processes (default: 1; -1: all cores)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument(
        "--cv-seeds",
        type=int,
        default=2,
        choices=range(1, SENSIBLE_SEEDS + 1),
        help="cross-validations to run (default: 2)",
    )


def _train(options: argparse.Namespace) -> int:
    from .card import figure_lines
    from .training import train

    if os.path.isdir(options.output):
        raise ScoreOrSongError(f"{options.output}: is a folder; name the file to write in it")
    if not os.path.isdir(Path(options.output).absolute().parent):
        raise ScoreOrSongError(f"{options.output}: no such folder; make it first")
    model = train(
        options.labels,
        audio_root=options.audio_root,
        jobs=options.jobs,
        random_state=options.seed,
        seeds=range(options.cv_seeds),
        progress=_progress,
    )
    model_id = model.save(options.output)
    print(f"{options.output}: model {model_id}")
    print("\n".join(figure_lines(model.card)))
    return OK


def _add_report(commands: Any) -> None:
    example = "score-or-song report results.csv -o report.html"
    parser = _command(commands, "report", _report, "make one HTML page of a results table", example)
    parser.add_argument(
        "results", metavar="RESULTS", help="a table that scan wrote: .csv, .jsonl or .parquet"
    )
    parser.add_argument("-o", "--output", required=True, metavar="HTML", help="the page to write")


def _report(options: argparse.Namespace) -> int:
    from .report import write_report
    from .results import read_results

    results = read_results(options.results)
    if results.note:
        print(f"score-or-song: {results.note}", file=sys.stderr)
    count = write_report(results, options.output)
    told = ", ".join(f"{n} {kind}" for kind, n in count.items())
    print(f"{options.output}: {len(results.rows)} files: {told}")
    return OK


def _add_info(commands: Any) -> None:
    example = "score-or-song info"
    parser = _command(
        commands, "info", _info, "print a model's card: what it was trained on and how it did", example
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a model file (default: the shipped model)")
    parser.add_argument("--json", action="store_true", help="the whole card as JSON")


def _info(options: argparse.Namespace) -> int:
    model = _model(options.model)
    if options.json:
        print(
            json.dumps(
                {"model_id": model.model_id, **model.card}, indent=1, default=lambda array: array.tolist()
            )
        )
    else:
        from .card import card_text

        print(card_text(model))
    return OK


def _model(path: str | None) -> Model:
    from .model import load_model
    from .prediction import default_model

    return load_model(path) if path else default_model()


def _jobs(text: str) -> int:
    jobs = int(text)
    if jobs == 0 or jobs < -1:
        raise argparse.ArgumentTypeError("expected a number of processes from 1, or -1 for all cores")
    return jobs


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to {MAX_TIMEOUT_S:g}")
    return seconds


def _code(failed: int, total: int) -> int:
    return OK if not failed else NOTHING_DONE if failed == total else SOME_FAILED


def _progress(work: Iterable[Any], total: int) -> Iterator[Any]:
    """Count work off on stderr: a bar on a terminal, a line now and then elsewhere."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        yield from tqdm(work, total=total, dynamic_ncols=True)
        return
    begin = last = time.monotonic()
    for done, piece in enumerate(work, 1):
        yield piece
        now = time.monotonic()
        if now - last >= LINE_EVERY_S or done == total:
            last = now
            print(tqdm.format_meter(done, total, now - begin, ncols=0), file=sys.stderr, flush=True)


def _silent(work: Iterable[Any], total: int) -> Iterable[Any]:
    return work
