"""The door is light, shows what is behind it, and nothing behind it needs a network."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import EXAMPLES, environment

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


def test_predicting_needs_no_network():
    code = (
        "import socket\n"
        "def blocked(*_, **__): raise AssertionError('a network was asked for')\n"
        "socket.socket = type('Blocked', (socket.socket,), {'__init__': blocked})\n"
        "socket.create_connection = socket.getaddrinfo = blocked\n"
        f"from scoreorsong import predict; print(predict({str(EXAMPLES[0])!r}).label)"
    )
    assert python(code) == scoreorsong.predict(EXAMPLES[0]).label


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
