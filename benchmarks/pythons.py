"""A model file → whether it says the same of the examples under several Pythons.

    python benchmarks/pythons.py my.model VENV-3.12/bin/python VENV-3.13/bin/python

Each interpreter must have score-or-song installed; it loads the model in a fresh process.
The exit code is 1 where a probability differs by more than `MOST_OFF` from the first's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.ogg"))
MOST_OFF = 1e-6
ASKED = """
import json, platform, sys
import numpy, sklearn
from scoreorsong import load_model, predict
model = load_model(sys.argv[1])
said = [predict(path, model=model).song_probability for path in sys.argv[2:]]
names = f"Python {platform.python_version()}, scikit-learn {sklearn.__version__}, NumPy {numpy.__version__}"
print(json.dumps([names, model.model_id, said]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    options = parser.parse_args()
    answers = [asked(python, options.model) for python in (sys.executable, *options.pythons)]
    expected, most_off = answers[0][2], 0.0
    for names, model_id, said in answers:
        off = max(abs(a - b) for a, b in zip(said, expected, strict=True))
        most_off = max(most_off, off)
        print(f"{names}: model {model_id}, off by {off:.1e} at most")
    return int(most_off > MOST_OFF)


def asked(python: str, model: str) -> tuple[str, str, list[float]]:
    """Names of the versions, id of the model, and the song probability of every example."""
    command = [python, "-c", ASKED, model, *map(str, EXAMPLES)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    names, model_id, said = json.loads(answer.stdout)
    return names, model_id, said


if __name__ == "__main__":
    sys.exit(main())
