"""Runs that were taken for music → those that are the background of a scene only, in which nobody plays.

A room that hums sounds like a score to an ear that hears half a second of it. But nothing in it ever changes; or no cue begins
or ends with it: where least is spoken it sounds as the talk around it does.

Conventions: as in `listening`. What a part sounds like are `LEVELS` of the power in each of `BANDS`, in dB, over the frames in
which least is spoken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from .decision import Matrix
from .features import BANDS, SEGMENT_S
from .hearing import Points, least_hidden, most_changed
from .listening import sound_of
from .spectra import SILENCE_POWER
from .spool import Spool

LEVELS: Final = (20, 35, 50, 65)  # percentiles
AROUND_POINTS: Final = round(120 / SEGMENT_S)  # before and after a run
# How much of that is without music at least, and how much of this spoken over: what was taken for none between cues that go on,
# or where nobody speaks, may be a part of them.
LEAST_AROUND: Final = round(80 / SEGMENT_S)
TALK_SHARE: Final = 0.7
# What sounds as its surroundings do differs from them by less than this in the bands in which it differs most.
ALIKE_DB: Final = 6.0
BLOCK_POINTS: Final = 2 * round(15 / SEGMENT_S)
# In a block in which nothing changes the highest of the levels lies over the lowest by less than this in the bands that change most.
STEADY_DB: Final = 3.0


def backgrounds(run: slice, without: npt.NDArray[np.bool_], speech: Matrix, spool: Spool) -> Iterator[Points]:
    """What is background only of a run of points that was taken for music.

    Parameters
    ----------
    without : ``(points,)`` where something sounds and there is no music.
    speech : ``(points,)`` logit that someone speaks there or beside.
    spool : the spectra of the source, as `listen` left them.
    """
    points, first = np.arange(run.start, run.stop), max(run.start - AROUND_POINTS, 0)
    around = first + np.flatnonzero(without[first : run.stop + AROUND_POINTS])
    talk = len(around) >= LEAST_AROUND and (speech[around] > 0).mean() > TALK_SHARE
    if talk and _alike(_sound(points, speech, spool), _sound(around, speech, spool)):
        yield points
    else:
        yield from (block for block in _blocks(points) if _steady(_sound(block, speech, spool)))


def _blocks(points: Points) -> Iterator[Points]:
    """Of `BLOCK_POINTS`, each half over the one before; the last, or the only one, may be shorter."""
    step = BLOCK_POINTS // 2
    for start in range(0, max(len(points) - step, 1), step):
        yield points[start : start + BLOCK_POINTS]


def _alike(one: Matrix, other: Matrix) -> bool:
    return most_changed(np.abs(one - other).mean(axis=0)) < ALIKE_DB


def _steady(sound: Matrix) -> bool:
    return most_changed(sound[-1] - sound[0]) < STEADY_DB


def _sound(points: Points, speech: Matrix, spool: Spool) -> Matrix:
    """What points sound like, ``(levels, bands)``."""
    mel = sound_of(points[least_hidden(speech[points])], spool).mel_power
    bands = mel.reshape(BANDS, -1, mel.shape[1]).mean(axis=1)
    levels = np.percentile(bands, LEVELS, axis=1)
    return np.asarray(10 * np.log10(np.maximum(levels, SILENCE_POWER)), dtype=np.float64)
