"""Writes golden_features.json anew: the clip features of two synthetic signals.

    PYTHONPATH=src python tests/make_golden.py

Do so only when the meaning of a feature is changed on purpose; that raises
`SCHEMA_VERSION` too, and the released model has to be trained again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conftest import Samples, make_clicks, make_glide, make_noise, make_voice

from scoreorsong.features import schema, vector
from scoreorsong.spectra import analyze

GOLDEN = Path(__file__).with_name("golden_features.json")


def signals() -> dict[str, Samples]:
    """Two clips that give every family something to measure; with noise, so that no band is mere rounding."""
    hiss = make_noise(12.0, gain=1e-3)
    sung = make_voice(12.0) + 0.3 * make_clicks(12.0, bpm=96) + hiss
    chords = np.concatenate([make_voice(4.0, hz=hz, semitones=0) for hz in (220.0, 330.0, 261.6)])
    swell = np.linspace(0.05, 1, len(chords), dtype=np.float32)
    return {"sung": sung, "swelling": swell * (chords + make_glide(12.0, hz=523.0)) + hiss}


def measured() -> dict[str, dict[str, float]]:
    return {
        name: dict(zip(schema.NAMES, map(float, vector(analyze([samples]))), strict=True))
        for name, samples in signals().items()
    }


if __name__ == "__main__":
    rounded = {
        name: {feature: float(f"{value:.6g}") for feature, value in values.items()}
        for name, values in measured().items()
    }
    content = {"schema_version": schema.SCHEMA_VERSION, "signals": rounded}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n")
