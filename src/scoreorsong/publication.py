"""An evaluation's plain values → HTML with plots, JSON, or Markdown tables.

Conventions: the ending of the file chooses; whatever comes from labels is escaped; no
time and no place is written down, so that the same values give the same bytes. The
page runs nothing and loads nothing.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from . import charts
from .card import BASELINES, cell
from .curve_tables import Table, curve_tables
from .errors import ReportError
from .files import write_whole
from .pages import part, policy_hash

MOST_MISTAKES: Final = 50  # on a page and in Markdown; JSON holds all
FAMILIES: Final = "Families of inputs"
FOLDED_FROM: Final = 15  # rows, from which a table is folded up

Plain = Mapping[str, Any]


def write(evaluation: Plain, path: str | os.PathLike[str]) -> None:
    """Write the report that the ending of the path asks for, whole or not at all.

    Raises
    ------
    ReportError : see `check`; or the file cannot be written.
    """
    check(path)
    text = WRITERS[Path(path).suffix.lower()](evaluation)
    try:
        write_whole(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise ReportError(
            f"{path}: cannot be written ({error.strerror}); choose a folder that is yours"
        ) from error


def check(path: str | os.PathLike[str]) -> None:
    """Find out before long work whether a report can be made.

    Raises
    ------
    ReportError : another ending, no such folder, a folder of this name, or no matplotlib for a page.
    """
    target = Path(path)
    if target.suffix.lower() not in WRITERS:
        raise ReportError(f"{target}: ends in {target.suffix or 'nothing'}; expected {', '.join(WRITERS)}")
    if not os.path.isdir(target.absolute().parent) or os.path.isdir(target):
        raise ReportError(f"{target}: is a folder, or in none; name a file in a folder that exists")
    if target.suffix.lower() == ".html":
        charts.check_matplotlib()


# ---- the tables that page and Markdown share


def tables(evaluation: Plain) -> Iterator[Table]:
    """All that can be told in rows, the most asked for first."""
    yield _figure_table(evaluation["figures"])
    yield _confusion_table(evaluation["confusion"])
    yield _slice_table(evaluation["slices"], {f["name"]: f for f in evaluation["figures"]})
    if evaluation["families"]:
        yield _family_table(evaluation["families"])
    yield from curve_tables(evaluation["curves"])
    yield _mistake_table(evaluation["mistakes"])
    yield _group_table(evaluation["groups"])
    if evaluation["failures"]:
        rows = [(failure["source"], failure["error"]) for failure in evaluation["failures"]]
        yield Table("Clips that could not be read", "They are in no figure.", ("clip", "error"), rows)
    if evaluation["absent"]:
        yield Table(
            "Not measured",
            "What these clips cannot answer.",
            ("figure", "why"),
            [*evaluation["absent"].items()],
        )


def _figure_table(figures: Sequence[Plain]) -> Table:
    asked = {who: key for who, key in BASELINES.items() if any(f[key] is not None for f in figures)}
    rows = [
        (f["name"], _share(f["value"]), _interval(f), *(_share(f[key]) for key in asked.values()), f["clips"], f["groups"])
        for f in figures
    ]  # fmt: skip
    return Table("Figures", "", ("figure", "value", "95 % interval", *asked, "clips", "groups"), rows)


def _confusion_table(confusion: Mapping[str, Mapping[str, float]]) -> Table:
    labels = list(next(iter(confusion.values()), {}))
    rows = [(truth, *(_count(called[label]) for label in labels)) for truth, called in confusion.items()]
    about = "Clips by their label and what they are called; means over the seeds."
    return Table("Confusion", about, ("label", *(f"called {label}" for label in labels)), rows)


def _slice_table(slices: Sequence[Plain], figures: Mapping[str, Plain]) -> Table:
    rows = []
    for row in slices:
        right = figures.get(f"{row['slice']} called right")
        told = (
            (_share(right["value"]), _interval(right), _share(right["baseline"])) if right else ("", "", "")
        )
        rows.append((row["slice"], *told, *_calls(row), row["groups"]))
    columns = ("slice", "called right", "95 % interval", "vocals only", *CALLS, "groups")
    return Table("Slices", "Counts are means over the seeds.", columns, rows)


def _family_table(families: Mapping[str, Mapping[str, Plain]]) -> Table:
    ways = [how for how in ("without", "shuffled") if any(how in worth for worth in families.values())]
    rows = [
        (family, *(text for how in ways for text in _worth(worth.get(how))))
        for family, worth in families.items()
    ]
    about = (
        "ROC-AUC lost, on everything people made, where the decision is fitted anew without a family of inputs "
        "(another may know the same), and where its values come from other clips (permutation importance)."
        if "without" in ways
        else "ROC-AUC lost, on everything people made, where a family's values come from other clips "
        "(permutation importance). A ready model is not fitted anew."
    )
    return Table(FAMILIES, about, ("family", *(c for how in ways for c in (how, "95 % interval"))), rows)


def _worth(figure: Plain | None) -> tuple[str, str]:
    return (f"{figure['value']:+.3f}", _interval(figure, "+.3f")) if figure else ("", "")


def _mistake_table(mistakes: Sequence[Plain]) -> Table:
    rows = [
        (m["path"], m["label"], ", ".join(m["called"]), f"{m['song_probability']:.2f}", m["slice"], m["group"],
         f"{m['wrong']} of {m['asked']}")
        for m in mistakes[:MOST_MISTAKES]
    ]  # fmt: skip
    about = "The most surely wrong first, then by path; the probability is the mean over the seeds."
    if len(mistakes) > MOST_MISTAKES:
        about += f" The first {MOST_MISTAKES} of {len(mistakes)}; a report in JSON has all."
    columns = ("clip", "label", "called", "song probability", "slice", "group", "wrong")
    return Table("Mistakes", about if rows else "None.", columns, rows)


CALLS: Final = ("clips", "wrong", "called no_music", "uncertain", "song probability")


def _group_table(groups: Sequence[Plain]) -> Table:
    rows = [(row["group"], ", ".join(row["labels"]), *_calls(row)) for row in groups]
    return Table("Groups", "The most mistaken first.", ("group", "labels", *CALLS), rows)


def _calls(row: Plain) -> tuple[object, ...]:
    counts = (_count(row[key]) for key in ("wrong", "called_no_music", "uncertain"))
    return (row["clips"], *counts, f"{row['mean_song_probability']:.2f}")


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(figure: Plain, form: str = ".3f") -> str:
    return f"{figure['low']:{form}} to {figure['high']:{form}}"


def _count(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _how(evaluation: Plain) -> list[str]:
    setting = evaluation["setting"]
    counts = [f"{n['clips']} {label} of {n['groups']} groups" for label, n in setting["labels"].items()]
    used = [f"{name} {version}" for name, version in setting["versions"].items()]
    return [f"Clips: {', '.join(counts)}.", *evaluation["notes"], f"Versions: {', '.join(used)}."]


# ---- Markdown and JSON


def markdown(evaluation: Plain) -> str:
    """All tables as Markdown."""
    lines = [f"# {cell(evaluation['subject'])}", ""]
    lines += [f"**Warning: {cell(warning)}**\n" for warning in evaluation["warnings"]]
    for table in tables(evaluation):
        lines += [f"## {table.heading}", ""] + ([table.about, ""] if table.about else [])
        lines += [*_markdown_rows(table), ""] if table.rows else []
    lines += ["## How it was measured", "", *(f"- {cell(line)}" for line in _how(evaluation))]
    return "\n".join(lines) + "\n"


def _markdown_rows(table: Table) -> Iterator[str]:
    for row in (table.columns, ["---"] * len(table.columns), *table.rows):
        yield f"| {' | '.join(map(cell, row))} |"


def _json(evaluation: Plain) -> str:
    return json.dumps(evaluation, indent=1, allow_nan=False) + "\n"


# ---- the page


def page(evaluation: Plain) -> str:
    """The page as text."""
    style = part("report.css") + part("evaluation.css")
    figures, *others = [_section(table, evaluation) for table in tables(evaluation)]
    return Template(part("evaluation.html")).substitute(
        subject=escape(evaluation["subject"]),
        style=style,
        style_hash=policy_hash(style),
        warnings="".join(f'<p class="warning">{escape(w)}</p>' for w in evaluation["warnings"]),
        counts="".join(
            f'<div class="{label}"><dt>{label}</dt><dd>{n["clips"]:,}</dd><dd class="of">of {n["groups"]:,} groups</dd></div>'
            for label, n in evaluation["setting"]["labels"].items()
        ),
        curves=_curves_markup(evaluation["curves"]),
        figures=figures,
        tables="\n".join(others),
        how="".join(f"<li>{escape(line)}</li>" for line in _how(evaluation)),
    )


CURVES: Final[tuple[tuple[str, Callable[[Plain], bytes], str], ...]] = (
    ("roc", charts.roc, "ROC: of the songs found, against the scores that are taken for songs."),
    (
        "calibration",
        charts.calibration,
        "Calibration: how many of the clips with such a probability are songs.",
    ),
    ("precision_recall_song", charts.precision_recall, "Precision and recall; the dotted line is the prior."),
    (
        "coverage",
        charts.coverage,
        "Coverage and risk: how many calls are wrong if only the surest are taken.",
    ),
)


def _curves_markup(curves: Plain) -> str:
    drawn = [_plot(draw(curves), about) for key, draw, about in CURVES if key in curves]
    missing = "<p>No ROC and no precision/recall: the clips are all of one class.</p>"
    return "".join(drawn) + ("" if "roc" in curves else missing)


def _plot(svg: bytes, about: str) -> str:
    """As an image, so that nothing in it touches the page."""
    data = base64.b64encode(svg).decode()
    return (
        f'<figure class="plot"><img src="data:image/svg+xml;base64,{data}" alt="{escape(about)}">'
        f"<figcaption>{escape(about)}</figcaption></figure>"
    )


def _section(table: Table, evaluation: Plain) -> str:
    about = f"<p>{escape(table.about)}</p>" if table.about else ""
    plot = (
        _plot(charts.families(evaluation["families"]), "ROC-AUC lost, with 95 % intervals.")
        if table.heading == FAMILIES
        else ""
    )
    rows = _table_markup(table) if table.rows else ""
    if len(table.rows) > FOLDED_FROM and table.heading != "Figures":
        rows = f"<details><summary>{len(table.rows)} rows</summary>{rows}</details>"
    return f"<section><h2>{escape(table.heading)}</h2>{about}{plot}{rows}</section>"


def _table_markup(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    body = "".join(f"<tr>{_cells(table.columns, row)}</tr>" for row in table.rows)
    return (
        f'<table class="plain"><caption>{escape(table.heading)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(columns: Iterable[str], row: Iterable[object]) -> str:
    """The first cell names the row; on a narrow screen the others carry their column's name."""
    texts = [(escape(column), escape(str(value))) for column, value in zip(columns, row, strict=True)]
    return "".join(
        f'<td data-title="{title}"{"" if i else NAMING}>{text}</td>' for i, (title, text) in enumerate(texts)
    )


NAMING: Final = ' data-column="file"'

WRITERS: Final[Mapping[str, Callable[[Plain], str]]] = {".html": page, ".json": _json, ".md": markdown}
