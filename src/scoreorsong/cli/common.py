"""What the commands share: arguments → values, work → progress on stderr, results → exit codes."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ..errors import readable

if TYPE_CHECKING:
    from ..model import Model

OK, SOME_FAILED, NOTHING_DONE = 0, 1, 2
LINE_EVERY_S: Final = 30.0
MAX_TIMEOUT_S: Final = 1e6


def command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], what: str, example: str
) -> Any:
    parser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_verbose(parser, default=argparse.SUPPRESS)  # so as not to undo one before the command
    parser.set_defaults(run=run)
    return parser


def add_verbose(parser: argparse.ArgumentParser, *, default: Any = False) -> None:
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=default, help="tell on stderr of each step"
    )


def chosen_model(path: str | None) -> Model:
    from ..model import load_model
    from ..prediction import default_model

    return load_model(path) if path else default_model()


def told(text: object) -> str:
    """Text for a terminal: as it is, but for what a name or a card from elsewhere might make it do."""
    return "\n".join(map(readable, str(text).split("\n")))


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return readable(super().format(record))


def log_to_stderr(*, verbose: bool) -> None:
    """Show the library's messages from warnings up, or with -v from information up."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("score-or-song: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("scoreorsong").setLevel(logging.INFO if verbose else logging.WARNING)


def jobs(text: str) -> int:
    count = int(text)
    if count == 0 or count < -1:
        raise argparse.ArgumentTypeError("expected a number of processes from 1, or -1 for all cores")
    return count


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= MAX_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to {MAX_TIMEOUT_S:g}")
    return value


def add_table_options(parser: Any) -> None:
    """How a table is filled: by how many, how patiently, and from where on."""
    parser.add_argument("--jobs", type=jobs, metavar="N", help="worker processes (default: 1; -1: all cores)")
    parser.add_argument(
        "--timeout",
        type=seconds,
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


def exit_code(failed: int, total: int) -> int:
    return OK if not failed else NOTHING_DONE if failed == total else SOME_FAILED


def progress_shown(work: Iterable[Any], total: int | None, *, unit: str = "it") -> Iterator[Any]:
    """Count work off on stderr: a bar on a terminal, a line now and then elsewhere."""
    from tqdm import tqdm

    if sys.stderr.isatty():
        yield from tqdm(work, total=total, unit=unit, dynamic_ncols=True)
        return
    begin = last = time.monotonic()
    for done, piece in enumerate(work, 1):
        yield piece
        now = time.monotonic()
        if now - last >= LINE_EVERY_S or done == total:
            last = now
            print(
                tqdm.format_meter(done, total, now - begin, ncols=0, unit=unit), file=sys.stderr, flush=True
            )


def silent(work: Iterable[Any], total: int) -> Iterable[Any]:
    return work
