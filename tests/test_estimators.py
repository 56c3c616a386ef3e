"""ClipFeatures is a citizen of scikit-learn, whose samples are sounds.

`check_estimator` and `parametrize_with_checks` do not apply: they feed every estimator
matrices of numbers, while a sample here is a path, an open file or an array with a
rate of its own. What they check that can hold for such samples is checked here by hand.
"""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import RATE_HZ, write_class_folders, write_wav
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from scoreorsong import AudioError, ClipFeatures, extract
from scoreorsong.features import schema


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
