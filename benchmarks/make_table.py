"""Corpus and shipped model → models/default.table, what its decision learnt from, for `train --add-to default`.

    python benchmarks/make_table.py ../shared/corpus/corpus.csv --jobs 2

Run it whenever models/default.model is trained anew. It makes the takes again, or reads
them from a joblib file of `(takes, tags)`, and refuses those that the model was not trained on.
"""

from __future__ import annotations

import argparse

import joblib

from scoreorsong.added import default_table_path
from scoreorsong.copies import with_copies_together
from scoreorsong.dataset import read_companions, read_labels
from scoreorsong.ears import hear
from scoreorsong.folds import learnable
from scoreorsong.heard_table import save_heard
from scoreorsong.lessons import make_takes, table_hash
from scoreorsong.prediction import default_model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", nargs="?", default="../shared/corpus/corpus.csv")
    parser.add_argument("--takes", help="a joblib file of (takes, tags), to save making them")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    model = default_model()
    seed = model.card["random_state"]
    takes, tags = joblib.load(options.takes) if options.takes else made(options.labels, options.jobs, seed)
    # A model may be older than the rule that puts copies of a recording into one group.
    versions = (learnable(takes), learnable(with_copies_together(takes)[0]))
    sought = model.card["training_table_sha256"]
    learnt = next((version for version in versions if table_hash(version) == sought), None)
    if learnt is None:
        raise SystemExit(
            f"the takes are not those that model {model.model_id} was trained on; train it again"
        )
    heard = hear(learnt, tags, random_state=seed).heard
    path = default_table_path()
    table_id = save_heard(path, heard, model)
    print(f"{path}: table {table_id}, {path.stat().st_size / 1e6:.1f} MB, of the ear {model.ear.ear_id}")


def made(labels: str, jobs: int, seed: int):
    """All takes of the corpus, and the teacher's tags."""
    companions = read_companions(labels)
    if companions is None:
        raise SystemExit(f"{labels}: voices.csv or teacher/ is missing beside it")
    return make_takes(read_labels(labels), companions, n_jobs=jobs, random_state=seed), companions.tags


if __name__ == "__main__":
    main()
