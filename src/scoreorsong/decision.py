"""Rows of inputs → logits: the parts that scikit-learn fits, applied from plain arrays.

The decision is a mixture of two experts (Jacobs et al. 1991): one for music that
is clear to hear, one for music under dialogue, and a gate that says whether someone
speaks over it. The first weighs linearly, by likeness to known clips and by many decision trees, and the mean
of their logits is calibrated; the second, which hears less, weighs linearly what it hears.

Fitted elsewhere (see `fitting`), so that a stored model means the same under every
version of scikit-learn. Conventions: a song is the positive class; logits are natural
logarithms of odds; landmarks are stored in half precision.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

OUTLIER: Final = 5.0  # standard deviations beyond which a value tells no more
EXTREME: Final = 3.0  # the same for normal scores
BLUR: Final = 0.1  # of a tree's thresholds, in standard deviations
FOREST_ROWS: Final = 64  # that are led through the trees at a time
SUREST_SHARE: Final = 0.995  # beyond which the trees' agreement tells no more

Matrix = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int64]
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
        middle = np.clip(np.array(found).T / 2, 0, 1)  # rounding may lead a hair's breadth beyond
        return np.asarray(np.clip(ndtri(middle), -EXTREME, EXTREME))

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

    landmarks: Rows
    weights: Rows
    bias: Matrix
    gamma: float

    def __call__(self, rows: Matrix) -> Matrix:
        """Outputs for standardised rows, ``(rows, outputs)``."""
        return np.asarray(self.likeness(rows) @ self.weights + self.bias)

    def gradient(self, row: Matrix) -> Matrix:
        """Slope of the first output at one row, ``(inputs,)``."""
        return self.gradients(row, self.likeness(row[None])[0])[0]

    def gradients(self, row: Rows, likeness: Rows) -> Rows:
        """Slopes of all outputs at a row of this likeness, ``(outputs, inputs)``."""
        pull = likeness[:, None] * self.weights
        return np.asarray(2 * self.gamma * (pull.T @ self._widened - np.outer(pull.sum(axis=0), row)))

    def likeness(self, rows: Rows) -> Rows:
        """Of each row to each landmark, ``(rows, n)``, 0 to 1."""
        squared = (rows**2).sum(axis=1)[:, None] + self._lengths - 2 * rows @ self._widened.T
        return np.asarray(np.exp(-self.gamma * np.maximum(squared, 0)))

    __getstate__ = _stored

    @cached_property
    def _widened(self) -> Rows:
        """The landmarks in double precision, if stored in half; turning them at every clip would cost more than using them."""
        return self.landmarks.astype(np.float64) if self.landmarks.dtype == np.float16 else self.landmarks

    @cached_property
    def _lengths(self) -> Rows:
        """Their squared lengths, ``(n,)``."""
        return np.asarray((self._widened**2).sum(axis=1))


@dataclass(frozen=True)
class Forest:
    """The fitted form of scikit-learn's ExtraTreesClassifier (Geurts, Ernst and Wehenkel 2006), all trees in a row.

    A node asks whether a score exceeds its threshold: the next node is for those that do not, the one that
    lies as many nodes on as it skips for those that do. A leaf skips none. Thresholds are blurred: of
    what comes close to one, a part goes each way (as in the soft trees of Irsoy, Yıldız and Alpaydın 2012), so that
    a small change of a score never makes a large one of the answer.

    Attributes
    ----------
    roots : ``(trees,)`` where each tree begins.
    inputs, thresholds, skips : ``(nodes,)`` what is asked there, and where it leads.
    shares : ``(nodes,)`` of songs among what came there in training, 0 to 1.
    """

    roots: Nodes
    inputs: npt.NDArray[np.int16]
    thresholds: npt.NDArray[np.float32]
    skips: npt.NDArray[np.int16]
    shares: npt.NDArray[np.float16]

    def check(self, n_inputs: int) -> None:
        """Every node must be a root or the end of one way, and ask about an input that there is.

        Raises
        ------
        ValueError : one does not.
        """
        n = len(self.shares)
        sizes = {len(self.inputs), len(self.thresholds), len(self.skips)}
        left = np.arange(len(self.skips), 0, -1)
        limits = ((self.roots, n), (self.inputs, n_inputs), (self.skips, left))
        if sizes != {n} or not all(
            a.dtype.kind == "i" and ((a >= 0) & (a < most)).all() for a, most in limits
        ):
            raise ValueError("a path leads out of its forest")
        asking = np.flatnonzero(self.skips)
        ends = np.concatenate([self.roots, *self._ways(asking)])
        if not np.array_equal(np.sort(ends), np.arange(n)):
            raise ValueError("the paths through its forest meet or miss a node")

    def __call__(self, scores: Matrix) -> Matrix:
        """The logit of each row, ``(rows,)``."""
        parts = [scores[start : start + FOREST_ROWS] for start in range(0, len(scores), FOREST_ROWS)]
        shares = [self._of_leaves @ self._reach(part) for part in parts]
        return np.asarray(self._logit(np.concatenate([np.empty(0), *shares])))

    def contributions(self, scores: Matrix) -> Matrix:
        """What each input of one row adds to its logit, ``(inputs,)``: the changes of the share along the paths (Saabas 2014)."""
        reach, shares = self._reach(scores[None])[:, 0], self.shares.astype(np.float64)
        asking = np.flatnonzero(self.skips)
        changes = sum(reach[to] * (shares[to] - shares[asking]) for to in self._ways(asking))
        added = np.bincount(self.inputs[asking], changes, minlength=len(scores)) / len(self.roots)
        first = float(shares[self.roots].mean())
        last = first + float(added.sum())
        change = float(self._logit(last) - self._logit(first))
        return np.asarray(added * (change / (last - first) if last != first else 0.0))

    def _reach(self, scores: Matrix) -> Matrix:
        """How much of every row comes to each node, ``(nodes, rows)``, 0 to 1."""
        reach = np.zeros((len(self.shares), len(scores)))
        reach[self.roots] = 1.0
        for asking in self._levels:
            beyond = scores.T[self.inputs[asking]] - self.thresholds[asking, None]
            exceeding = reach[asking] * expit(beyond / BLUR)
            under, over = self._ways(asking)
            reach[under], reach[over] = reach[asking] - exceeding, exceeding
        return reach

    def _ways(self, asking: Nodes) -> tuple[Nodes, Nodes]:
        """From nodes that ask, the nodes for what does not exceed their thresholds, and those for what does."""
        return asking + 1, asking + self.skips[asking]

    __getstate__ = _stored

    @cached_property
    def _levels(self) -> list[Nodes]:
        """The nodes that ask, as many of them from their roots as the place in the list says."""
        levels, asking = list[Nodes](), self.roots
        while len(asking := asking[self.skips[asking] > 0]):
            levels.append(asking)
            asking = np.concatenate(self._ways(asking))
        return levels

    @cached_property
    def _of_leaves(self) -> Matrix:
        """What each node adds to the mean share of a row that comes there, ``(nodes,)``: only leaves do."""
        return np.asarray(np.where(self.skips > 0, 0.0, self.shares.astype(np.float64)) / len(self.roots))

    @staticmethod
    def _logit(share: Matrix | float) -> Matrix:
        """Twice that of the share: what trees agree on is drawn to the middle."""
        return np.asarray(2 * logit(np.clip(share, 1 - SUREST_SHARE, SUREST_SHARE)))


@dataclass(frozen=True)
class Expert:
    """The calibrated mean of a linear logit and a kernel's, and of these two and a forest's, on normal scores."""

    coefficients: Matrix
    intercept: float
    kernel: Kernel
    slope: float = 1.0  # calibration
    offset: float = 0.0
    forest: Forest | None = None

    def __post_init__(self) -> None:
        if self.forest is not None:
            self.forest.check(len(self.coefficients))

    def __call__(self, scores: Matrix) -> Matrix:
        """The logit of each row, ``(rows,)``."""
        mean = (scores @ self.coefficients + self.intercept + self.kernel(scores)[:, 0]) / 2
        if self.forest is not None:
            mean = (mean + self.forest(scores)) / 2
        return np.asarray(self.slope * mean + self.offset)

    def calibrated(self, slope: float, offset: float) -> Self:
        """The same with this calibration."""
        return replace(self, slope=slope, offset=offset)

    def contributions(self, scores: Matrix) -> Matrix:
        """What each input of one row adds to its logit, ``(inputs,)``.

        Slope times distance from the usual, and what it changes on its ways through the trees.
        """
        mean = (self.coefficients + self.kernel.gradient(scores)) * scores / 2
        if self.forest is not None:
            mean = (mean + self.forest.contributions(scores)) / 2
        return np.asarray(self.slope * mean)


@dataclass(frozen=True)
class Linear:
    """A logit that weighs normal scores, ``coefficients (inputs,)``."""

    coefficients: Matrix
    intercept: float

    def __call__(self, scores: Matrix) -> Matrix:
        """The logit of each row, ``(rows,)``."""
        return np.asarray(scores @ self.coefficients + self.intercept)

    def calibrated(self, slope: float, offset: float) -> Self:
        """The same, stretched by the slope and moved by the offset."""
        return type(self)(slope * self.coefficients, slope * self.intercept + offset)

    def contributions(self, scores: Matrix) -> Matrix:
        """What each input of one row adds to its logit, ``(inputs,)``."""
        return np.asarray(self.coefficients * scores)


@dataclass(frozen=True)
class Dialogue:
    """Whether someone speaks over the music, told by the `gate`, and the expert who then decides.

    `hint` tells what may be softer speech, or speech now and then. Half-spoken songs sound like it, so
    that nothing is decided by it: it only says that the call is in doubt (see `Decision.in_doubt`).
    """

    gate: Linear
    expert: Linear
    hint: Linear

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

    def in_doubt(self, scores: Matrix, logits: Matrix) -> npt.NDArray[np.bool_]:
        """Where there is a hint of speech, and the expert for dialogue would call otherwise what has these logits, ``(rows,)``."""
        if self.dialogue is None:
            return np.zeros(len(scores), np.bool_)
        otherwise = (logits > 0) != (self.dialogue.expert(scores) > 0)
        return np.asarray((self.dialogue.hint(scores) > 0) & otherwise)

    def contributions(self, scores: Matrix) -> Matrix:
        """What each input of one row adds to its logit, ``(inputs,)``."""
        clear = self.clear.contributions(scores)
        if self.dialogue is None:
            return clear
        share = float(self.dialogue.share(scores[None])[0])
        return (1 - share) * clear + share * self.dialogue.expert.contributions(scores)

    @classmethod
    def built(cls, content: dict[str, Any]) -> Self:
        """From the tables and arrays that a model file holds."""
        scores, dialogue = content["scores"], content["dialogue"]
        if dialogue is not None:
            dialogue = Dialogue(**{name: Linear(**part) for name, part in dialogue.items()})
        return cls(
            NormalScores(**scores) if "quantiles" in scores else Standard(**scores),
            _expert(content["clear"]),
            dialogue,
        )


def _expert(content: dict[str, Any]) -> Expert:
    forest = None if content["forest"] is None else Forest(**content["forest"])
    return Expert(**{**content, "kernel": Kernel(**content["kernel"]), "forest": forest})
