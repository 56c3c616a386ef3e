"""Parts in `pages/` → what pages are made of: their text, and the hashes by which a policy lets them run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def part(name: str) -> str:
    """A template, style or script."""
    return (files("scoreorsong") / "pages" / name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """As a content security policy names what may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
