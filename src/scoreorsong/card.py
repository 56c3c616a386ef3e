"""Model → its card, as text."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any, Final

import soundfile

from .errors import ModelError
from .model import Model

# Who knows less, as a table heads their column, and as a figure keeps their number.
BASELINES: Final = {"vocals only": "baseline", "majority": "majority", "shipped model": "shipped"}
# What Markdown takes as markup; an underscore between letters, as in no_music, is none.
MARKUP: Final = re.compile(r"[\\|`*\[\]]|(?<![^\W_])_|_(?![^\W_])")


def card_text(model: Model) -> str:
    """The card as Markdown: data by slice and licence, features, figures, limits.

    Raises
    ------
    ModelError : something is missing from the card, as where a program of one's own saved the model.
    """
    try:
        return _text(model, model.card)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"model {model.model_id}: its card is not whole ({error!r}); --json prints what there is"
        ) from error


def _text(model: Model, card: Mapping[str, Any]) -> str:
    features = ", ".join(f"{n} {family}" for family, n in card["features"].items())
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    lines = [
        f"# Model {model.model_id}",
        "",
        f"Trained on {card['clips']} clips of {card['groups']} groups and {card['voices']} voices, "
        f"{card['takes']} takes with their variants; ear {card['ear']}.",
        *_sources(card),
        f"Features: {features}.",
        f"Uncertain between {model.band[0]:.2f} and {model.band[1]:.2f}; "
        f"no_music under {model.music_threshold:.0%} of music.",
        f"Licence: {card['licence']}.",
        f"Seed {card['random_state']}; training table {card['training_table_sha256'][:16]}; {versions}.",
        *_section("Clips by slice", card["clips_by_slice"]),
        *_section("Clips by licence", card["clips_by_licence"]),
        "",
        f"## Figures ({card['cross_validation']})",
        "",
        *figure_lines(card),
        "",
        "## Known limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
    ]
    return "\n".join(lines)


def _sources(card: Mapping[str, Any]) -> Iterator[str]:
    """Where groups and features came from; a model of before such were noted has nothing to say."""
    if grouped := card.get("grouped_by"):
        yield "Groups: " + ", ".join(f"{n} clips by {how}" for how, n in grouped.items()) + "."
    for a, b in card.get("copies_put_together", ()):
        yield f"{a} and {b} are copies of one recording and were put into one group."
    if n := card.get("clips_from_a_feature_table"):
        yield f"The features of {n} clips came from a feature table, so that no variants of them were learnt from."
    if added := card.get("added_to"):
        yield (
            f"Added to {added['clips']} clips of the shipped model (table {added['table']}), "
            f"beside which each own clip counts {added['own_weight']:g} times."
        )


def figure_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """The figures as rows of a Markdown table; a baseline that was never asked has no column."""
    figures = card["figures"]
    asked = {who: key for who, key in BASELINES.items() if any(f.get(key) is not None for f in figures)}
    yield " | ".join(["| figure", "value", "95 % interval", *asked, "clips", "groups |"])
    yield "|---" * (5 + len(asked)) + "|"
    for figure in figures:
        beside = ["" if (v := figure.get(key)) is None else f"{v:.3f}" for key in asked.values()]
        yield " | ".join(
            [
                f"| {cell(figure['name'])}",
                f"{figure['value']:.3f}",
                f"{figure['low']:.3f} to {figure['high']:.3f}",
                *beside,
                str(figure["clips"]),
                f"{figure['groups']} |",
            ]
        )


def cell(text: object) -> str:
    """Text that stays in its cell of a Markdown table and is not taken as markup."""
    flat = " ".join(str(text).split())
    return MARKUP.sub(r"\\\g<0>", flat).replace("<", "&lt;")


def versions() -> dict[str, str]:
    """Of Python and of the libraries that the numbers may depend on."""
    names = ("numpy", "scipy", "scikit-learn", "soundfile", "soxr")
    libraries = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), **libraries, "libsndfile": soundfile.__libsndfile_version__}


def _section(title: str, counts: Mapping[str, int]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {name}: {n}" for name, n in counts.items())]
