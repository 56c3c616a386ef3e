"""Rows of inputs → logits: the parts that scikit-learn fits, applied from plain arrays.

The decision is a mixture of two experts (Jacobs et al. 1991): one for music that
is clear to hear, one for music under dialogue, and a gate that says whether someone
speaks over it. An expert weighs once linearly and once by likeness to known clips;
the mean of the two logits is calibrated.

Fitted elsewhere (see `fitting`), so that a stored model means the same under every
version of scikit-learn. Conventions: a song is the positive class; logits are natural
logarithms of odds; landmarks are stored in half precision.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

OUTLIER: Final = 5.0  # standard deviations beyond which a value tells no more
EXTREME: Final = 3.0  # the same for normal scores

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.floating[Any]]


def _stored(self: Any) -> dict[str, Any]:
    """Only what is stored travels to a worker, not what follows from it."""
    return {part.name: getattr(self, part.name) for part in fields(self)}


@dataclass(frozen=True)
class Scaler:
    """What scikit-learn's StandardScaler learnt; outliers are drawn in to ±`OUTLIER`."""

    mean: Matrix
    scale: Matrix

    def __call__(self, rows: npt.NDArray[Any]) -> Matrix:
        return np.asarray(np.clip((rows - self.mean) / self.scale, -OUTLIER, OUTLIER))


@dataclass(frozen=True)
class NormalScores:
    """What scikit-learn's QuantileTransformer learnt: a value's rank among the known, as a normal deviate.

    ``quantiles (inputs, n)`` are evenly spaced in rank; scores are drawn in to ±`EXTREME`.
    Unlike there, a lowest or highest value that many clips share keeps the middle of their ranks.
    """

    quantiles: npt.NDArray[np.float32]

    def __call__(self, rows: Matrix) -> Matrix:
        ranks = np.linspace(0, 1, self.quantiles.shape[1])
        with np.errstate(over="ignore"):  # in the precision of the quantiles, so that like meets like
            single = rows.astype(np.float32).astype(np.float64)
        found = [
            # From both sides, so that a value on which many clips agree has the middle of their ranks.
            np.interp(column, rising, ranks) - np.interp(-column, falling, -ranks[::-1])
            for column, rising, falling in zip(single.T, *self._both_ways, strict=True)
        ]
        return np.asarray(np.clip(ndtri(np.array(found).T / 2), -EXTREME, EXTREME))

    __getstate__ = _stored

    @cached_property
    def _both_ways(self) -> tuple[Matrix, Matrix]:
        """The quantiles, and the same from above with their signs turned, in double precision."""
        rising = self.quantiles.astype(np.float64)
        return rising, np.ascontiguousarray(-rising[:, ::-1])


@dataclass(frozen=True)
class Standard:
    """What StandardScaler learnt, for an estimator of one's own: nothing is drawn in; a factor of 0 mutes an input."""

    mean: Matrix
    factor: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        return np.asarray((rows - self.mean) * self.factor)


@dataclass(frozen=True)
class Kernel:
    """A radial-basis expansion, ``exp(-gamma |x - landmark|²) @ weights + bias``.

    The fitted form of scikit-learn's SVC as of Nystroem followed by a linear
    model: ``landmarks (n, inputs)``, ``weights (n, outputs)``, ``bias (outputs,)``.
    """

    landmarks: npt.NDArray[np.floating[Any]]
    weights: Matrix
    bias: Matrix
    gamma: float

    def __call__(self, rows: Matrix) -> Matrix:
        """Outputs for standardised rows, ``(rows, outputs)``."""
        return np.asarray(self.likeness(rows) @ self.weights + self.bias)

    def gradient(self, row: Matrix) -> Matrix:
        """Slope of the first output at one row, ``(inputs,)``."""
        return self.gradients(row, self.likeness(row[None])[0])[0]

    def gradients(self, row: Matrix, likeness: Matrix) -> Matrix:
        """Slopes of all outputs at a row of this likeness, ``(outputs, inputs)``."""
        pull = likeness[:, None] * self.weights
        return np.asarray(2 * self.gamma * (pull.T @ self._doubled - np.outer(pull.sum(axis=0), row)))

    def likeness(self, rows: Matrix) -> Matrix:
        """Of each row to each landmark, ``(rows, n)``, 0 to 1."""
        squared = (rows**2).sum(axis=1)[:, None] + self._lengths - 2 * rows @ self._doubled.T
        return np.asarray(np.exp(-self.gamma * np.maximum(squared, 0)))

    __getstate__ = _stored

    @cached_property
    def _doubled(self) -> Matrix:
        """The landmarks in double precision; turning them at every clip would cost more than using them."""
        return self.landmarks.astype(np.float64)

    @cached_property
    def _lengths(self) -> Matrix:
        """Their squared lengths, ``(n,)``."""
        return np.asarray((self._doubled**2).sum(axis=1))


@dataclass(frozen=True)
class Expert:
    """The calibrated mean of a linear logit and a kernel's, on normal scores."""

    coefficients: Matrix
    intercept: float
    kernel: Kernel
    slope: float = 1.0  # calibration
    offset: float = 0.0

    def __call__(self, scores: Matrix) -> Matrix:
        """The logit of each row, ``(rows,)``."""
        linear = scores @ self.coefficients + self.intercept
        return np.asarray(self.slope * (linear + self.kernel(scores)[:, 0]) / 2 + self.offset)

    def contributions(self, scores: Matrix) -> Matrix:
        """What each input of one row adds to its logit: slope times distance from the usual, ``(inputs,)``."""
        slope = self.coefficients + self.kernel.gradient(scores)
        return np.asarray(self.slope * slope * scores / 2)


@dataclass(frozen=True)
class Dialogue:
    """Whether someone speaks over the music (a logistic regression), and the expert who then decides."""

    coefficients: Matrix
    intercept: float
    expert: Expert

    def gate(self, scores: Matrix) -> Matrix:
        """The logit of dialogue, ``(rows,)``."""
        return np.asarray(scores @ self.coefficients + self.intercept)

    def share(self, scores: Matrix) -> Matrix:
        """How far the expert for dialogue decides, ``(rows,)``, 0 to 1."""
        return np.asarray(expit(self.gate(scores)))


@dataclass(frozen=True)
class Decision:
    """Score or song, from the clip vector and the summary of what the ear heard.

    `dialogue` is None in a model that was trained without speech to mix over its clips.
    """

    scores: NormalScores | Standard
    clear: Expert
    dialogue: Dialogue | None

    def __call__(self, rows: Matrix) -> Matrix:
        """The calibrated logit of each row, ``(rows,)``."""
        return self.of_scores(self.scores(rows))

    def of_scores(self, scores: Matrix) -> Matrix:
        """The same from rows that are normal scores already."""
        clear, share = self.clear(scores), self.share(scores)
        return clear if self.dialogue is None else (1 - share) * clear + share * self.dialogue.expert(scores)

    def share(self, scores: Matrix) -> Matrix:
        """How far the expert for dialogue decides, ``(rows,)``, 0 to 1."""
        return np.zeros(len(scores)) if self.dialogue is None else self.dialogue.share(scores)

    def contributions(self, scores: Matrix) -> Matrix:
        """What each input of one row adds to its logit, ``(inputs,)``."""
        clear = self.clear.contributions(scores)
        if self.dialogue is None:
            return clear
        share = float(self.dialogue.share(scores[None])[0])
        return (1 - share) * clear + share * self.dialogue.expert.contributions(scores)
