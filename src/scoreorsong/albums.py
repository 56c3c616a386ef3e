"""Predictions → albums: what each folder is, its files taken as the tracks of one release.

Conventions: a track is a file with music; its folder is what stands before its name. A release is a
*score album* if at most `FEW` of its tracks are songs, a *song soundtrack* if at most `FEW` are
score, and *mixed* otherwise.

The probability of a kind: beforehand the three kinds are equally likely, and so is within each every
share of songs that n tracks can have. If the share is ``s``, track i has been heard as it was with a
likelihood proportional to ``s r_i + 1 - s``, where ``r_i = odds(p_i) / odds(SONGS_IN_TRAINING)`` is what
its calibrated probability says beyond how many songs the model was calibrated on. Tracks of an album
share people and production, so that a model that errs on one tends to err on the others: n of them tell
as much as ``n / (1 + (n - 1) DEPENDENCE)`` independent ones (the design effect of Kish 1965, *Survey
Sampling*), and to the power of that over n the product of the likelihoods is taken.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .cohesion import cohesion, percentile
from .errors import BatchError, ResultsError
from .formats import Layout, Row, format_of, write_table
from .prediction import Failure, Prediction
from .results import ALBUM_COLUMNS, KINDS, Album, read_albums

FEW: Final = 0.2
# Of the clips that the shipped model was calibrated on; a model calibrated on many more or fewer songs
# would lean towards one of the pure kinds.
SONGS_IN_TRAINING: Final = 0.35
DEPENDENCE: Final = 0.05  # chosen on albums by one hand: benchmarks/albums.py
SUREST: Final = 1e-6  # no track is taken for surer than this from 0 or 1
MOST_SHARES: Final = 100  # a finer step would tell no more

_TEXTS: Final = ("folder", "kind")
_COUNTS: Final = ("tracks", "no_music", "failed")
ALBUMS: Final = Layout(
    ALBUM_COLUMNS,
    kinds={name: "int64" if name in _COUNTS else "float64" for name in ALBUM_COLUMNS if name not in _TEXTS},
)


class Track(NamedTuple):
    """What an album is told from; `label` is "" for a file that could not be heard."""

    path: str
    label: str
    song_probability: float
    descriptor: bytes


def summarize(predictions: Iterable[Prediction | Failure]) -> list[Album]:
    """Say of every folder whether it is a score album, a song soundtrack or mixed.

    Parameters
    ----------
    predictions : of files, as from `predict_folder` or `predict_many`, in any order.

    Returns
    -------
    list of Album : one per folder that holds a file, sorted by folder.

    Examples
    --------
    >>> from scoreorsong import Failure, summarize
    >>> summarize([Failure("library/a/broken.wav", "the file is empty")])[0].failed
    1
    """
    return _albums(map(_track, predictions))


def albums_of_rows(rows: Iterable[Row | None], descriptors: Mapping[str, bytes]) -> list[Album]:
    """The same from the rows of a results table, and the descriptors that lie beside it."""
    return _albums(
        Track(
            row["path"],
            row["label"] or "",
            float(row["song_probability"] or 0),
            descriptors.get(row["path"], b""),
        )
        for row in rows
        if row is not None
    )


def _track(result: Prediction | Failure) -> Track:
    if isinstance(result, Failure):
        return Track(result.source, "", 0.0, b"")
    return Track(result.source, result.label, result.song_probability, result.descriptor)


def _albums(tracks: Iterable[Track]) -> list[Album]:
    folders: dict[str, list[Track]] = {}
    for track in tracks:
        folders.setdefault(os.path.dirname(track.path), []).append(track)
    return [_album(folder, folders[folder]) for folder in sorted(folders)]


def _album(folder: str, files: Sequence[Track]) -> Album:
    tracks = [file for file in files if file.label in ("score", "song")]
    n, n_songs = len(tracks), sum(track.label == "song" for track in tracks)
    kind, probability = _likeliest([track.song_probability for track in tracks])
    alike = cohesion([track.descriptor for track in tracks])
    return Album(
        folder=folder,
        kind=kind,
        probability=probability,
        tracks=n,
        score_share=1 - n_songs / n if n else None,
        song_share=n_songs / n if n else None,
        no_music=sum(file.label == "no_music" for file in files),
        failed=sum(not file.label for file in files),
        cohesion=alike,
        cohesion_percentile=None if alike is None else percentile(alike, n),
    )


def _likeliest(song_probabilities: Sequence[float]) -> tuple[str, float] | tuple[None, None]:
    if not song_probabilities:
        return None, None
    by_kind = kind_probabilities(song_probabilities)
    kind = max(by_kind, key=lambda kind: by_kind[kind])
    return kind, by_kind[kind]


def kind_probabilities(
    song_probabilities: Sequence[float], *, dependence: float = DEPENDENCE
) -> dict[str, float]:
    """By kind, its probability given those of the tracks; see the head of the module.

    Parameters
    ----------
    song_probabilities : calibrated, 0 to 1, of at least one track.
    dependence : 0 for independent tracks, 1 where one of them tells all that all tell.
    """
    n = len(song_probabilities)
    p = np.clip(np.asarray(song_probabilities, np.float64), SUREST, 1 - SUREST)
    ratios = p / (1 - p) / (SONGS_IN_TRAINING / (1 - SONGS_IN_TRAINING))
    shares = np.linspace(0, 1, min(n, MOST_SHARES) + 1)
    evidence = np.array([np.log(share * ratios + (1 - share)).sum() for share in shares])
    evidence /= 1 + (n - 1) * dependence
    weights = _prior(shares) * np.exp(evidence - evidence.max())
    kinds = _kinds(shares)
    return {name: float(weights[kinds == i].sum() / weights.sum()) for i, name in enumerate(KINDS)}


def _kinds(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.int_]:
    """Of each share of songs, the place of its kind in `KINDS`."""
    few = FEW + 1e-9  # a fifth is few, however it is rounded
    return np.select([shares <= few, shares >= 1 - few], [0, 1], 2)


def _prior(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Equal among the kinds that there can be, and among the shares within each."""
    kinds = _kinds(shares)
    return np.asarray(1 / np.bincount(kinds)[kinds])


# ---- the albums table


def check_target(
    path: str | os.PathLike[str], results: str | os.PathLike[str], *, resume: bool = True
) -> None:
    """Refuse, before any work, an albums table that could not be written or would destroy something.

    Raises
    ------
    BatchError : another ending, not writable, in the place of the results, or (to resume) of a file
        that is no albums table.
    """
    format_of(path, ALBUMS)
    target, taken = Path(os.path.realpath(path)), os.path.realpath(results)
    if str(target) in (taken, f"{taken}.jsonl"):
        raise BatchError(f"{path}: is where the results are kept; name another file for the albums")
    if target.exists() and not target.is_file():
        raise BatchError(f"{path}: is no file that can be kept; expected a new name or an albums table")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
        if resume and target.is_file():
            read_albums(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    except ResultsError as error:
        raise BatchError(
            f"{error}; name another file for the albums, or overwrite it with --no-resume"
        ) from error


def write_albums(path: str | os.PathLike[str], albums: Iterable[Album]) -> None:
    """Write an albums table, whole or not at all; the ending chooses its format.

    Raises
    ------
    BatchError : another ending, or it cannot be written.
    """
    try:
        write_table(path, ALBUMS, map(asdict, albums))
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str | os.PathLike[str], error: OSError) -> BatchError:
    return BatchError(
        f"{path}: cannot be written ({error.strerror}); mend that, then run the same command again"
    )
