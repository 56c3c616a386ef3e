"""Paths → matrix: the features as a scikit-learn transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from .audio import Source
from .extraction import extract
from .features import schema


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
        vectors = joblib.Parallel(n_jobs=self.n_jobs)(joblib.delayed(self._vector)(source) for source in X)
        return np.array(vectors, dtype=np.float32).reshape(-1, len(schema.NAMES))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of the columns."""
        return np.array(schema.NAMES, dtype=object)

    def _vector(self, source: Source) -> npt.NDArray[np.float32]:
        return extract(source, max_s=self.max_s, windows=False).clip

    def __sklearn_is_fitted__(self) -> bool:
        return True
