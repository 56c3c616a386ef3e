"""A model → its card: `score-or-song info`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .common import OK, chosen_model, command, told


def add(commands: Any) -> None:
    example = "score-or-song info"
    parser = command(
        commands, "info", run, "print a model's card: what it was trained on and how it did", example
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a model file (default: the shipped model)")
    parser.add_argument("--json", action="store_true", help="the whole card as JSON")


def run(options: argparse.Namespace) -> int:
    model = chosen_model(options.model)
    if options.json:
        print(
            json.dumps(
                {"model_id": model.model_id, **model.card}, indent=1, default=lambda array: array.tolist()
            )
        )
    else:
        from ..card import card_text

        print(told(card_text(model)))
    return OK
