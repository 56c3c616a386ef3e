"""The program and its model → the parts of README and of the pages that tell of them.

A call such as ``{{ limits() }}`` stands for what it returns. The pages are filled while
mkdocs builds them. README.md holds such templates in comments that readers do not
see, each with what it was filled to after it; a test compares the two, and

    python docs/blocks.py

writes it anew, and the picture of a timeline.
"""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import soundfile
from jinja2 import Environment, StrictUndefined

import scoreorsong

# Of these rooms the pages tell the constants too.
from scoreorsong import audio, decision, ears, features, fitting, hearing, metric, model, prediction, spectra  # noqa: F401
from scoreorsong import backgrounds as backgrounds
from scoreorsong import evidence as evidence
from scoreorsong import listening as listening
from scoreorsong.audio import read_audio
from scoreorsong.card import card_text, figure_lines
from scoreorsong.cli import _parser
from scoreorsong.features import schema, structure, vocals  # noqa: F401
from scoreorsong.figures import LINES
from scoreorsong.plots import write_plot
from scoreorsong.prediction import default_model, predict

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
EXAMPLES = ROOT / "examples"
PICTURE = ROOT / "docs" / "images" / "timeline.png"
SCENES = ("speech", "score-orchestral", "speech", "song-sung", "score-ambient", "speech")
LICENCES = {
    "av": "PyAV (BSD-3-Clause, with FFmpeg under LGPL)",
    "distributed": "Dask (BSD-3-Clause)",
    "joblib": "joblib (BSD-3-Clause)",
    "librosa": "librosa (ISC)",
    "matplotlib": "Matplotlib (PSF-like)",
    "numpy": "NumPy (BSD-3-Clause)",
    "opentimelineio": "OpenTimelineIO (Apache-2.0)",
    "pyarrow": "PyArrow (Apache-2.0)",
    "scikit-learn": "scikit-learn (BSD-3-Clause)",
    "scipy": "SciPy (BSD-3-Clause)",
    "soundfile": "soundfile (BSD-3-Clause, with libsndfile under LGPL)",
    "soxr": "soxr (LGPL-2.1-or-later)",
    "threadpoolctl": "threadpoolctl (BSD-3-Clause)",
    "tqdm": "tqdm (MPL-2.0 and MIT)",
}
EXCERPTS = (
    ("score-ambient", 0), ("score-ambient", 10), ("score-orchestral", 5),
    ("song-instrumental", 5), ("song-sung", 0), ("song-sung", 10),
)  # fmt: skip
EXCERPT_S = 5
HELP_COLUMNS = "88"
MARKED = re.compile(r"(<!-- filled from:(.*?)-->\n).*?(<!-- end -->)", re.DOTALL)


def filled(template: str) -> str:
    """A template with what its calls return in their place."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    environment.globals |= globals()
    environment.filters["formula"] = formula
    return environment.from_string(template).render()


def renewed(readme: str) -> str:
    """README with what its templates are filled to after each."""
    return MARKED.sub(lambda found: f"{found[1]}\n{filled(found[2]).strip()}\n\n{found[3]}", readme)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What mkdocs makes a page of."""
    return filled(markdown)


def shell(command: str, *, lines: int | None = None) -> str:
    """A command, and the first lines of what it prints."""
    output = _output(command).splitlines()
    more = ["..."] if lines and len(output) > lines else []
    return "\n\n".join([_fence([command]), _fence(output[:lines] + more)])


