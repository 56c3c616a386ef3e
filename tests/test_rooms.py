"""The plan of the house: arrows, the direction of imports, a light door, short rooms."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "scoreorsong"

# Upstream first: a module imports only from those before it. `features` stands for all of its modules,
# which may import one another. Training reports the figures of what it trained, and both build on the
# default model, so prediction and evaluation come before it.
ORDER = (
    "errors", "files", "blas", "processes", "media", "sound_files", "audio", "recordings", "median", "spectra", "spool", "features", "extraction", "storage",
    "decision", "hearing", "metric", "estimators", "model", "card", "cohesion", "prediction", "feature_table", "label_rows", "examples",
    "likeness", "label_findings", "dataset",
    "acquaintance", "augmentation", "room_tone", "takes", "folds", "ears", "fitting", "heard_table", "copies", "added", "verdicts", "metrics", "figures",
    "breakdown", "families", "baselines", "remarks", "lessons", "folders", "formats", "pages", "curve_tables", "charts", "publication", "evaluation",
    "training", "workers", "cluster", "results", "tables", "albums", "batch",
    "segments", "timecode", "exports", "cuesheet", "listening", "backgrounds", "decoding", "evidence", "timelines", "plots", "player", "report",
    "__init__", "cli", "__main__",
)  # fmt: skip
MAX_MODULE_LINES, MAX_BODY_LINES, MEDIAN_BODY_LINES = 400, 40, 8
HEAVY = ("librosa", "sklearn", "numba", "scipy", "numpy", "soundfile", "pandas", "matplotlib")

MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def name_of(path):
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room_of(dotted):
    """`features.schema` belongs to the room `features`, the package itself to `__init__`."""
    return dotted.split(".")[0] or "__init__"


def imported_rooms(path):
    """Names of the rooms that a module imports, wherever in it the import stands."""
    package = ("scoreorsong", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            dotted = [".".join([*base, alias.name]) for alias in node.names]
        else:
            continue
        for name in dotted:
            first, _, rest = name.partition(".")
            if first == "scoreorsong":
                room = room_of(rest)
                yield room if room in ROOMS else "__init__"


def bodies(path):
    """Every function with the number of its lines, signature and docstring left out."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            yield node.name, body[-1].end_lineno - body[0].lineno + 1 if body else 0


ROOMS = {room_of(name_of(path)) for path in MODULES}

every_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@every_module
def test_the_docstring_has_its_arrow(path):
    docstring = ast.get_docstring(TREES[path]) or ""
    assert "→" in docstring or "⇄" in docstring


@every_module
def test_the_module_has_its_place_in_the_order(path):
    assert room_of(name_of(path)) in ORDER


@every_module
def test_imports_only_point_upstream(path):
    room = room_of(name_of(path))
    upstream = ORDER[: ORDER.index(room)]
    astray = {other for other in imported_rooms(path) if other != room and other not in upstream}
    assert not astray, f"{name_of(path)} imports from downstream: {sorted(astray)}"


@every_module
def test_modules_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < MAX_MODULE_LINES


@every_module
def test_bodies_are_short(path):
    long = {name: lines for name, lines in bodies(path) if lines > MAX_BODY_LINES}
    assert not long


def test_most_bodies_are_very_short():
    lengths = sorted(lines for path in MODULES for _, lines in bodies(path))
    assert lengths[len(lengths) // 2] <= MEDIAN_BODY_LINES


def test_the_door_is_light():
    """Importing loads nothing heavy; asked in an interpreter of its own."""
    asked = f"import sys, scoreorsong; print([name for name in {HEAVY!r} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"
    assert answer.stderr == ""


def test_no_room_bears_a_public_name():
    """Once imported, a module hides the function of its name from `from scoreorsong import ...`."""
    import scoreorsong

    assert not ROOMS & set(scoreorsong.__all__)


@every_module
def test_nothing_is_printed_but_by_the_command(path):
    if room_of(name_of(path)) == "cli":
        pytest.skip("the command prints")
    calls = [node.func for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)]
    assert "print" not in {func.id for func in calls if isinstance(func, ast.Name)}
