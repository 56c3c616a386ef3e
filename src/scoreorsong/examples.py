"""A row of the labels → an example: one labelled clip, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .feature_table import Measured


@dataclass(frozen=True)
class Example:
    """One labelled clip; what the labels do not say stays at its default.

    `row` is where it stands in the labels, `grouped_by` what its group was taken from, and
    `measured` its row of a feature table, where its features come from one.
    """

    path: Path
    label: str
    group: str
    name: str = ""
    slice: str = ""
    vocals: str = "unknown"
    licence: str = "not stated"
    weight: float = 1.0
    start_s: float = 0.0
    duration_s: float | None = None
    source: str = ""
    row: object = field(default=None, compare=False, repr=False)
    grouped_by: str = field(default="labels", compare=False, repr=False)
    measured: Measured | None = field(default=None, compare=False, repr=False)
