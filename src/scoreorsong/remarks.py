"""Counts → sentences: what the reader of an evaluation should know, and be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from .acquaintance import Acquaintance
from .dataset import Example
from .verdicts import N_FOLDS

FEW_GROUPS: Final = 20  # of either class, under which an interval is told to be rough

OF_A_MODEL: Final = (
    "The model is judged as it is; nothing in it was fitted to these clips. Class balance: its probabilities are "
    "calibrated to the share of songs that it was trained with, which need not be theirs; ROC-AUC and balanced "
    "accuracy do not depend on that share.",
    "Vocals only: a logistic regression on how often and how surely the model's ear hears someone sing, "
    f"fitted to these clips by up to {N_FOLDS} folds of groups: it knows this material, the model may not.",
)
GENERAL: Final = (
    "Majority: always names the label that most of the clips have; its average precision is their share "
    "(the prior).",
    "Intervals: 95 % percentile bootstrap over groups, the clips of a group drawn together: over "
    "few groups they say little, over a single one nothing. That of the "
    "calibration error lies high, since a resample is less even than the clips are.",
    "Songs that models made (slice song-vocal-ai) count in their own slice only.",
)


def of_training(split: str, seeds: Sequence[int]) -> str:
    return (
        f"{split.capitalize()}, seeds {', '.join(map(str, seeds))}: every call is by a model that met no clip of "
        "the group. Calibration, thresholds and the uncertain band are chosen in inner folds, by group as well "
        "(nested). Vocals only, a logistic regression on how often and how surely the ear hears someone sing, is "
        "fitted in the same folds. The saved model is fitted in the same way on all clips."
    )


def of_balance(clips: Sequence[Example]) -> str:
    music = [e for e in clips if e.label != "no_music"]
    share = sum(e.label == "song" for e in music) / len(music)
    return (
        f"Class balance: {share:.0%} of the labelled music is song. In training both classes weigh the same, "
        "and a group of n clips as much as the root of n; probabilities are then calibrated to this share."
    )


def of_groups(clips: Sequence[Example]) -> str:
    """By what the groups that no fold splits are known."""
    ways = Counter(e.grouped_by for e in clips)
    return f"Groups: {', '.join(f'{n} clips by {how}' for how, n in sorted(ways.items()))}."


def of_shipped(model_id: str) -> str:
    return f"Shipped model: {model_id}, as it is, on the same clips."


def of_few(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    few = {
        label: n["groups"] for label, n in counts.items() if n["groups"] < FEW_GROUPS and label != "no_music"
    }
    told = " and ".join(f"{n} groups of {label}" for label, n in few.items())
    return [f"Only {told}: the intervals are rough, and rather too narrow than too wide."] if few else []


def of_failed(count: int) -> list[str]:
    return [f"{count} clips could not be read and are left out."] if count else []


def of_met(met: Acquaintance, who: str) -> list[str]:
    """What must be said about clips that a model met in training."""
    if not met.known:
        return [
            f"Whether {who} met these clips in training cannot be known: its card holds no hashes of clips, as "
            "those of newer models do. If it did, its figures are flattered."
        ]
    told = []
    if met.clips:
        told.append(
            f"{met.clips} of these clips are among those that {who} was trained on: its figures are flattered."
        )
    if met.groups:
        told.append(
            f"{met.groups} of these groups have names that {who} was trained on: if they are the same people or "
            "productions, its figures are flattered."
        )
    return told
