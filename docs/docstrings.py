"""Docstrings of this project → those that numpydoc's parser reads; an extension of griffe.

Types stand in the signatures, so a parameter is described on the line of its name,
``rate : sample rate of an array in Hz``, where numpydoc expects the type.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

ENTRY = re.compile(r"^([\w, *]+) : (.+(?:\n    .+)*)$", re.MULTILINE)


class DescriptionsOnTheLine(Extension):
    """Moves descriptions to a line of their own, also where several names share one."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = ENTRY.sub(_entries, obj.docstring.value)


def _entries(found: re.Match[str]) -> str:
    return "\n".join(f"{name}\n    {found[2]}" for name in found[1].split(", "))
