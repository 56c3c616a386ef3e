"""The door is light, shows what is behind it, and nothing behind it needs a network."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import EXAMPLES, OK_ROW, check, environment, run, write_results

import scoreorsong

HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "librosa",
    "numba",
    "soundfile",
    "soxr",
    "joblib",
    "pandas",
    "matplotlib",
)
NAMES = (
    "Album", "AudioError", "BatchError", "ClipFeatures", "Curve", "Evaluation", "ExportError", "Failure", "Features",
    "LabelsError", "Model", "ModelError", "Prediction", "Reason", "ReportError", "ResultsError", "ScoreOrSongError",
    "Segment", "Timeline", "evaluate", "extract", "load_model", "predict", "predict_folder", "predict_many",
    "summarize", "timeline", "train", "train_and_evaluate",
)  # fmt: skip


def python(code, **environ):
    """Run code in an interpreter of its own, where every warning is an error; returns what it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, timeout=100, check=False, env=environment(**environ),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.strip()


def loaded(code):
    return python(f"import sys; {code}; print([name for name in {HEAVY!r} if name in sys.modules])")


def test_importing_loads_nothing_heavy():
    assert loaded("import scoreorsong") == "[]"


def test_looking_around_loads_nothing_heavy():
    assert loaded("import scoreorsong as s; dir(s); s.__version__; s.ScoreOrSongError; s.AudioError") == "[]"


def test_help_loads_nothing_heavy():
    code = "from scoreorsong.cli import _parser; _parser().format_help()"
    assert loaded(code) == "[]"


def test_importing_reads_no_environment_and_no_file():
    """No file but modules is opened, and `os.environ` is not asked."""
    code = (
        "import sys, os; opened = []\n"
        "class Asked(dict):\n"
        "    def __getitem__(self, key): opened.append(key); return super().__getitem__(key)\n"
        "    def get(self, key, default=None): opened.append(key); return super().get(key, default)\n"
        "sys.addaudithook(lambda event, args: event == 'open' and opened.append(str(args[0])))\n"
        "os.environ = Asked(os.environ)\n"
        "import scoreorsong\n"
        "print([name for name in opened if not name.endswith(('.py', '.pyc')) and '.pyc.' not in name])"
    )
    assert python(code) == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name):
    assert getattr(scoreorsong, name).__name__ == name
    assert getattr(scoreorsong, name).__module__.startswith("scoreorsong.")
    assert name in dir(scoreorsong)


def test_the_public_names_are_these():
    assert sorted(scoreorsong.__all__) == sorted(NAMES)
    assert set(NAMES) | {"__version__", "__doc__"} <= set(dir(scoreorsong))
    assert dir(scoreorsong) == sorted(dir(scoreorsong))


def test_a_star_brings_the_public_names():
    assert python("from scoreorsong import *; print(predict.__name__, train.__name__)") == "predict train"


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'scoreorsong' has no attribute 'predikt'"):
        scoreorsong.predikt  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'predikt'"):
        from scoreorsong import predikt  # noqa: F401
    assert not hasattr(scoreorsong, "predikt")


def test_rooms_are_modules():
    assert importlib.import_module("scoreorsong.prediction").predict is scoreorsong.predict


NO_NETWORK = """
import socket

def blocked(*_, **__):
    raise AssertionError("a network was asked for")

for name in ("connect", "connect_ex", "sendto", "bind", "listen"):
    setattr(socket.socket, name, blocked)
socket.create_connection = socket.getaddrinfo = blocked
"""


def test_importing_predicting_extracting_drawing_and_reporting_need_no_network(tmp_path):
    code = (
        f"{NO_NETWORK}\n"
        "import scoreorsong as s\n"
        "from scoreorsong.cli import main\n"
        "from scoreorsong.player import write_player\n"
        f"page = {str(tmp_path / 'page.html')!r}\n"
        f"write_player(s.timeline({str(EXAMPLES[0])!r}), page)\n"
        f"assert main(['features', {str(EXAMPLES[0])!r}]) == 0\n"
        f"assert main(['report', {str(write_results(tmp_path / 'results.csv', [OK_ROW]))!r}, '-o', page]) == 0\n"
        f"print(s.predict({str(EXAMPLES[0])!r}).label)"
    )
    assert python(code).splitlines()[-1] == scoreorsong.predict(EXAMPLES[0]).label


def test_scanning_needs_no_network(tmp_path):
    """Neither the parent nor its workers, which get the block through `sitecustomize`."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    (tmp_path / "audio").mkdir()
    shutil.copy(EXAMPLES[0], tmp_path / "audio")
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = run("scan", tmp_path / "audio", "-o", tmp_path / "out.csv", env=environment(PYTHONPATH=path))
    check(result)
    assert (tmp_path / "out.csv").read_text().count(",ok,") == 1


def test_predicting_leaves_no_trace_at_home(tmp_path):
    """No cache or settings folder appears, wherever a program may look for one."""
    homes = {name: str(tmp_path / name) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    for folder in homes.values():
        Path(folder).mkdir()
    python(f"from scoreorsong import predict; predict({str(EXAMPLES[0])!r})", **homes)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_model_is_loaded_once():
    from scoreorsong.prediction import default_model

    assert default_model() is default_model()


CANNOT_FAIL = ("Failure", "Features", "Prediction", "Reason")


def public_callables():
    """Public functions, and the public methods of public classes that are no plain record."""
    for name in scoreorsong.__all__:
        thing = getattr(scoreorsong, name)
        if inspect.isfunction(thing):
            yield name, thing
        elif name not in CANNOT_FAIL and not issubclass(thing, Exception):
            own = ((key, member) for key, member in vars(thing).items() if not key.startswith("_"))
            yield from ((f"{name}.{key}", member) for key, member in own if inspect.isfunction(member))


# Reckoning on numbers that are there already, or nothing to do.
RAISES_NOTHING = (
    "ClipFeatures.fit",
    "ClipFeatures.get_feature_names_out",
    "Evaluation.to_dict",
    "Model.call",
    "Model.listen",
    "Model.sung_segments",
    "Model.weigh",
    "Segment.to_dict",
    "Timeline.to_dict",
    "summarize",
)


@pytest.mark.parametrize(("name", "member"), [*public_callables()])
def test_every_public_function_says_what_it_raises(name, member):
    section = (inspect.getdoc(member) or "").partition("Raises\n------\n")[2].partition("\n\n")[0]
    errors = re.findall(r"^(\w+) :", section, re.MULTILINE)
    assert bool(errors) == (name not in RAISES_NOTHING)
    for error in errors:
        assert issubclass(getattr(scoreorsong, error), scoreorsong.ScoreOrSongError)


def test_one_root_for_every_error():
    from scoreorsong import errors

    kinds = [thing for thing in vars(errors).values() if isinstance(thing, type)]
    assert all(issubclass(kind, errors.ScoreOrSongError) for kind in kinds)
    assert all(kind.__name__ in scoreorsong.__all__ for kind in kinds)
