"""What the shipped model learnt from can be added to, where it is of the shipped ear and of other groups."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from helpers import small_takes

from scoreorsong import LabelsError, ModelError, added, storage
from scoreorsong.dataset import Example, Voice
from scoreorsong.ears import hear
from scoreorsong.fitting import fit
from scoreorsong.folds import learnable
from scoreorsong.heard_table import KIND, load_heard, save_heard
from scoreorsong.prediction import default_model
from scoreorsong.verdicts import cross_validate


@cache
def heard_and_model():
    """What the shipped ear hears in the made-up corpus, and the model fitted on that."""
    takes, ear = learnable(small_takes()[0]), default_model().ear
    heard = hear(takes, (), ear=ear).heard
    return heard, replace(
        fit(takes, (), ear=ear)[0], card={"training_table_sha256": "0" * 64}, model_id="small"
    )


@pytest.fixture
def saved(tmp_path):
    heard, model = heard_and_model()
    save_heard(tmp_path / "x.table", heard, model)
    return tmp_path / "x.table"


def rows_of(heard):
    return np.array([h.row for h in heard if h.row is not None])


# ---- the table


def test_it_keeps_what_the_decision_and_the_thresholds_learn_from(saved):
    heard, model = heard_and_model()
    kept = load_heard(saved, model)
    rows = rows_of(heard)
    np.testing.assert_allclose(rows_of(kept), rows, rtol=1e-3, atol=1e-3)
    expected = [h for h in heard if h.row is not None or h.take.variant == "original"]
    for ours, theirs in zip(kept, expected, strict=True):
        for name in ("variant", "groups", "group", "label", "slice", "weight"):
            assert getattr(ours.take, name) == getattr(theirs.take, name)
        assert (ours.music, ours.row is None) == (theirs.music, theirs.row is None)
        assert isinstance(ours.take.example, type(theirs.take.example))


def test_a_model_fitted_on_it_decides_as_the_one_it_was_saved_for(saved):
    heard, model = heard_and_model()
    again, _ = fit([], (), ear=model.ear, added=load_heard(saved, model))
    rows = rows_of(heard)
    said, expected = again.decision(rows), model.decision(rows)
    assert np.corrcoef(said, expected)[0, 1] > 0.999
    assert again.music_threshold == model.music_threshold
    assert again.voice_threshold == pytest.approx(model.voice_threshold, abs=0.01)


def test_the_same_gives_the_same_file(saved, tmp_path):
    save_heard(tmp_path / "again.table", *heard_and_model())
    assert (tmp_path / "again.table").read_bytes() == saved.read_bytes()


def test_a_table_of_another_ear_is_refused(saved):
    model = heard_and_model()[1]
    kernel = replace(model.ear.kernel, gamma=2 * model.ear.kernel.gamma)
    told = r"x\.table: was heard by the ear .*use the two that were released together"
    with pytest.raises(ModelError, match=told):
        load_heard(saved, replace(model, ear=replace(model.ear, kernel=kernel)))


def test_a_model_is_no_table_and_a_table_no_model(saved, tmp_path):
    _, model = heard_and_model()
    model.save(tmp_path / "x.model")
    with pytest.raises(ModelError, match=r"x\.model: has format 'score-or-song model'"):
        load_heard(tmp_path / "x.model", model)
    with pytest.raises(ModelError, match=r"x\.table: has format 'score-or-song heard takes'"):
        type(model).load(saved)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("example", np.array([9999])),
        ("rows", np.zeros((2, 3), np.float16)),
        ("voice_lengths", np.array([1])),
        ("examples", []),
        ("variants", None),
    ],
)
def test_a_damaged_table_is_refused(saved, key, value):
    content, _ = storage.load(saved, kind=KIND)
    storage.save(saved, {**content, key: value}, kind=KIND)
    with pytest.raises(ModelError, match=r"x\.table: is damaged"):
        load_heard(saved, heard_and_model()[1])


# ---- adding to it


@pytest.fixture
def shipped(saved, monkeypatch):
    """The small table and its model in the place of those that ship."""
    monkeypatch.setattr(added, "default_table_path", lambda: saved)
    monkeypatch.setattr(added, "default_model", lambda: heard_and_model()[1])
    return saved


def clips(group):
    takes = [t for t in small_takes()[0] if isinstance(t.example, Example) and t.variant == "original"]
    return [replace(t.example, group=group) for t in takes[:2]]


def test_own_clips_count_more_than_shipped_ones(shipped):
    own, what = added.added_to(clips("mine"))
    assert [e.weight for e in own] == [added.OWN_WEIGHT] * 2
    assert len(what.heard) == len(load_heard(shipped, heard_and_model()[1])) == what.note["takes"]
    assert what.note["clips"] == len({h.take.example for h in what.heard if h.row is not None})
    assert what.note["heard_by"] == heard_and_model()[1].ear.ear_id


def test_groups_that_both_have_are_learnt_from_ones_own_clips_alone(shipped):
    heard = load_heard(shipped, heard_and_model()[1])
    group = next(h.take.group for h in heard if h.row is not None)
    _, what = added.added_to(clips(group.upper()))
    assert {h.take.group for h in what.heard} == {h.take.group for h in heard} - {group}


def test_only_the_shipped_table_can_be_added_to():
    added.check_name(None)
    added.check_name("default")
    with pytest.raises(LabelsError, match="'other' cannot be added to; expected 'default'"):
        added.check_name("other")


def test_figures_are_of_ones_own_clips_alone(shipped):
    """What is added is learnt from in every fold and asked about in none."""
    takes, _ = small_takes()
    own = [t for t in takes if isinstance(t.example, Example) and t.variant == "original"]
    own = [
        replace(t, example=replace(t.example, group=f"own {t.group}"), groups=frozenset({f"own {t.group}"}))
        for t in own
    ]
    what = load_heard(shipped, heard_and_model()[1])
    (run,) = cross_validate(own, (), ear=heard_and_model()[1].ear, added=what)
    assert sorted(v.take.group for v in run) == sorted(t.group for t in own)


def test_the_shipped_table_goes_with_the_shipped_model():
    heard = load_heard(added.default_table_path(), default_model())
    assert {type(h.take.example) for h in heard} == {Example, Voice}
    assert {h.take.label for h in heard} >= {"score", "song", "no_music"}
    clips = [h.take.example for h in heard if h.take.variant == "original" and h.row is not None]
    assert len(clips) == default_model().card["clips"]
    assert np.isfinite(rows_of(heard)).all()
