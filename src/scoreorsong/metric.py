"""Rows and what they should tell → a projection in which what matters lies far apart.

A kernel that compares rows of hundreds of numbers is swamped by those that tell nothing. A
recursive feature machine (Radhakrishnan, Beaglehole, Pandit and Belkin, Science 383, 2024) learns
the distance instead: fit a kernel regression, see along which directions its answers change
(the mean outer product of its gradients), measure distances by these, and begin again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge

from .decision import Kernel, Matrix, Rows

ROUNDS: Final = 2
MOST_ROWS: Final = 10_000  # to fit a regression on
N_LANDMARKS: Final = 600
N_GRADIENTS: Final = 800


class Question(NamedTuple):
    """Rows ``(n, inputs)``, the answers to learn ``(n, outputs)``, and how much the question counts."""

    rows: npt.NDArray[np.float32]
    answers: Matrix
    weight: float


def learn_projection(
    questions: Sequence[Question], *, gamma: float, axes: int, random_state: int
) -> npt.NDArray[np.float32]:
    """``(inputs, axes)``; its squares sum up to the number of inputs, so that distances keep their size.

    Parameters
    ----------
    questions : on standardised rows of the same inputs.
    gamma : of the kernel, on rows so projected.
    """
    random = np.random.default_rng(random_state)
    inputs = questions[0].rows.shape[1]
    projection = np.eye(inputs)
    for _ in range(ROUNDS):
        outer = sum(_outer_product(q, projection, gamma, random) for q in questions)
        strengths, directions = np.linalg.eigh(projection @ outer @ projection.T)
        strongest = np.argsort(-strengths)[:axes]
        projection = directions[:, strongest] * np.sqrt(np.maximum(strengths[strongest], 0))
        projection *= np.sqrt(inputs / (projection**2).sum())
    return projection.astype(np.float32)


def _outer_product(
    question: Question, projection: Matrix, gamma: float, random: np.random.Generator
) -> Matrix:
    """Mean outer product of the gradients of all answers in the projected space, at the question's weight."""
    chosen = random.permutation(len(question.rows))[:MOST_ROWS]
    rows = question.rows[chosen] @ projection.astype(np.float32)
    answers = question.answers[chosen]
    answers = ((answers - answers.mean(axis=0)) / np.maximum(answers.std(axis=0), 1e-9)).astype(np.float32)
    seed = int(random.integers(2**31))
    nystroem = fit_nystroem(rows, gamma=gamma, landmarks=N_LANDMARKS, random_state=seed)
    regression = Ridge(1.0).fit(nystroem.transform(rows), answers)
    kernel = expansion(nystroem, regression.coef_, regression.intercept_)
    kernel = replace(kernel, weights=kernel.weights.astype(np.float32))
    total = np.zeros((rows.shape[1], rows.shape[1]))
    asked = rows[:N_GRADIENTS]
    for row, likeness in zip(asked, kernel.likeness(asked), strict=True):
        gradients = kernel.gradients(row, likeness)
        total += gradients.T @ gradients
    return question.weight * total / np.trace(projection @ total @ projection.T)


def fit_nystroem(rows: Rows, *, gamma: float, landmarks: int, random_state: int) -> Nystroem:
    """Fitted to rows ``(n, inputs)``, of which it takes at most so many for landmarks; maps in single precision.

    Half the memory and time of double precision, in which it is fitted all the same: the root of a nearly singular
    kernel's inverse magnifies rounding. Two landmarks that are the same, as loops repeat to the bit, would make it
    singular: then there are fewer.
    """
    nystroem = Nystroem(gamma=gamma, n_components=min(landmarks, len(rows)), random_state=random_state)
    nystroem.fit(rows.astype(np.float64))
    distinct = np.unique(nystroem.components_, axis=0)
    if len(distinct) < len(nystroem.components_):
        return fit_nystroem(distinct, gamma=gamma, landmarks=landmarks, random_state=random_state)
    nystroem.components_ = nystroem.components_.astype(np.float32)
    nystroem.normalization_ = nystroem.normalization_.astype(np.float32)
    return nystroem


def expansion(nystroem: Nystroem, coefficients: Matrix, intercepts: npt.NDArray[Any]) -> Kernel:
    """A linear model on Nystroem features ``(outputs, features)`` as one kernel expansion.

    Nystroem maps with ``K @ normalization.T``; here that is folded into the weights.
    """
    return Kernel(
        landmarks=nystroem.components_,
        weights=nystroem.normalization_.T.astype(np.float64) @ np.atleast_2d(coefficients).T,
        bias=np.atleast_1d(intercepts),
        gamma=nystroem.gamma,
    )
