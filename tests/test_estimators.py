"""ClipFeatures is a citizen of scikit-learn, whose samples are sounds; its classifiers become models.

`check_estimator` and `parametrize_with_checks` do not apply: they feed every estimator
matrices of numbers, while a sample here is a path, an open file or an array with a
rate of its own. What they check that can hold for such samples is checked here by hand.
"""

from __future__ import annotations

import inspect
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from helpers import RATE_HZ, write_class_folders, write_wav
from joblib._parallel_backends import ThreadingBackend
from scipy.special import logit
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.validation import check_is_fitted

from scoreorsong import (
    AudioError,
    ClipFeatures,
    Model,
    ModelError,
    extract,
    load_model,
    predict,
)
from scoreorsong.features import schema
from scoreorsong.hearing import MUSIC, VOICE
from scoreorsong.prediction import default_model


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Paths, labels and groups of twelve clips."""
    root = write_class_folders(tmp_path_factory.mktemp("clips"), groups=3, clips=2, seconds=2.0)
    paths = sorted(root.rglob("*.wav"))
    return list(map(str, paths)), [p.parents[1].name for p in paths], [p.parent.as_posix() for p in paths]


# ---- parameters


def test_init_only_stores():
    parameters = inspect.signature(ClipFeatures).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters.values())
    unusual = object()
    estimator = ClipFeatures(n_jobs=unusual, max_s=unusual)
    assert vars(estimator) == {"n_jobs": unusual, "max_s": unusual}


def test_parameters_are_got_set_and_cloned():
    estimator = ClipFeatures(max_s=3.0)
    assert estimator.get_params() == {"n_jobs": None, "max_s": 3.0}
    assert estimator.set_params(n_jobs=2) is estimator
    twin = clone(estimator)
    assert twin is not estimator
    assert twin.get_params() == estimator.get_params() == {"n_jobs": 2, "max_s": 3.0}
    assert repr(ClipFeatures(max_s=3.0)) == "ClipFeatures(max_s=3.0)"
    with pytest.raises(ValueError, match="Invalid parameter 'hop'"):
        estimator.set_params(hop=1)


def test_there_is_nothing_to_fit(clips):
    check_is_fitted(ClipFeatures())
    estimator = ClipFeatures()
    before = dict(vars(estimator))
    assert estimator.fit(clips[0], clips[1]) is estimator
    assert vars(estimator) == before


def test_it_can_be_sent_to_another_process(clips):
    estimator = pickle.loads(pickle.dumps(ClipFeatures(max_s=1.0)))
    np.testing.assert_array_equal(
        estimator.transform(clips[0][:1]), ClipFeatures(max_s=1.0).transform(clips[0][:1])
    )


# ---- the matrix


def test_rows_are_the_clip_features_in_order(clips):
    matrix = ClipFeatures().fit_transform(clips[0][:3])
    assert matrix.shape == (3, len(schema.NAMES))
    assert matrix.dtype == np.float32
    for row, path in zip(matrix, clips[0], strict=False):
        np.testing.assert_array_equal(row, extract(path, windows=False).clip)


def test_several_processes_give_the_same(clips):
    np.testing.assert_array_equal(
        ClipFeatures(n_jobs=2).transform(clips[0][:4]), ClipFeatures().transform(clips[0][:4])
    )


def test_a_part_of_every_clip(clips):
    matrix = ClipFeatures(max_s=1.0).transform(clips[0][:2])
    np.testing.assert_array_equal(matrix[0], extract(clips[0][0], max_s=1.0, windows=False).clip)


def test_paths_may_come_as_any_sequence(clips):
    expected = ClipFeatures(max_s=0.5).transform(clips[0][:2])
    for sources in (tuple(clips[0][:2]), np.array(clips[0][:2]), pd.Series(clips[0][:2])):
        np.testing.assert_array_equal(ClipFeatures(max_s=0.5).transform(sources), expected)


def test_no_clips_give_no_rows():
    assert ClipFeatures().transform([]).shape == (0, len(schema.NAMES))


def test_a_clip_that_cannot_be_read_is_named(clips, tmp_path):
    write_wav(tmp_path / "short.wav", np.zeros(10))
    with pytest.raises(AudioError, match=r"short\.wav"):
        ClipFeatures().transform([clips[0][0], tmp_path / "short.wav"])


# ---- names


def test_columns_have_names(clips):
    assert ClipFeatures().get_feature_names_out().tolist() == list(schema.NAMES)
    assert make_pipeline(ClipFeatures(), StandardScaler()).fit(
        clips[0]
    ).get_feature_names_out().tolist() == list(schema.NAMES)


def test_a_data_frame_comes_out_where_asked_for(clips):
    frame = ClipFeatures(max_s=0.5).set_output(transform="pandas").fit_transform(clips[0][:2])
    assert isinstance(frame, pd.DataFrame)
    assert list(frame) == list(schema.NAMES)
    np.testing.assert_array_equal(frame, ClipFeatures(max_s=0.5).transform(clips[0][:2]))
    with config_context(transform_output="pandas"):
        assert isinstance(ClipFeatures(max_s=0.5).transform(clips[0][:1]), pd.DataFrame)


# ---- among other estimators


def test_a_pipeline_cross_validates_by_group(clips):
    paths, labels, groups = clips
    pipeline = make_pipeline(ClipFeatures(), StandardScaler(), LogisticRegression(max_iter=1000))
    said = cross_val_predict(pipeline, paths, labels, groups=groups, cv=GroupKFold(3))
    assert said.tolist() == labels


def test_a_search_may_set_its_parameters(clips):
    paths, labels, groups = clips
    pipeline = make_pipeline(ClipFeatures(), StandardScaler(), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipeline, {"clipfeatures__max_s": [0.3, 1.0]}, cv=GroupKFold(3))
    search.fit(paths, labels, groups=groups)
    assert search.best_params_["clipfeatures__max_s"] in (0.3, 1.0)
    assert search.predict(paths).tolist() == labels


def test_a_union_names_both_its_parts(clips):
    union = make_union(ClipFeatures(max_s=0.3), ClipFeatures(max_s=1.0))
    assert union.fit_transform(clips[0][:2]).shape == (2, 2 * len(schema.NAMES))
    assert union.get_feature_names_out()[0] == f"clipfeatures-1__{schema.NAMES[0]}"


def test_arrays_have_no_rate_here():
    """Arrays of samples cannot say their rate, so they are refused and not guessed at."""
    with pytest.raises(AudioError, match="expected rate="):
        ClipFeatures().transform([np.zeros(RATE_HZ)])


def test_cross_validation_keeps_groups_apart(clips):
    paths, labels, groups = clips
    pipeline = make_pipeline(ClipFeatures(max_s=1.0), StandardScaler(), LogisticRegression(max_iter=1000))
    found = cross_validate(pipeline, paths, labels, groups=groups, cv=GroupKFold(3), return_indices=True)
    assert found["test_score"].tolist() == [1.0] * 3
    for train, test in zip(found["indices"]["train"], found["indices"]["test"], strict=True):
        assert not {groups[i] for i in train} & {groups[i] for i in test}


# ---- estimators as models

RANDOM = np.random.default_rng(1)
MATRIX = RANDOM.standard_normal((60, len(schema.NAMES))) * 5 + 3
TRUTH = np.where(MATRIX[:, 0] + RANDOM.standard_normal(60) > 3, "song", "score")
STORED = {
    "logistic": LogisticRegression(max_iter=5000),
    "scaled": make_pipeline(ClipFeatures(), StandardScaler(), LogisticRegression()),
    "scaled twice": make_pipeline(StandardScaler(with_mean=False), "passthrough", StandardScaler(), LogisticRegression()),
    "stochastic": make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)),
    "machine": make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(), ensemble=False)),
    "fixed gamma": make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(gamma=0.003), ensemble=False)),
    "linear machine": make_pipeline(StandardScaler(), CalibratedClassifierCV(SVC(kernel="linear"), ensemble=False)),
    "around a pipeline": CalibratedClassifierCV(make_pipeline(StandardScaler(), LinearSVC()), ensemble=False),
    "ridge": make_pipeline(StandardScaler(), CalibratedClassifierCV(RidgeClassifier(), ensemble=False)),
    "search": GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2),
}  # fmt: skip
REFUSED = {
    "forest": (RandomForestClassifier(5), "cannot store RandomForestClassifier"),
    "other scaler": (make_pipeline(MinMaxScaler(), LogisticRegression()), "cannot store MinMaxScaler"),
    "no probability": (LinearSVC(), "LinearSVC gives no probability that can be stored"),
    "no margin's probability": (SVC(), "SVC gives no probability that can be stored"),
    "other kernel": (CalibratedClassifierCV(SVC(kernel="poly"), ensemble=False), "SVC with the kernel 'poly'"),
    "ensemble": (CalibratedClassifierCV(LinearSVC()), "cannot store CalibratedClassifierCV of 5 fits"),
    "isotonic": (CalibratedClassifierCV(LinearSVC(), method="isotonic", ensemble=False), "method='isotonic'"),
    "other loss": (make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=0)), "would be off by"),
}  # fmt: skip


def fitted(estimator):
    """Fitted on a matrix, whatever would be in front of it."""
    estimator = clone(estimator)
    if hasattr(estimator, "steps") and isinstance(estimator.steps[0][1], ClipFeatures):
        estimator[1:].fit(MATRIX, TRUTH)
        return estimator
    return estimator.fit(MATRIX, TRUTH)


@pytest.mark.parametrize("kind", STORED)
def test_a_wrapped_estimator_says_the_same_when_it_is_read_again(tmp_path, kind):
    estimator = fitted(STORED[kind])
    Model.from_estimator(estimator, band=(0.4, 0.6), ear_of=default_model()).save(tmp_path / "x.model")
    model = load_model(tmp_path / "x.model")
    asked = np.random.default_rng(2).standard_normal((20, MATRIX.shape[1])) * 5 + 3
    heard = np.random.default_rng(3).standard_normal((20, len(model.decision.scores.mean) - MATRIX.shape[1]))
    said = 1 / (1 + np.exp(-model.decision(np.hstack([asked, heard]))))
    plain = estimator[1:] if kind == "scaled" else estimator
    np.testing.assert_allclose(said, plain.predict_proba(asked)[:, 1], atol=1e-6)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_model_file_cannot_hold_is_told_with_what_it_can(kind):
    estimator, match = REFUSED[kind]
    with pytest.raises(ModelError, match=rf"{match}.*; a model file holds StandardScalers, then a linear"):
        Model.from_estimator(fitted(estimator), band=(0.4, 0.6), ear_of=default_model())


def test_other_classes_features_and_bands_are_refused():
    model, plain = default_model(), LogisticRegression(max_iter=5000)
    with pytest.raises(ModelError, match="LogisticRegression is no fitted estimator; fit it first"):
        Model.from_estimator(plain, band=(0.4, 0.6), ear_of=model)
    with pytest.raises(ModelError, match=r"has the classes \['pop', 'song'\]"):
        Model.from_estimator(
            clone(plain).fit(MATRIX, np.where(TRUTH == "song", "song", "pop")), band=(0.4, 0.6), ear_of=model
        )
    with pytest.raises(ModelError, match="was not fitted on the 249 clip features"):
        Model.from_estimator(clone(plain).fit(MATRIX[:, :9], TRUTH), band=(0.4, 0.6), ear_of=model)
    machine = CalibratedClassifierCV(SVC(), ensemble=False).fit(MATRIX[:, :9], TRUTH)
    with pytest.raises(ModelError, match="SVC was fitted on 9 features; expected 249"):
        Model.from_estimator(machine, band=(0.4, 0.6), ear_of=model)
    with pytest.raises(ModelError, match=r"expected two probabilities with 0\.5 between"):
        Model.from_estimator(fitted(plain), band=(0.6, 0.8), ear_of=model)


def test_truth_may_be_numbers_with_1_for_song():
    estimator = LogisticRegression(max_iter=5000).fit(MATRIX, TRUTH == "song")
    model = Model.from_estimator(estimator, band=(0.4, 0.6), ear_of=default_model(), card={"clips": 60})
    assert model.card["clips"] == 60
    assert model.card["ear"] == f"of model {default_model().model_id}"
    assert model.card["estimator"] == "LogisticRegression(max_iter=5000)"


class AllAtOnce(ThreadingBackend):
    """As joblib's backend of multiprocessing is, which gives results only when all are there."""

    supports_return_generator = False


def test_features_come_by_a_backend_that_cannot_give_them_one_by_one(clips):
    paths = clips[0][:3]
    with joblib.parallel_config(backend=AllAtOnce()):
        found = ClipFeatures(n_jobs=2).fit_transform(paths)
    np.testing.assert_array_equal(found, ClipFeatures().fit_transform(paths))


def test_a_wrapped_pipeline_predicts_files(clips):
    paths, labels, _ = clips
    pipeline = make_pipeline(ClipFeatures(), StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        paths, labels
    )
    model = Model.from_estimator(pipeline, band=(0.4, 0.6), ear_of=default_model())
    expected = pipeline.predict_proba(paths[-1:])[0, 1]
    prediction = predict(paths[-1], model=model)
    assert prediction.song_probability == pytest.approx(expected, abs=1e-6)
    shipped, measured = default_model(), extract(paths[-1])
    heard, row = shipped.ear.hear(measured)
    told = shipped.listen(
        heard, measured.silent, float(logit(expected)), shipped.ear.music(row, len(measured.silent))
    )
    assert (prediction.vocal_fraction, prediction.music_fraction) == (told[VOICE], told[MUSIC])
