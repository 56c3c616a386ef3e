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

from ..formats import spelt

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
        style_hash=policy_hash(style),
        script=script,
        script_hash=policy_hash(script),
    )


def policy_hash(text: str) -> str:
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
        real = _real(head)
        names = _names(real)
        way = os.path.relpath(real or os.curdir, folder).replace(os.sep, "/")
    except (OSError, ValueError):  # ValueError: a NUL in the path, or another drive
        names, way = {}, ""
    start = "" if way == os.curdir else f"{_quoted(way)}/"
    return lambda name: f"{start}{_quoted(names[name])}" if name in names else None


def _names(folder: str) -> dict[str, str]:
    """Names in a folder, by themselves and by how Parquet spells those that are no text."""
    found = os.listdir(folder or os.curdir)
    return {spelt(name): name for name in found} | {name: name for name in found}


def _real(folder: str) -> str:
    """The folder that a table means: in Parquet, a name on the way to it may be spelt out."""
    head, name = os.path.split(folder)
    if "\\" not in folder or not name or os.path.isdir(folder):
        return folder
    above = _real(head)
    return os.path.join(above, _names(above).get(name, name))


def _quoted(path: str) -> str:
    """For an address; a name need not be text, and a colon in it begins no scheme."""
    return quote(os.fsencode(path), safe="/")
