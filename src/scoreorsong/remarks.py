"""Counts → sentences: what the reader of an evaluation should know, and be warned of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .acquaintance import Acquaintance
from .dataset import Example
from .verdicts import N_FOLDS

FLATTERED: Final = "its figures are flattered"
MOST_COPIES: Final = 10
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


def of_met(met: Acquaintance, who: str, *, same_ear: bool = False) -> list[str]:
    """What must be said about clips that a model met in training; `same_ear`: and with it, the ear judged here."""
    flattered = "its figures are flattered, and so are those of what uses its ear" if same_ear else FLATTERED
    if not met.known:
        return [
            f"Whether {who} met these clips in training cannot be known: its card holds no hashes of clips, as "
            f"those of newer models do. If it did, {flattered}."
        ]
    told = []
    if met.clips:
        told.append(f"{met.clips} of these clips are among those that {who} was trained on: {flattered}.")
    if met.groups:
        told.append(
            f"{met.groups} of these groups have names that {who} was trained on: if they are the same people or "
            f"productions, {flattered}."
        )
    return told


def of_copies(pairs: Sequence[tuple[Example, Example]]) -> list[str]:
    """Warnings of recordings that are there twice."""
    contrary = [
        f"{a.name} and {b.name} are copies of one recording, called {a.label} and {b.label}: one of them is wrong."
        for a, b in pairs
        if a.label != b.label
    ]
    twice = f"{len(pairs)} pairs of clips are copies of one recording and count as one group, such as {_pair(pairs)}."
    return contrary[:MOST_COPIES] + ([twice] if pairs else [])


def _pair(pairs: Sequence[tuple[Example, Example]]) -> str:
    return f"{pairs[0][0].name} and {pairs[0][1].name}" if pairs else ""


def of_copies_together(names: Sequence[tuple[str, str]]) -> list[str]:
    """Which copies were put into one group, so that no split parts them."""
    return [f"{a} and {b} are copies of one recording and were put into one group." for a, b in names]


def of_added(note: Mapping[str, Any]) -> list[str]:
    """What the models learnt from beside the labels."""
    if not note:
        return []
    return [
        f"Every model also learnt from {note['clips']} clips of the shipped model, of groups that are not among "
        f"these; each clip of these labels counts {note['own_weight']:g} times beside them. Figures are of these labels alone."
    ]


def of_the_card(
    card: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> tuple[list[str], str]:
    """Warnings and a note: whether a cross-validation that was run again says what the card says."""
    asked = ("value", "low", "high", "baseline", "majority", "clips", "groups")
    told, now = ({f["name"]: [f.get(key) for key in asked] for f in figures} for figures in (card, found))
    others = sorted(name for name in told.keys() | now.keys() if told.get(name) != now.get(name))
    again = "These are the clips that the model learnt from: the cross-validation of its card was run again, "
    if not others:
        return [], f"{again}and gives the figures of the card."
    warning = (
        f"{len(others)} of {len(now)} figures are not those of the model's card, such as {others[0]}: labels, groups, "
        "features, settings or versions are not those of its training."
    )
    return [warning], f"{again}and does not give all figures of the card."
