"""A model applies what scikit-learn learnt, explains itself, and is read only if it is whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import small_model, small_takes
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from scoreorsong import load_model, storage
from scoreorsong.errors import ModelError
from scoreorsong.features import schema
from scoreorsong.model import (
    MUSIC,
    OUTLIER,
    SPEECH,
    VOICE,
    Kernel,
    Model,
    Scaler,
    context,
    decision_row,
    input_names,
    listen,
)

WIDTH = 12


def rows_like(n=60, width=WIDTH, seed=0):
    """Random rows that float32 holds without loss, as landmarks are stored."""
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def clips():
    """Features of the original clips."""
    return [t.features for t in small_takes()[0] if t.variant == "original" and t.label in ("score", "song")]


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "small.model")
    return tmp_path / "small.model"


def small_kernel(outputs=1):
    weights = np.random.default_rng(1).standard_normal((60, outputs))
    return Kernel(rows_like().astype(np.float32), weights, np.full(outputs, 0.3), 0.05)


# ---- the same as scikit-learn


def test_a_kernel_is_a_support_vector_machine():
    rows, asked = rows_like(), rows_like(seed=2)
    machine = SVC(C=2.0, gamma=0.07).fit(rows, rows[:, 0] * rows[:, 1] > 0)
    kernel = Kernel(
        machine.support_vectors_.astype(np.float32), machine.dual_coef_.T, machine.intercept_, 0.07
    )
    np.testing.assert_allclose(kernel(asked)[:, 0], machine.decision_function(asked), atol=1e-9)


def test_a_kernel_is_nystroem_with_a_ridge():
    rows, asked = rows_like(), rows_like(seed=2)
    nystroem = Nystroem(gamma=0.07, n_components=30, random_state=0).fit(rows)
    ridge = Ridge(1.0).fit(nystroem.transform(rows), rows[:, :3] ** 2)
    kernel = Kernel(
        nystroem.components_.astype(np.float32),
        nystroem.normalization_.T @ ridge.coef_.T,
        ridge.intercept_,
        0.07,
    )
    np.testing.assert_allclose(kernel(asked), ridge.predict(nystroem.transform(asked)), atol=1e-9)


def test_a_scaler_is_the_standard_one_but_for_outliers():
    rows = 3 + 2 * rows_like()
    fitted = StandardScaler().fit(rows)
    scaler = Scaler(fitted.mean_, fitted.scale_)
    np.testing.assert_allclose(scaler(rows), fitted.transform(rows), atol=1e-12)
    np.testing.assert_array_equal(scaler(np.full((1, WIDTH), 1e9)), OUTLIER)
    np.testing.assert_array_equal(scaler(np.full((1, WIDTH), -1e9)), -OUTLIER)


# ---- slopes and contributions


@pytest.mark.parametrize("seed", range(5))
def test_a_kernels_gradient_is_its_slope(seed):
    kernel, row, step = small_kernel(2), rows_like(1, seed=seed)[0], 1e-5
    slopes = [
        (kernel((row + d)[None]) - kernel((row - d)[None]))[0, 0] / (2 * step) for d in step * np.eye(WIDTH)
    ]
    np.testing.assert_allclose(kernel.gradient(row), slopes, atol=1e-8)


def test_contributions_are_slope_times_distance(model, clips):
    decision, heads = model.decision, model.ear.heads
    for features in clips[::5]:
        row = decision_row(features, model.ear(features.segments), heads)
        contributions = decision.contributions(row)
        assert contributions.shape == (len(input_names(heads)),)
        scaled = decision.scaler(row[None])[0]
        for i in np.flatnonzero(np.abs(scaled) < OUTLIER - 0.1)[::29]:
            step = np.zeros(len(row))
            step[i] = 1e-4 * decision.scaler.scale[i]
            slope = (decision((row + step)[None]) - decision((row - step)[None]))[0] / 2e-4
            assert contributions[i] == pytest.approx(slope * scaled[i], abs=1e-6)


def test_the_usual_clip_has_no_reasons(model):
    np.testing.assert_array_equal(model.decision.contributions(model.decision.scaler.mean), 0)


def test_calibration_stretches_the_logit(model, clips):
    rows = np.stack([decision_row(f, model.ear(f.segments), model.ear.heads) for f in clips])
    plain = replace(model.decision, slope=1.0, offset=0.0)
    stretched = replace(plain, slope=2.0, offset=0.5)
    np.testing.assert_allclose(stretched(rows), 2 * plain(rows) + 0.5)
    np.testing.assert_allclose(stretched.contributions(rows[0]), 2 * plain.contributions(rows[0]))


# ---- what it hears and says


def test_names_are_unique_and_describe_the_row(model, clips):
    names = input_names(model.ear.heads)
    assert len(set(names)) == len(names)
    row = decision_row(clips[0], model.ear(clips[0].segments), model.ear.heads)
    assert row.shape == (len(names),)
    np.testing.assert_array_equal(row[: len(schema.NAMES)], clips[0].clip)
    assert names[-1] == "voice_changes"


def test_context_has_each_segment_and_its_surroundings():
    segments = rows_like(20, 8).astype(np.float32)
    rows = context(segments)
    assert rows.shape == (20, 20)
    np.testing.assert_array_equal(rows[:, :8], segments)
    np.testing.assert_allclose(rows[10, 8:16], segments[7:14].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(rows[10, 16:], segments[7:14, :4].std(axis=0), atol=1e-5)
    np.testing.assert_allclose(
        rows[0, 8:16], np.pad(segments, ((3, 0), (0, 0)), "edge")[:7].mean(axis=0), atol=1e-5
    )


@pytest.mark.parametrize("length", [1, 2, 6])
def test_context_of_very_few_segments(length):
    rows = context(rows_like(length, 8).astype(np.float32))
    assert rows.shape == (length, 20)
    assert np.isfinite(rows).all()


def test_shares_are_of_the_clip_and_of_the_music():
    heads = (VOICE, MUSIC, SPEECH)
    heard = np.array([[1, 1, -1], [-1, 1, -1], [1, -1, 1], [1, 1, 1], [1, 1, 1.0]])
    silent = np.array([False, False, False, False, True])
    assert listen(heard, silent, heads) == {MUSIC: 0.6, SPEECH: 0.4, VOICE: pytest.approx(2 / 3)}
    assert listen(heard, np.ones(5, bool), heads) == {MUSIC: 0, SPEECH: 0, VOICE: 0}


def test_calls(model):
    model = replace(model, music_threshold=0.2, band=(0.4, 0.6))
    cases = {
        (0.9, 1.0, 0.0): ("song", True), (0.1, 1.0, 0.0): ("score", True), (0.55, 1.0, 0.0): ("song", False),
        (0.45, 1.0, 0.0): ("score", False), (0.9, 0.15, 0.0): ("no_music", False), (0.9, 0.05, 0.0): ("no_music", True),
        (0.9, 0.0, 1.0): ("no_music", True), (0.9, 1.0, 0.6): ("song", False), (0.9, 0.2, 0.0): ("song", True),
    }  # fmt: skip
    for (probability, music, speech), expected in cases.items():
        assert model.call(probability, {MUSIC: music, SPEECH: speech, VOICE: 0.0}) == expected


def test_a_judgement_is_whole(model, clips):
    judgement = model.judge(clips[0])
    assert 0 <= judgement.song_probability <= 1
    assert set(judgement.fractions) == {VOICE, MUSIC, SPEECH}
    assert list(judgement.contributions) == list(judgement.deviations) == list(input_names(model.ear.heads))
    assert np.isfinite([*judgement.contributions.values(), *judgement.deviations.values()]).all()


# ---- one file


def test_a_saved_model_says_the_same(model, clips, saved):
    read = load_model(saved)
    for features in clips:
        before, after = model.judge(features), read.judge(features)
        assert after.song_probability == pytest.approx(before.song_probability, abs=1e-9)
        assert after.fractions == before.fractions
        np.testing.assert_allclose(
            list(after.contributions.values()), list(before.contributions.values()), atol=1e-9
        )
    assert (read.music_threshold, read.band, read.card) == (model.music_threshold, model.band, model.card)


def test_saving_again_gives_the_same_file(model, saved, tmp_path):
    read = load_model(saved)
    assert read.save(tmp_path / "again.model") == read.model_id == storage.content_id(saved.read_bytes())
    assert (tmp_path / "again.model").read_bytes() == saved.read_bytes()
    assert model.model_id == "unsaved"


@pytest.mark.parametrize(
    ("key", "value"), [("schema_version", 0), ("features", "3:abc"), ("hop", 256), ("rate_hz", None)]
)
def test_a_model_for_other_features_is_refused(saved, key, value):
    content = storage.load(saved)[0]
    content["settings"][key] = value
    storage.save(saved, content)
    with pytest.raises(ModelError, match=r"small\.model: was made for other features .*train it again"):
        load_model(saved)


def places(content, path=()):
    """Every place in a nested table."""
    for key, value in content.items():
        yield (*path, key)
        if isinstance(value, dict) and key not in ("card", "settings"):
            yield from places(value, (*path, key))


def changed(content, path, value):
    """A copy with another value at a place; without it where the value is ... ."""
    key, *rest = path
    copy = dict(content)
    if rest:
        copy[key] = changed(content[key], rest, value)
    elif value is ...:
        del copy[key]
    else:
        copy[key] = value
    return copy


JUNK = (
    ...,
    None,
    "x",
    -1,
    2.5,
    [],
    {},
    [1.0, 2.0],
    ["a", "b"],
    np.zeros(0),
    np.zeros((2, 3)),
    np.zeros((1, 1, 1)),
)


def test_whatever_is_wrong_inside_is_a_model_error_or_sound(model, clips, saved):
    """Every part in turn is left out or replaced by junk."""
    content, refused, tried = storage.load(saved)[0], 0, 0
    for path in list(places(content)):
        for junk in JUNK:
            tried += 1
            storage.save(saved, changed(content, path, junk))
            try:
                judgement = load_model(saved).judge(clips[0])
            except ModelError:
                refused += 1
            else:
                assert 0 <= judgement.song_probability <= 1, (path, junk)
    assert refused > 0.9 * tried


def test_nothing_is_missing_from_the_refusal(tmp_path):
    storage.save(tmp_path / "empty.model", {})
    with pytest.raises(ModelError, match=r"empty\.model: was made for other features"):
        Model.load(tmp_path / "empty.model")


def test_an_ear_for_other_segments_is_refused(model, tmp_path):
    narrow = slice(0, len(model.ear.scaler.mean) - 5)
    ear = replace(
        model.ear,
        scaler=replace(
            model.ear.scaler, mean=model.ear.scaler.mean[narrow], scale=model.ear.scaler.scale[narrow]
        ),
        kernel=replace(model.ear.kernel, landmarks=model.ear.kernel.landmarks[:, narrow]),
    )
    path = tmp_path / "narrow.model"
    replace(model, ear=ear).save(path)
    with pytest.raises(ModelError, match=r"narrow\.model: is damaged"):
        load_model(path)
