"""The parts in this folder and values → an HTML page that needs no network.

Text from outside goes into a page escaped, or as JSON from which its script makes text nodes.
A policy in each page lets nothing run but that script, which it names by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

Href = Callable[[str], str | None]


@cache
def part(name: str) -> str:
    """A file of this folder; empty where there is none."""
    path = files(__name__) / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def page(name: str, /, *, title: str, base: bool = True, **values: object) -> str:
    """The page of this name.

    Parameters
    ----------
    title : as text.
    base : whether its style builds on that of the other pages.
    values : what stands in it, as markup.
    """
    style, script = base * part("base.css") + part(f"{name}.css"), part(f"{name}.js")
    return Template(part("frame.html")).substitute(
        title=escape(title),
        body=Template(part(f"{name}.html")).substitute(values),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
    )


def _hash(text: str) -> str:
    """As a content security policy names what may run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def script_safe(data: object) -> str:
    """JSON that cannot end the script element which holds it, whatever stands in it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def linker(head: str, folder: str | os.PathLike[str]) -> Href:
    """From a name in the folder `head` to its link on a page in `folder`, or to None where it cannot be reached.

    A folder is listed once, which is faster than asking for each of its files.
    """
    try:
        names = frozenset(os.listdir(head or os.curdir))
        way = os.path.relpath(head or os.curdir, folder).replace(os.sep, "/")
    except (OSError, ValueError):  # ValueError: a NUL in the path, or another drive
        names, way = frozenset(), ""
    start = "" if way == os.curdir else f"{_quoted(way)}/"
    return lambda name: f"{start}{_quoted(name)}" if name in names else None


def _quoted(path: str) -> str:
    """For an address; a name need not be text, and a colon in it begins no scheme."""
    return quote(os.fsencode(path), safe="/")
