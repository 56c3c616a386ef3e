"""Arguments → the functions of the other rooms → exit code.

Exit codes: 0 all well; 1 some inputs failed and the rest are done; 2 wrong usage or
nothing could be done. Results go to stdout, messages and progress to stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import ScoreOrSongError
from . import evaluate, features, info, predict, report, scan, timeline, train
from .common import NOTHING_DONE, OK, add_verbose, log_to_stderr, told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    log_to_stderr(verbose=options.verbose)
    if getattr(sys.stdout, "errors", "") == "strict":  # a file may have a name that is no text
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except ScoreOrSongError as error:
        print(f"score-or-song: {told(error)}", file=sys.stderr)
        return NOTHING_DONE
    except KeyboardInterrupt:
        print("score-or-song: stopped", file=sys.stderr)
        return NOTHING_DONE
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        _write_no_more()
        return OK
    except OSError as error:  # e.g. a full disk
        print(f"score-or-song: {told(error)}", file=sys.stderr)
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
    add_verbose(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for room in (predict, scan, timeline, features, train, evaluate, report, info):
        room.add(commands)
    return parser
