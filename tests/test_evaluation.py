"""What an evaluation says of a model, of training, of families of inputs, and of whom it was met by."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from helpers import score, song, speech, write_class_folders, write_csv, write_wav
from test_figures import random_run, run_of, verdict

from scoreorsong import breakdown, evaluate, evaluation, families, metrics
from scoreorsong.acquaintance import acquaintance, hashes
from scoreorsong.dataset import read_labels
from scoreorsong.errors import LabelsError
from scoreorsong.evaluation import evaluate_training
from scoreorsong.features import schema
from scoreorsong.fitting import fit
from scoreorsong.hearing import input_names
from scoreorsong.label_findings import by_source
from scoreorsong.lessons import Lesson, recalled
from scoreorsong.prediction import default_model
from scoreorsong.verdicts import BY_GROUP, Plan, cross_validate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_class_folders(tmp_path_factory.mktemp("clips"), groups=4, clips=2, seconds=4.0)


@pytest.fixture(scope="module")
def takes(folder):
    """Sixteen clips as they are."""
    return evaluation._originals(read_labels(folder), None, None)[0]


@pytest.fixture(scope="module")
def ear():
    return default_model().ear


@pytest.fixture(scope="module")
def model(takes, ear):
    """Trained on them, with a card that says so."""
    trained, _ = fit(takes, (), ear=ear)
    return replace(trained, card=hashes([t.example for t in takes]))


# ---- a ready model


def test_a_model_that_met_the_clips_is_told_so_first(model, folder):
    """Every clip and every group; and the shipped model that it knows none of these."""
    found = evaluate(model, folder, resamples=20)
    assert found.warnings[0].startswith("16 of these clips are among those that the model was trained on")
    assert found.warnings[1].startswith("8 of these groups have names that the model was trained on")
    assert found.setting["met_in_training"] == {"known": True, "clips": 16, "groups": 8}
    assert str(found).splitlines()[1].startswith("WARNING: 16 of these clips")


def test_a_model_that_met_none_is_not_suspected(model, tmp_path):
    others = [write_wav(tmp_path / f"{make.__name__}.wav", make(77, 4.0)) for make in (score, song)]
    rows = [{"path": p.name, "label": p.stem, "group": f"new {p.stem}"} for p in others]
    found = evaluate(model, write_csv(tmp_path / "labels.csv", rows), resamples=20)
    assert found.setting["met_in_training"] == {"known": True, "clips": 0, "groups": 0}
    assert not any("the model was trained on" in warning for warning in found.warnings)


@pytest.mark.parametrize("card", [{}, {"clip_hashes": [], "group_hashes": 3}])
def test_of_a_model_without_hashes_nothing_is_known(model, folder, card):
    found = evaluate(replace(model, card=card), folder, resamples=20)
    assert found.warnings[0].startswith("Whether the model met these clips in training cannot be known")


def test_a_recording_is_known_again_under_another_name_and_format(takes, tmp_path):
    example = takes[0].example
    copy, rate_hz = tmp_path / "another.flac", soundfile.info(example.path).samplerate
    soundfile.write(copy, soundfile.read(example.path)[0], rate_hz, subtype="PCM_16")
    card = hashes([example])
    same = replace(example, path=copy, name="another", group="another group")
    assert acquaintance(card, hashes([same])).clips == 1
    assert acquaintance(card, hashes([same])).groups == 0
    assert acquaintance(card, hashes([replace(same, start_s=1.0)])).clips == 0
    assert acquaintance(card, hashes([takes[1].example])).clips == 0


def test_a_clip_that_cannot_be_read_is_left_out_and_told(model, tmp_path):
    for make in (score, song):
        write_wav(tmp_path / make.__name__ / "fine.wav", make(3, 4.0))
    (tmp_path / "song" / "letter.wav").write_text("Dear reader")
    found = evaluate(model, tmp_path, resamples=20)
    assert [failure.source for failure in found.failures] == ["song/letter.wav"]
    assert found.warnings[0] == "1 clips could not be read and are left out."
    assert found.setting["labels"] == {"score": {"clips": 1, "groups": 1}, "song": {"clips": 1, "groups": 1}}


def test_where_no_clip_can_be_read_there_is_no_evaluation(model, tmp_path):
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / "letter.wav").write_text("Dear reader")
    with pytest.raises(LabelsError, match=r"none of the 1 clips can be read; the first: .*letter.wav"):
        evaluate(model, tmp_path)


def test_of_one_class_there_is_what_one_class_can_tell(model, tmp_path):
    for i in range(3):
        write_wav(tmp_path / "song" / f"{i}.wav", song(i, 4.0))
    found = evaluate(model, tmp_path, resamples=20)
    names = {figure.name for figure in found.figures}
    assert "accuracy" in names
    assert "everything people made, ROC-AUC" in found.absent
    assert not {"roc", "precision_recall_song"} & set(found.curves)
    assert found.families == {}
    assert all(figure.baseline is None for figure in found.figures)


def test_of_clips_without_music_there_is_what_they_can_tell(model, tmp_path):
    write_wav(tmp_path / "no_music" / "talk.wav", speech(0, 4.0))
    found = evaluate(model, tmp_path, resamples=20)
    assert [figure.name for figure in found.figures] == ["no_music recognised"]
    assert found.curves == found.families == {}
    assert sum(found.confusion["no_music"].values()) == 1
    found.save(tmp_path / "report.html")


def test_the_shipped_model_is_not_set_beside_itself(takes, folder):
    found = evaluate(default_model(), folder, resamples=20)
    assert all(figure.shipped is None for figure in found.figures)
    assert any(figure.baseline is not None for figure in found.figures)


def test_a_model_may_be_given_by_its_path(model, folder, tmp_path):
    model_id = model.save(tmp_path / "my.model")
    found = evaluate(tmp_path / "my.model", folder, resamples=20)
    assert found.setting["model_id"] == model_id


def test_an_evaluation_is_the_same_again(model, folder):
    one, other = (evaluate(model, folder, resamples=20).to_dict() for _ in range(2))
    assert json.dumps(one, allow_nan=False) == json.dumps(other)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("score", "1 pairs of clips are copies of one recording and count as one group"),
        ("song", "are copies of one recording, called score and song: one of them is wrong"),
    ],
)
def test_copies_are_told_and_count_as_one_group(model, folder, tmp_path, label, told):
    root = tmp_path / "clips"
    shutil.copytree(folder, root)
    shutil.copy(root / "score" / "g0" / "score-0-0.wav", root / label / "g3" / "copy.wav")
    found = evaluate(model, root, resamples=20)
    assert any(told in warning for warning in found.warnings)
    assert len({row["group"] for row in found.groups}) == 7
    assert any(note.startswith("Groups: 17 clips by folder") for note in found.notes)


# ---- of the very clips that a model learnt from


CARD = {
    "clip_hashes": ["a", "b"], "added_to": {}, "ear": "of model x", "random_state": 3,
    "plan": {"folds": 4, "by_source": True, "seeds": [1, 2]},
}  # fmt: skip


def test_a_card_tells_how_to_cross_validate_again():
    how = recalled(CARD, {"clip_hashes": ["b", "a"]})
    assert (how.plan, how.seeds, how.random_state) == (Plan(4, by_source=True), [1, 2], 3)
    assert how.add_to is None
    assert not how.learnt_ear
    assert recalled(CARD | {"added_to": {"clips": 5}}, CARD).add_to == "default"


@pytest.mark.parametrize(
    "change",
    [
        {"clip_hashes": ["a"]},
        {"clip_hashes": 3},
        {"plan": None},
        {"plan": {"folds": 10**9, "by_source": False, "seeds": [0]}},
        {"plan": {"folds": 5, "by_source": False, "seeds": [0] * 1000}},
        {"plan": {"folds": 5, "by_source": False, "seeds": [-1]}},
        {"plan": {"folds": 5, "by_source": False, "seeds": []}},
        {"random_state": "x"},
    ],
)
def test_a_card_of_other_clips_or_of_nonsense_tells_nothing(change):
    assert recalled(CARD | change, {"clip_hashes": ["a", "b"]}) is None
    assert recalled({}, {"clip_hashes": []}) is None


# ---- training


@pytest.fixture(scope="module")
def runs(takes, ear):
    return cross_validate(takes, (), ear=ear, seeds=(0, 1))


def test_an_evaluation_of_training_tells_how_it_was_made(runs, takes, ear):
    lesson = Lesson(takes, together=[("a.wav", "b.mp3")], hashes=hashes([]))
    found = evaluate_training(
        runs, lesson, labels="my/labels.csv", ear=ear, seeds=(0, 1), plan=BY_GROUP, resamples=20
    )
    assert found.subject == "Training on labels.csv"
    assert found.setting["split"] == "grouped 4-fold"
    assert found.setting["labels"]["song"] == {"clips": 8, "groups": 4}
    assert any("50% of the labelled music is song" in note for note in found.notes)
    assert "a.wav and b.mp3 are copies of one recording and were put into one group." in found.notes
    assert set(found.families["tags"]) == {"without", "shuffled"}
    assert all(figure.shipped is not None for figure in found.figures if figure.majority is not None)


def test_a_model_is_never_asked_about_a_source_or_its_groups(takes):
    """Of two groups that share a source, and one that is in two sources, nobody who met them is asked."""
    sources = {"g0": "one", "g1": "one", "g2": "two", "g3": "three"}
    labelled = [
        replace(t, example=replace(t.example, source=sources[t.example.path.parent.name])) for t in takes
    ]
    labelled[0] = replace(labelled[0], example=replace(labelled[0].example, source="two"))
    folds = Plan(by_source=True).folds(labelled, 0)
    assert len(folds) == 3
    asked = [id(t) for fold in folds for t in fold.asked]
    assert sorted(asked) == sorted(map(id, labelled))
    for fold in folds:
        assert len({t.example.source for t in fold.asked}) == 1
        assert not {t.group for t in fold.asked} & {t.group for t in fold.learnt}
        assert not {t.example.source for t in fold.asked} & {t.example.source for t in fold.learnt}


@pytest.mark.parametrize(
    ("sources", "finding"),
    [
        ({}, r"^rows score/g0/score-0-0\.wav, .* and 8 more: nothing in the column source"),
        (dict.fromkeys("0123", "one"), "source: 1 of them; expected at least 2"),
        ({"0": "a", "1": "b", "2": "b", "3": "b"}, "without source 'b' .* 1 groups of score are left"),
    ],
)
def test_sources_that_cannot_be_left_out_are_told(takes, sources, finding):
    examples = [
        replace(t.example, source=sources.get(t.example.path.parent.name[-1], ""), row=t.example.name)
        for t in takes
    ]
    assert re.search(finding, by_source(examples)[0])


# ---- families of inputs


def test_every_input_is_of_one_family(ear):
    columns = families.families(ear.heads)
    assert set(columns) == {"spectral", "structure", "tags", "vocals"}
    together = np.sort(np.concatenate(list(columns.values())))
    np.testing.assert_array_equal(together, np.arange(len(input_names(ear.heads))))


def test_with_all_families_the_study_says_what_cross_validation_says(runs, takes, ear):
    told = [t for fold in BY_GROUP.folds(takes, 0) for t in families._told(fold, (), ear, (), 0)]
    said = {id(v.take): v.logit for v in runs[0]}
    assert len(told) == len(said)
    for one in told:
        assert one.logit == pytest.approx(said[id(one.take)], abs=1e-9)


def test_what_is_switched_off_does_not_matter(takes, ear):
    """With other numbers in a family, the calls without it stay, and the others change."""
    spectral = [i for i, feature in enumerate(schema.FEATURES) if feature.family == "spectral"]
    random = np.random.default_rng(0)

    def other(take):
        clip = take.features.clip.copy()
        clip[spectral] = random.standard_normal(len(spectral))
        return replace(take, features=replace(take.features, clip=clip))

    changed = [other(take) for take in takes]
    one, two = (families._told(BY_GROUP.folds(ts, 0)[0], (), ear, (), 0) for ts in (takes, changed))
    for before, after in zip(one, two, strict=True):
        assert before.without["spectral"] == pytest.approx(after.without["spectral"], abs=1e-9)
        assert before.without["structure"] != pytest.approx(after.without["structure"], abs=1e-6)


def studied(run, without, shuffled):
    return [
        replace(v, without={"tags": without(v.logit)}, shuffled={"tags": np.array(shuffled(v.logit))})
        for v in run
    ]


def test_what_a_family_is_worth_is_the_area_that_is_lost_without_it():
    run = run_of({"score": [0.1, 0.2, 0.3, 0.4], "song": [0.6, 0.7, 0.8, 0.9]})
    worth = families.worth(studied(run, lambda x: -x, lambda x: [x, -x]), 20)["tags"]
    assert worth["without"].value == pytest.approx(1.0)
    assert worth["shuffled"].value == pytest.approx(0.5)
    worth = families.worth(studied(run, lambda x: x, lambda x: [x, x]), 20)["tags"]
    for figure in worth.values():
        assert (figure.low, figure.value, figure.high) == (0.0, 0.0, 0.0)


def test_a_ready_models_families_are_only_shuffled(model, takes):
    run = families.study_ready(evaluation.judge(model, takes), model)
    assert set(families.worth(run, 20)["vocals"]) == {"shuffled"}


# ---- confusion, curves, groups and mistakes


def test_confusion_counts_clips_by_seed():
    """At one seed all is right; at the other one song is called score and one no_music."""
    right = run_of({"score": [0.1] * 3, "song": [0.9] * 4, "no_music": [0.9] * 2}, label=None)
    right = [replace(v, label="no_music") if v.take.label == "no_music" else v for v in right]
    wrong = [*right]
    wrong[3] = verdict("song", 0.2, "song 0")
    wrong[4] = verdict("song", 0.9, "song 1", label="no_music")
    got = breakdown.confusion([metrics.table_of(run) for run in (right, wrong)])
    assert got == {
        "score": {"score": 3.0, "song": 0.0, "no_music": 0.0},
        "song": {"score": 0.5, "song": 3.0, "no_music": 0.5},
        "no_music": {"score": 0.0, "song": 0.0, "no_music": 2.0},
    }


def test_curves_are_what_one_draws_by_hand():
    run = run_of({"score": [0.15, 0.15, 0.65], "song": [0.65, 0.95, 0.95]})
    got = breakdown.curves([metrics.table_of(run)])
    assert got["roc"]["model"] == {
        "false_positive_rate": [0.0, 0.0, 0.3333, 1.0],
        "true_positive_rate": [0.0, 0.6667, 1.0, 1.0],
    }
    assert got["precision_recall_song"]["prior"] == got["precision_recall_score"]["prior"] == 0.5
    assert [(b["from"], b["calls"], b["share_of_songs"]) for b in got["calibration"]] == [
        (0.1, 2, 0.0), (0.6, 2, 0.5), (0.9, 2, 1.0),
    ]  # fmt: skip
    risk = got["coverage"]["model"]
    assert risk == {"coverage": [0.3333, 0.6667, 1.0], "risk": [0.0, 0.0, 0.1667]}
    assert got["coverage"]["called confidently"] == {"coverage": 1.0, "risk": 0.1667}


def test_groups_with_most_mistakes_come_first():
    run = [verdict("song", p, g) for g, p in (("a", 0.9), ("b", 0.1), ("b", 0.2), ("c", 0.2), ("c", 0.9))]
    got = breakdown.by_group([metrics.table_of(run)])
    assert [(row["group"], row["clips"], row["wrong"]) for row in got] == [
        ("b", 2, 2.0),
        ("c", 2, 1.0),
        ("a", 1, 0.0),
    ]


def test_mistakes_are_told_by_path_the_surest_first():
    run = [
        verdict("song", 0.4, "near"),
        verdict("score", 0.95, "far"),
        verdict("song", 0.9, "right"),
        verdict("song", 0.9, "lost", label="no_music"),
        verdict("no_music", 0.3, "noise", label="score"),
        verdict("song", 0.01, "far", variant="varied 0"),
    ]
    got = breakdown.mistakes([run, [verdict("song", 0.6, "near")]])
    assert [(row["path"], row["called"], row["wrong"], row["asked"]) for row in got] == [
        ("noise", ["score"], 1, 1), ("far", ["song"], 1, 1), ("near", ["score"], 1, 2), ("lost", ["no_music"], 1, 1),
    ]  # fmt: skip
    assert got[2]["song_probability"] == pytest.approx(0.5)


def test_intervals_are_over_groups_in_every_part():
    """A made-up study: the loss without a family has an interval that few groups make wide."""
    few, many = (
        families.worth(studied(random_run(n, 2), lambda x: 0.0, lambda x: [0.0]), 100)["tags"]["without"]
        for n in (10, 80)
    )
    assert few.high - few.low > 1.5 * (many.high - many.low)
