"""Models and corpus → models/index.json and models/*.predictions.csv, for users and for CI.

    python benchmarks/index_models.py ../shared/corpus/corpus.csv

The predictions are of training clips: they pin the model's behaviour and say
nothing about its accuracy.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path

from scoreorsong import Failure, load_model, predict_many
from scoreorsong.dataset import read_labels

MODELS = Path(__file__).parents[1] / "models"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    examples = read_labels(options.labels)
    index = {}
    for path in sorted(MODELS.glob("*.model")):
        model = load_model(path)
        index[path.name] = {
            "model_id": model.model_id,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
            "figures": model.card["figures"],
        }
        with path.with_suffix(".predictions.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label", "song_probability", "vocal_fraction", "music_fraction"])
            results = predict_many([e.path for e in examples], jobs=options.jobs, model=model)
            for example, result in zip(examples, results, strict=True):
                if isinstance(result, Failure):
                    raise SystemExit(str(result))
                numbers = (result.song_probability, result.vocal_fraction, result.music_fraction)
                rows.writerow([example.name, result.label, *(f"{n:.6f}" for n in numbers)])
    (MODELS / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
