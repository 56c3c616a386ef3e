"""Training on one's own clips, and the card of a model, from the command line."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from importlib.metadata import requires

import numpy as np
import pytest
from helpers import check, json_lines, run, score, song, write_class_folders, write_csv, write_wav

from scoreorsong import added, cli, evaluate, evaluation, load_model, predict
from scoreorsong.batch import measure_files
from scoreorsong.card import card_text, versions
from scoreorsong.dataset import read_labels
from scoreorsong.heard_table import load_heard, save_heard
from scoreorsong.prediction import default_model

# ---- train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained on small class folders, and what training printed."""
    root = tmp_path_factory.mktemp("training")
    write_class_folders(root / "clips", groups=3, clips=2)
    report = ("--report", root / "report.json")
    result = check(run("train", root / "clips", "-o", root / "my.model", "--seeds", 1, *report))
    return root / "my.model", result


def test_train_writes_a_model_and_prints_its_figures(trained):
    path, result = trained
    model = load_model(path)
    lines = result.stdout.splitlines()
    assert lines[0] == f"{path}: model {model.model_id}"
    assert lines[1].startswith("| figure | value | 95 % interval | vocals only |")
    assert any(line.startswith("| accuracy |") for line in lines)
    assert "12/12" in result.stderr.splitlines()[-1]


def test_train_writes_a_report_of_its_cross_validation(trained):
    """With the figures of the card, and what needs more fits than the card."""
    report = json.loads((trained[0].parent / "report.json").read_text(), parse_constant=pytest.fail)
    model = load_model(trained[0])
    assert report["subject"] == "Training on clips"
    assert report["setting"]["split"] == "grouped 3-fold"
    assert [figure["value"] for figure in report["figures"]] == [f["value"] for f in model.card["figures"]]
    assert set(report["families"]["vocals"]) == {"without", "shuffled"}
    assert len(model.card["clip_hashes"]) == 12


def test_a_trained_model_keeps_the_shipped_ear_and_says_so(trained):
    model, shipped = load_model(trained[0]), default_model()
    assert model.card["ear"] == f"of model {shipped.model_id}"
    assert model.card["clips"] == 12
    np.testing.assert_array_equal(model.ear.kernel.weights, shipped.ear.kernel.weights)


def test_a_trained_model_predicts(trained, tmp_path):
    paths = [write_wav(tmp_path / f"{make.__name__}.wav", make(50)) for make in (score, song)]
    result = check(run("predict", *paths, "--model", trained[0], "--json"))
    rows = json_lines(result.stdout)
    assert [row["label"] for row in rows] == ["score", "song"]
    assert {row["model_id"] for row in rows} == {load_model(trained[0]).model_id}


