"""Paths → matrix, and estimator → decision: where scikit-learn's pipelines meet this library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import joblib
import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted

from .audio import Source
from .decision import Decision, Expert, Kernel, Matrix, Standard
from .errors import ModelError
from .extraction import extract
from .features import schema
from .processes import where_called


class ClipFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns paths into the matrix of clip features, for pipelines of one's own.

    Parameters
    ----------
    n_jobs : worker processes; None for one, -1 for all cores.
    max_s : longest part of every clip to analyse, in seconds; None for all of it.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> pipeline = make_pipeline(ClipFeatures(), StandardScaler(), LogisticRegression())
    >>> ClipFeatures().fit_transform([]).shape
    (0, 249)
    """

    def __init__(self, *, n_jobs: int | None = None, max_s: float | None = None) -> None:
        self.n_jobs = n_jobs
        self.max_s = max_s

    def fit(self, X: Sequence[Source], y: Any = None) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, X: Sequence[Source]) -> npt.NDArray[np.float32]:
        """The clip features of every source, ``(len(X), len(schema.NAMES))``.

        Raises
        ------
        AudioError : for the first source that cannot be read.
        """
        work = joblib.delayed(where_called(self._vector))
        # All at once, since not every backend that a user of scikit-learn may have chosen gives one by one.
        vectors = joblib.Parallel(n_jobs=self.n_jobs)(work(source) for source in X)
        return np.array(vectors, dtype=np.float32).reshape(-1, len(schema.NAMES))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of the columns."""
        return np.array(schema.NAMES, dtype=object)

    def _vector(self, source: Source) -> npt.NDArray[np.float32]:
        return extract(source, max_s=self.max_s, windows=False).clip

    def __sklearn_is_fitted__(self) -> bool:
        return True


CLASSES: Final = (["score", "song"], [0, 1])  # False and True are the latter
HELD: Final = (
    "a model file holds StandardScalers, then a linear classifier or an SVC with a linear or RBF kernel, with "
    "probabilities of its own (LogisticRegression) or by CalibratedClassifierCV(method='sigmoid', ensemble=False)"
)
N_PROBES: Final = 50
MOST_SURE: Final = 4.0  # of their logits
TINY: Final = 1e-12
MOST_OFF: Final = 1e-6


@dataclass(frozen=True)
class _Parts:
    """An estimator taken apart: scalers, classifier, and the calibrator of its margin, if any."""

    scalers: list[StandardScaler]
    classifier: Any
    calibrator: Any = None


def decision_of(estimator: Any, n_inputs: int) -> Decision:
    """A fitted scikit-learn classifier of clip features as a `Decision`.

    Parameters
    ----------
    estimator : a classifier, a pipeline (with or without `ClipFeatures` in front) or a finished
        search, trained on the ``len(schema.NAMES)`` clip features with the classes "score"
        and "song", or 0 and 1 with 1 for song.
    n_inputs : of the decision, the clip features first; the others get no say.

    Raises
    ------
    ModelError : not fitted, other classes or features, or something that a model file cannot hold.
    """
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise ModelError(f"{type(estimator).__name__} is no fitted estimator; fit it first") from error
    classes = np.asarray(getattr(estimator, "classes_", [])).tolist()
    if classes not in CLASSES:
        raise ModelError(
            f"the estimator has the classes {classes}; expected 'score' and 'song', or 0 and 1 with 1 for song"
        )
    parts = _taken_apart(estimator)
    _check(parts)
    decision = _decision(parts, n_inputs)
    _compare(parts, decision, n_inputs)
    return decision


def _taken_apart(estimator: Any) -> _Parts:
    if hasattr(estimator, "best_estimator_"):
        return _taken_apart(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        *scalers, last = [s for _, s in estimator.steps if s not in (None, "passthrough")]
        inner = _taken_apart(last)
        before = [s for s in scalers if not isinstance(s, ClipFeatures)]
        return replace(inner, scalers=[*before, *inner.scalers])
    if isinstance(estimator, CalibratedClassifierCV):
        calibrated = estimator.calibrated_classifiers_
        if len(calibrated) != 1 or estimator.method != "sigmoid":
            raise ModelError(
                f"cannot store CalibratedClassifierCV of {len(calibrated)} fits with method={estimator.method!r}; {HELD}"
            )
        return replace(_taken_apart(calibrated[0].estimator), calibrator=calibrated[0].calibrators[0])
    return _Parts([], estimator)


def _check(parts: _Parts) -> None:
    """Refuse what the format cannot hold, by its name."""
    for scaler in parts.scalers:
        if not isinstance(scaler, StandardScaler):
            raise ModelError(f"cannot store {type(scaler).__name__}; {HELD}")
    kind = type(parts.classifier).__name__
    machine = isinstance(parts.classifier, SVC)
    if machine and parts.classifier.kernel not in ("linear", "rbf"):
        raise ModelError(f"cannot store {kind} with the kernel {parts.classifier.kernel!r}; {HELD}")
    if not machine and np.size(getattr(parts.classifier, "coef_", ())) != len(schema.NAMES):
        raise ModelError(
            f"cannot store {kind}, or it was not fitted on the {len(schema.NAMES)} clip features; {HELD}"
        )
    if machine and parts.classifier.n_features_in_ != len(schema.NAMES):
        raise ModelError(
            f"{kind} was fitted on {parts.classifier.n_features_in_} features; expected {len(schema.NAMES)}"
        )
    if parts.calibrator is None and (machine or not hasattr(parts.classifier, "predict_proba")):
        raise ModelError(f"{kind} gives no probability that can be stored; {HELD}")


def _decision(parts: _Parts, n_inputs: int) -> Decision:
    n = len(schema.NAMES)
    mean, factor = np.zeros(n), np.ones(n)
    for scaler in parts.scalers:
        mean = mean + (scaler.mean_ if scaler.with_mean else 0.0) / factor
        factor = factor / (scaler.scale_ if scaler.with_std else 1.0)
    slope, offset = 1.0, 0.0
    if parts.calibrator is not None:
        slope, offset = -float(parts.calibrator.a_), -float(parts.calibrator.b_)
    # An expert is the mean of a linear logit and a kernel's: with one of them empty, half of the other.
    expert = _expert(parts.classifier, n_inputs).calibrated(2 * slope, offset)
    return Decision(Standard(_padded(mean, n_inputs), _padded(factor, n_inputs)), expert, None)


def _expert(classifier: Any, n_inputs: int) -> Expert:
    nothing, none = np.zeros(n_inputs), Kernel(np.zeros((0, n_inputs)), np.zeros((0, 1)), np.zeros(1), 1.0)
    if isinstance(classifier, SVC) and classifier.kernel == "rbf":
        landmarks = _padded(classifier.support_vectors_, n_inputs)
        weights = classifier.dual_coef_.T.astype(np.float64)
        return Expert(
            nothing, 0.0, Kernel(landmarks, weights, classifier.intercept_, float(classifier._gamma))
        )
    return Expert(
        _padded(np.ravel(classifier.coef_), n_inputs), float(np.ravel(classifier.intercept_)[0]), none
    )


def _padded(rows: Matrix, n_inputs: int) -> Matrix:
    """Zeros for the inputs that the estimator does not know."""
    width = [(0, 0)] * (rows.ndim - 1) + [(0, n_inputs - rows.shape[-1])]
    return np.asarray(np.pad(np.asarray(rows, dtype=np.float64), width))


def _probes(classifier: Any) -> Matrix:
    """Made-up clips, moved to where a linear classifier is unsure: far off every probability is 0 or 1."""
    rows = np.random.default_rng(0).standard_normal((N_PROBES, len(schema.NAMES)))
    if isinstance(classifier, SVC):
        return rows
    weights = np.ravel(classifier.coef_)
    missing = np.linspace(-MOST_SURE, MOST_SURE, N_PROBES) - classifier.decision_function(rows)
    return rows + np.outer(missing, weights) / max(weights @ weights, TINY)


def _compare(parts: _Parts, decision: Decision, n_inputs: int) -> None:
    """Ask both about made-up clips, so that whatever scikit-learn does otherwise is found now."""
    rows = scaled = _probes(parts.classifier)
    for scaler in reversed(parts.scalers):
        rows = scaler.inverse_transform(rows)
    if parts.calibrator is None:
        expected = parts.classifier.predict_proba(scaled)[:, 1]
    else:
        expected = parts.calibrator.predict(parts.classifier.decision_function(scaled))
    off = float(np.abs(expit(decision(_padded(rows, n_inputs))) - expected).max())
    if not off <= MOST_OFF:
        raise ModelError(
            f"cannot store {type(parts.classifier).__name__}: stored, its probabilities would be off by {off:.2g}; {HELD}"
        )
