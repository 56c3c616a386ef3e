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
    from .batch import predict_folder
    from .errors import AudioError, BatchError, LabelsError, ModelError, ResultsError, ScoreOrSongError
    from .estimators import ClipFeatures
    from .extraction import extract
    from .features import Features
    from .model import Model, load_model
    from .prediction import Failure, Prediction, Reason, predict, predict_many
    from .training import train

__version__ = "0.1.0"

_ROOMS = {
    "batch": ("predict_folder",),
    "errors": ("AudioError", "BatchError", "LabelsError", "ModelError", "ResultsError", "ScoreOrSongError"),
    "estimators": ("ClipFeatures",),
    "extraction": ("extract",),
    "features": ("Features",),
    "model": ("Model", "load_model"),
    "prediction": ("Failure", "Prediction", "Reason", "predict", "predict_many"),
    "training": ("train",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AudioError",
    "BatchError",
    "ClipFeatures",
    "Failure",
    "Features",
    "LabelsError",
    "Model",
    "ModelError",
    "Prediction",
    "Reason",
    "ResultsError",
    "ScoreOrSongError",
    "extract",
    "load_model",
    "predict",
    "predict_folder",
    "predict_many",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'scoreorsong' has no attribute {name!r}")
    return getattr(import_module(f".{_ROOM_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
