"""README, the pages and the example files say what is so."""

from __future__ import annotations

import csv
import re
import shlex
from itertools import zip_longest

import blocks
import numpy as np
import pytest
from helpers import EXAMPLES, ROOT

import scoreorsong
from scoreorsong.card import card_text
from scoreorsong.cli import _parser
from scoreorsong.prediction import default_model
from scoreorsong.results import ALBUM_COLUMNS, COLUMNS

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CLOSE = 0.02  # how far a number may move with the versions of the libraries
NUMBER = re.compile(r"(\b\d+(?:\.\d+)?\b)")
MODEL_ID = re.compile(r"\b[0-9a-f]{12}\b")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def fences(page, kind):
    """The contents of the fences of one kind, as in ```kind."""
    found = re.findall(
        r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [content for this, content in found if this == kind]


def assert_alike(text, other):
    """The same lines, but for the last digits of numbers."""
    for line, wanted in zip_longest(text.splitlines(), other.splitlines(), fillvalue=""):
        words, wanted_words = (NUMBER.split(MODEL_ID.sub("ID", each)) for each in (line, wanted))
        assert words[::2] == wanted_words[::2]
        for number, wanted_number in zip(words[1::2], wanted_words[1::2], strict=True):
            assert float(number) == pytest.approx(float(wanted_number), abs=CLOSE), line


def test_readme_says_what_the_program_says():
    """If this fails because something was changed on purpose: python docs/blocks.py"""
    readme = README.read_text(encoding="utf-8")
    assert_alike(readme, blocks.renewed(readme))


def test_the_picture_is_of_the_shipped_model(tmp_path):
    """If this fails because something was changed on purpose: python docs/blocks.py"""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    blocks.draw(tmp_path / "timeline.png")
    drawn, kept = (pyplot.imread(path)[..., :3] for path in (tmp_path / "timeline.png", blocks.PICTURE))
    assert abs(drawn.shape[0] - kept.shape[0]) + abs(drawn.shape[1] - kept.shape[1]) < 10
    height, width = np.minimum(drawn.shape, kept.shape)[:2]
    assert np.abs(drawn[:height, :width] - kept[:height, :width]).mean() < CLOSE


def test_a_line_that_is_not_so_is_found():
    assert_alike("p(song) 0.12, model 64ce7633ddfe", "p(song) 0.13, model 0123456789ab")
    for other in ("p(song) 0.15", "p(song) 0.12  voice 0%", "", "p(song) 0.12\nmore"):
        with pytest.raises(AssertionError):
            assert_alike("p(song) 0.12", other)


@every_page
def test_commands_are_those_of_the_program(page):
    """Every line of a fence that calls the program is one that it takes."""
    lines = [line.strip() for fence in fences(page, "") for line in fence.splitlines()]
    for line in lines:
        if line.startswith("score-or-song "):
            words = shlex.split(line, comments=True)[1:]
            ends = [i for i, word in enumerate(words) if word in ("|", ">", "&&")]
            _parser().parse_args(words[: ends[0] if ends else None])


@every_page
def test_python_on_a_page_runs(page, monkeypatch):
    monkeypatch.chdir(blocks.workplace().name)
    names = {}
    for fence in fences(page, "python"):
        exec(compile(fence, page.name, "exec"), names)  # noqa: S102


@every_page
def test_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target


@every_page
def test_a_page_names_only_rooms_that_exist(page):
    for path in re.findall(
        r"`((?:src|tests|docs|benchmarks|models|data)/[\w./]+)`", page.read_text(encoding="utf-8")
    ):
        assert (ROOT / path).exists(), path


def test_the_guide_explains_every_column_of_a_table():
    guide = (ROOT / "docs" / "guides" / "folders.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", guide, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", " ".join(cells))) == (*COLUMNS, *ALBUM_COLUMNS)


def test_the_card_beside_the_model_is_its_card():
    card = (ROOT / "models" / "default.md").read_text(encoding="utf-8")
    assert card.strip() == card_text(default_model()).strip()


def test_every_public_name_is_in_the_reference():
    documented = re.findall(r"^::: scoreorsong\.\w+\.(\w+)$", blocks.public_names(), re.MULTILINE)
    assert sorted(documented) == sorted(scoreorsong.__all__)


def test_every_example_has_its_licence():
    licences = (ROOT / "examples" / "LICENSE.md").read_text(encoding="utf-8")
    assert all(f"### {path.name}" in licences for path in EXAMPLES)


def test_the_examples_were_not_learnt_from_but_for_the_one_that_says_so():
    with (ROOT / "data" / "corpus.csv").open(newline="", encoding="utf-8") as file:
        artists = {row["artist"].lower() for row in csv.DictReader(file)}
    assert "obsidian shell" in artists
    assert not artists & {"omri lahav", "lupusmechanicus", "renich"}


def test_the_table_of_slices_counts_the_corpus():
    with (ROOT / "data" / "corpus.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = re.findall(
        r"^\| `([\w-]+)` \| (\d+) \| (\d+) \|",
        (ROOT / "data" / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    groups = {part: {row["group"] for row in rows if row["slice"] == part} for part, _, _ in table}
    counts = {part: sum(row["slice"] == part for row in rows) for part in groups}
    assert table == [(part, str(counts[part]), str(len(groups[part]))) for part in groups]
    assert sum(counts.values()) == len(rows)


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {scoreorsong.__version__}\n" in citation


def test_the_changelog_begins_with_this_version_or_what_comes_after():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[([\w.]+)\]", changelog, re.MULTILINE)
    assert releases[0] in ("Unreleased", scoreorsong.__version__)
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