def _output(command: str) -> str:
    options: dict[str, Any] = {"shell": True, "capture_output": True, "text": True, "check": False}
    done = subprocess.run(command, cwd=workplace().name, env={**os.environ, **paths()}, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def paths() -> dict[str, str]:
    """The environment in which the command is found, also where it is not installed."""
    path = f"{workplace().name}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}


@cache
def workplace() -> tempfile.TemporaryDirectory[str]:
    """A folder to work in, which goes with the process: the command, the examples, a film and clips of them."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "examples").symlink_to(EXAMPLES)
    scenes = [read_audio(EXAMPLES / f"{scene}.ogg") for scene in SCENES]
    soundfile.write(Path(folder.name) / "film.flac", np.concatenate(scenes), audio.RATE_HZ)
    for name, start_s in EXCERPTS:
        samples = read_audio(EXAMPLES / f"{name}.ogg")[start_s * audio.RATE_HZ :][: EXCERPT_S * audio.RATE_HZ]
        clip = Path(folder.name, "clips", name.split("-")[0], f"{name}-{start_s}.flac")
        clip.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(clip, samples, audio.RATE_HZ)
    command = Path(folder.name) / "score-or-song"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scoreorsong "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return folder


def _fence(lines: Iterable[str]) -> str:
    return "\n".join(["```", *lines, "```"])


def draw(path: Path) -> None:
    """The picture of the film's timeline."""
    write_plot(scoreorsong.timeline(Path(workplace().name) / "film.flac"), path)


def figures(asked: Mapping[str, str]) -> str:
    """Figures of the shipped model as a table, by what readers shall read in place of their names."""
    shown = [_figure(name) | {"name": words} for words, name in asked.items()]
    return "\n".join(figure_lines({"figures": shown}))


def percent(name: str) -> str:
    """A figure of the shipped model and its interval, in per cent."""
    figure = _figure(name)
    return f"{100 * figure['value']:.0f} % ({100 * figure['low']:.0f} to {100 * figure['high']:.0f})"


def lines() -> str:
    """How many songs and scores are called songs, by the probability from which on one calls them so."""
    named = [
        [f"{label}s called songs, if from {least:g} on" for label in ("song", "score")] for least in LINES
    ]
    rows = [(f"{least:g}", *map(percent, names)) for least, names in zip(LINES, named, strict=True)]
    header = ("a song from", "songs called so", "scores called so")
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def songs_known() -> str:
    """The share of songs among the clips that the shipped model was calibrated on."""
    clips = default_model().card["clips_by_label"]
    return f"{clips['song'] / sum(clips.values()):.2f}"


def _figure(name: str) -> dict[str, Any]:
    found = {figure["name"]: figure for figure in default_model().card["figures"]}
    if name not in found:
        raise LookupError(f"the card has no figure {name!r}; it has: {'; '.join(found)}")
    return dict(found[name])


def examples_missed() -> str:
    """Which of the examples are not called what their names say."""
    labels = {path: path.stem.split("-")[0].replace("speech", "no_music") for path in EXAMPLES.glob("*.ogg")}
    missed = sorted(f"`{path.name}`" for path, label in labels.items() if predict(path).label != label)
    return (
        f"Called wrong among these: {' and '.join(missed)}." if missed else "All of these are called right."
    )


def limits() -> str:
    """What the card says of the model's limits."""
    return "\n".join(f"- {limit}" for limit in default_model().card["limits"])


def card() -> str:
    """The card of the shipped model, its headings one level down."""
    return re.sub(r"^#", "##", card_text(default_model()), flags=re.MULTILINE)


def tags() -> int:
    """How many tags of the teacher the ear knows."""
    return sum(
        head.startswith(hearing.TAG) and head != hearing.STANDALONE for head in default_model().ear.heads
    )


def corpus() -> str:
    """Where the training audio came from."""
    with (ROOT / "data" / "corpus.csv").open(newline="", encoding="utf-8") as file:
        sources = [row["source"] for row in csv.DictReader(file)]
    places = {re.split("[=@]", source)[0] for source in sources}
    kinds = Counter(source.partition(":")[0] for source in sources)
    return (
        f"{len(sources)} clips from {len(places)} public sources: {kinds['debian']} out of packages of Debian,\n"
        f"{kinds['github']} out of public repositories."
    )


def dependencies() -> str:
    """What is installed with it, and with each extra, under which licences."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [
        f"with `[{extra}]` {_licences(of)}" for extra, of in sorted(project["optional-dependencies"].items())
    ]
    return fill("; ".join([_licences(project["dependencies"]), *extras]) + ".", 100, break_on_hyphens=False)


def _licences(requirements: Iterable[str]) -> str:
    return ", ".join(LICENCES[re.split("[<>=~!]", requirement)[0]] for requirement in requirements)


def feature_tables() -> str:
    """The features, a table per family."""
    lines = []
    for family, members in groupby(schema.FEATURES, key=lambda feature: feature.family):
        rows = [f"| `{f.name}` | {f.unit} | {f.low:g} to {f.high:g} | {f.meaning} |" for f in members]
        lines += [
            f"\n## {family}: {len(rows)} features\n",
            "| name | unit | range | meaning |",
            "|---|---|---|---|",
        ]
        lines += rows
    return "\n".join(lines)


def commands() -> str:
    """The help of every command."""
    os.environ["COLUMNS"] = HELP_COLUMNS
    return "\n\n".join(
        f"## {name}\n\n{_fence(parser.format_help().splitlines())}" for name, parser in _commands()
    )


def _commands() -> Iterator[tuple[str, ArgumentParser]]:
    parser = _parser()
    yield "score-or-song", parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            yield from action.choices.items()


def usage_map() -> str:
    """The shipped map of usage codes, for cue sheets."""
    return files("scoreorsong.pages").joinpath("usage.toml").read_text(encoding="utf-8").strip()


def public_names() -> str:
    """Every public name, for mkdocstrings to document; errors last."""
    rooms = {name: room for room, names in scoreorsong._ROOMS.items() for name in names}
    order = sorted(rooms, key=lambda name: (name.endswith("Error"), name.lower()))
    return "\n\n".join(f"::: scoreorsong.{rooms[name]}.{name}" for name in order)


def formula(latex: str) -> str:
    """A formula as MathML, which browsers draw by themselves."""
    from latex2mathml.converter import convert  # the pages need it, README does not

    return f'<p class="formula">{convert(latex.strip(), display="block")}</p>'


if __name__ == "__main__":
    draw(PICTURE)
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
