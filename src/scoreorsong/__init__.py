"""score-or-song: hears whether a clip is score (underscore) or a standalone song.

The public names → the rooms that hold them; loaded on first use, so that
``import scoreorsong`` is light.

>>> from scoreorsong import predict
>>> import numpy as np
>>> predict(np.zeros(22050), rate=22050).label
'no_music'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .albums import summarize
    from .batch import predict_folder
    from .errors import (
        AudioError,
        BatchError,
        ExportError,
        LabelsError,
        ModelError,
        ReportError,
        ResultsError,
        ScoreOrSongError,
    )
    from .estimators import ClipFeatures
    from .evaluation import Evaluation, evaluate
    from .extraction import extract
    from .features import Features
    from .model import Model, load_model
    from .prediction import Failure, Prediction, Reason, predict, predict_many
    from .results import Album
    from .segments import Curve, Segment
    from .timelines import Timeline, timeline
    from .training import train, train_and_evaluate

__version__ = "0.1.0"

_ROOMS = {
    "albums": ("summarize",),
    "batch": ("predict_folder",),
    "errors": (
        "AudioError",
        "BatchError",
        "ExportError",
        "LabelsError",
        "ModelError",
        "ReportError",
        "ResultsError",
        "ScoreOrSongError",
    ),
    "estimators": ("ClipFeatures",),
    "evaluation": ("Evaluation", "evaluate"),
    "extraction": ("extract",),
    "features": ("Features",),
    "model": ("Model", "load_model"),
    "prediction": ("Failure", "Prediction", "Reason", "predict", "predict_many"),
    "results": ("Album",),
    "segments": ("Curve", "Segment"),
    "timelines": ("Timeline", "timeline"),
    "training": ("train", "train_and_evaluate"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Album",
    "AudioError",
    "BatchError",
    "ClipFeatures",
    "Curve",
    "Evaluation",
    "ExportError",
    "Failure",
    "Features",
    "LabelsError",
    "Model",
    "ModelError",
    "Prediction",
    "Reason",
    "ReportError",
    "ResultsError",
    "ScoreOrSongError",
    "Segment",
    "Timeline",
    "evaluate",
    "extract",
    "load_model",
    "predict",
    "predict_folder",
    "predict_many",
    "summarize",
    "timeline",
    "train",
    "train_and_evaluate",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'scoreorsong' has no attribute {name!r}")
    return getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
