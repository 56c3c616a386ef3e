"""The shipped model against the corpus, where the corpus is there."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from scoreorsong import load_model, predict

ROOT = Path(__file__).parents[1]
CORPUS = ROOT.parent / "shared" / "corpus"
EVERY = 9  # a sample of about 70 clips over all slices

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(),
    reason="no ../shared/corpus here: the shipped model is not checked against the corpus",
)


def test_the_committed_index_is_the_corpus():
    assert (ROOT / "data" / "corpus.csv").read_bytes() == (CORPUS / "corpus.csv").read_bytes()


def test_the_shipped_model_says_what_it_said_when_it_was_released():
    model = load_model(ROOT / "models" / "default.model")
    with (ROOT / "models" / "default.predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 630
    for row in rows[::EVERY]:
        prediction = predict(CORPUS / row["path"], model=model)
        # Codec libraries and FFTs of other versions differ in the last digits.
        assert prediction.song_probability == pytest.approx(float(row["song_probability"]), abs=2e-3), row[
            "path"
        ]
        assert prediction.music_fraction == pytest.approx(float(row["music_fraction"]), abs=0.03), row["path"]


def test_the_index_names_the_shipped_model():
    index = json.loads((ROOT / "models" / "index.json").read_text(encoding="utf-8"))
    assert index["default.model"]["model_id"] == load_model(ROOT / "models" / "default.model").model_id
