"""Pages → the same with what the program says (see `blocks`); called by mkdocs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from blocks import filled


def on_page_markdown(markdown: str, **_: Any) -> str:
    return filled(markdown)