def test_training_again_gives_the_same_model(trained, tmp_path):
    clips = trained[0].parent / "clips"
    check(run("train", clips, "-o", tmp_path / "again.model", "--seeds", 1, "--jobs", 2))
    assert (tmp_path / "again.model").read_bytes() == trained[0].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["none.csv", "-o", "x.model"],
            "none.csv: cannot be read as a labels CSV (No such file or directory)",
        ),
        (["empty", "-o", "x.model"], "expected class folders"),
        (["labels.csv", "-o", "x.model"], "row 2: label 'pop'"),
        (["labels.csv", "-o", "none/x.model"], "no such folder"),
        (["labels.csv", "-o", "empty"], "empty: is a folder"),
        (["labels.csv", "-o", "x.model", "--report", "x.pdf"], "x.pdf: ends in .pdf"),
    ],
)
def test_wrong_use_of_train_is_told_before_any_work(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_csv(tmp_path / "labels.csv", [{"path": "a.wav", "label": "pop"}])
    assert cli.main(["train", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.model").exists()


def test_a_clip_that_cannot_be_read_stops_training_by_name(tmp_path):
    root = write_class_folders(tmp_path / "clips", groups=3, clips=1, seconds=1.0)
    (root / "song" / "g2" / "song-2-0.wav").write_text("Dear reader")
    result = check(run("train", root, "-o", tmp_path / "x.model"), 2)
    assert "song-2-0.wav: " in result.stderr
    assert not (tmp_path / "x.model").exists()


def test_sources_are_asked_for_before_any_work(trained, tmp_path, capsys):
    clips = str(trained[0].parent / "clips")
    assert cli.main(["train", clips, "-o", str(tmp_path / "x.model"), "--leave-one-source-out"]) == 2
    told = capsys.readouterr().err
    assert "rows 1, 2, 3, 4, 5, 6, 7, 8 and 4 more: nothing in the column source" in told


# ---- evaluate


def test_evaluate_on_the_clips_of_training_gives_the_figures_of_training(trained, tmp_path):
    """The same figures as on the card and in the report, each by a model that met none of the group."""
    clips, model = trained[0].parent / "clips", load_model(trained[0])
    result = check(
        run("evaluate", clips, "--model", trained[0], "--report", tmp_path / "report.json", "--jobs", 2)
    )
    assert result.stdout.splitlines()[0] == f"Model {model.model_id} on clips, which it learnt from"
    assert "cross-validating anew" in result.stderr
    folders = (trained[0].parent, tmp_path)
    report, again = (json.loads((folder / "report.json").read_text()) for folder in folders)
    assert again["figures"] == report["figures"]
    assert again["families"] == report["families"]
    assert "gives the figures of the card" in again["notes"][0]


def test_evaluate_as_is_tells_figures_and_writes_a_page(trained, tmp_path):
    clips = trained[0].parent / "clips"
    result = check(run("evaluate", clips, "--model", trained[0], "--as-is", "--report", tmp_path / "r.html"))
    lines = result.stdout.splitlines()
    assert lines[0] == f"Model {load_model(trained[0]).model_id} on clips"
    assert lines[1].startswith("WARNING: 12 of these clips are among those that the model was trained on")
    assert any(line.startswith("everything people made, ROC-AUC: ") for line in lines)
    assert "<h2>Curves</h2>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_evaluate_gives_all_as_json_and_fails_partly_over_a_clip(trained, tmp_path, capsys):
    root = write_class_folders(tmp_path / "clips", groups=1, clips=1, seconds=3.0)
    (root / "song" / "letter.wav").write_text("Dear reader")
    assert cli.main(["evaluate", str(root), "--model", str(trained[0]), "--json"]) == 1
    (found,) = json_lines(capsys.readouterr().out)
    assert [failure["source"] for failure in found["failures"]] == ["song/letter.wav"]
    assert found["setting"]["met_in_training"]["known"]


def test_a_report_that_cannot_be_made_is_told_before_any_work(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("scoreorsong.evaluation.evaluate", pytest.fail)
    arguments = ["evaluate", "none.csv", "--model", str(trained[0]), "--report", str(tmp_path / "r.doc")]
    assert cli.main(arguments) == 2
    assert "expected .html, .json, .md" in capsys.readouterr().err


# ---- from features, and beside the shipped clips


@pytest.fixture(scope="module")
def measured(trained):
    """Labels of the clips that were trained on, and a feature table of them, in a folder without audio."""
    root = trained[0].parent
    measure_files([root / "clips"], root / "table.parquet")
    rows = [{"path": e.name, "label": e.label, "group": e.group} for e in read_labels(root / "clips")]
    return write_csv(root / "apart" / "labels.csv", rows), root / "table.parquet"


def trained_in_process(path, *arguments):
    """The model that a training wrote there, and its bytes."""
    assert cli.main(["train", *map(str, arguments), "-o", str(path), "--seeds", "1"]) == 0
    return load_model(path), path.read_bytes()


@pytest.fixture(scope="module")
def from_table(measured):
    labels, table = measured
    return trained_in_process(labels.parent / "my.model", labels, "--features", table)


def test_a_table_of_features_stands_for_the_audio(measured, from_table, tmp_path):
    labels, table = measured
    model, data = from_table
    assert (model.card["clips"], model.card["clips_from_a_feature_table"], model.card["takes"]) == (
        12,
        12,
        12,
    )
    assert "The features of 12 clips came from a feature table" in card_text(model)
    paths = [write_wav(tmp_path / f"{make.__name__}.wav", make(50)) for make in (score, song)]
    assert [predict(path, model=model).label for path in paths] == ["score", "song"]
    assert trained_in_process(tmp_path / "x.model", labels, "--features", table)[1] == data
    found = evaluate(model, labels, features=table)
    assert [figure.to_dict() | {"shipped": None} for figure in found.figures] == model.card["figures"]
    assert not any("not those of the model's card" in warning for warning in found.warnings)


def test_other_groups_than_those_of_training_are_told(measured, from_table, tmp_path, monkeypatch):
    """The same clips, but other folds: whoever compares the figures must know."""
    monkeypatch.setattr(evaluation, "study", lambda run, *_, **__: run)  # which says nothing of folds
    labels, table = measured
    rows = [{"path": e.name, "label": e.label, "group": e.name} for e in read_labels(labels, features=table)]
    found = evaluate(from_table[0], write_csv(tmp_path / "labels.csv", rows), features=table)
    assert "figures are not those of the model's card" in found.warnings[0]


def test_evaluate_takes_features_for_audio(trained, measured, capsys):
    """Of the same clips the same figures, and the clips are known again by the sound in the table."""
    labels, table = measured
    arguments = [str(labels), "--features", str(table), "--model", str(trained[0]), "--json", "--as-is"]
    assert cli.main(["evaluate", *arguments]) == 0
    (found,) = json_lines(capsys.readouterr().out)
    assert found["setting"]["met_in_training"]["clips"] == 12
    assert found["setting"]["labels"]["song"]["clips"] == 6


def test_clips_are_added_to_the_shipped_ones(measured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = load_heard(added.default_table_path(), default_model())
    few = [h for h in heard if h.take.variant == "original"][::8]
    save_heard("few.table", few, default_model())
    monkeypatch.setattr(added, "default_table_path", lambda: tmp_path / "few.table")
    labels, table = measured
    arguments = (labels, "--features", table, "--add-to", "default")
    model, data = trained_in_process(tmp_path / "x.model", *arguments)
    note = model.card["added_to"]
    assert note["clips"] == sum(h.row is not None for h in few)
    assert (note["takes"], note["own_weight"]) == (len(few), added.OWN_WEIGHT)
    assert model.card["clips"] == 12
    assert {f["clips"] for f in model.card["figures"] if f["name"] == "accuracy"} == {12}
    assert f"Added to {note['clips']} clips of the shipped model" in card_text(model)
    assert trained_in_process(tmp_path / "again.model", *arguments)[1] == data


def test_the_card_tells_groups_and_classes(trained):
    card = load_model(trained[0]).card
    assert card["grouped_by"] == {"folder": 12}
    assert card["clips_by_label"] == {"score": 6, "song": 6}
    assert card["plan"] == {"folds": 5, "by_source": False, "seeds": [0]}
    assert (len(card["labels_sha256"]), "librosa" in card["versions"]) == (64, False)
    assert card["limits"][0].startswith("It knows what these labels show it")
    assert (card["copies_put_together"], card["added_to"], card["clips_from_a_feature_table"]) == ([], {}, 0)
    assert "Groups: 12 clips by folder." in card_text(load_model(trained[0]))


def test_the_versions_on_a_card_are_of_what_every_installation_has():
    """Training must not end over a library that only the tests need."""
    needed = {re.split(r"[<>=;\[ ]", line)[0] for line in requires("score-or-song") if "extra ==" not in line}
    assert set(versions()) <= needed | {"python", "libsndfile"}


def test_a_recording_that_is_there_twice_stops_training(trained, tmp_path):
    root = shutil.copytree(trained[0].parent / "clips", tmp_path / "clips")
    shutil.copy(root / "score" / "g0" / "score-0-0.wav", root / "song" / "g1" / "x.wav")
    result = check(run("train", root, "-o", tmp_path / "x.model"), 2)
    assert "rows 1, 11: score/g0/score-0-0.wav, song/g1/x.wav: the same recording" in result.stderr
    assert not (tmp_path / "x.model").exists()


# ---- info


def test_info_prints_the_card():
    text = check(run("info")).stdout
    for part in (
        "# Model ",
        "## Clips by slice",
        "## Clips by licence",
        "| figure | value |",
        "## Known limits",
        "Licence: ",
    ):
        assert part in text
    assert "nan" not in text.lower().replace("finance", "")


def test_info_gives_the_whole_card_as_json(trained):
    card = json.loads(check(run("info", trained[0], "--json")).stdout, parse_constant=pytest.fail)
    model = load_model(trained[0])
    assert card == {"model_id": model.model_id, **model.card}


@pytest.mark.parametrize("card", [{}, {"figures": 3}, {"limits": np.zeros(3)}])
def test_a_model_without_a_whole_card_is_told_so(trained, tmp_path, capsys, card):
    replace(load_model(trained[0]), card=card).save(tmp_path / "bare.model")
    assert cli.main(["info", str(tmp_path / "bare.model")]) == 2
    assert "its card is not whole" in capsys.readouterr().err
    assert cli.main(["info", str(tmp_path / "bare.model"), "--json"]) == 0
