"""Long media → where the score, the songs and the rest are.

Conventions: times are seconds from the start of the source; segments follow one another
without gap or overlap from 0 to its end. What is heard at every point comes from `listening`;
here it becomes evidence for three states, and `decoding` finds their likeliest sequence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_expit
from threadpoolctl import threadpool_limits

from .audio import Audio, Source, open_audio
from .decision import Matrix
from .decoding import Run, decode, novelty
from .features import SEGMENT_S
from .listening import SILENCE_DB, Heard, listen
from .model import MUSIC, TAG, VOICE, Model, smoothed_voice
from .prediction import default_model
from .segments import Curve, Segment

STATES: Final = ("score", "song", "no_music")
