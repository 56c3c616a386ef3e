"""Reports of an evaluation: whole, escaped, the same again, and a clear word where one cannot be made."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET

import pytest
from test_evaluation import studied
from test_figures import run_of, verdict

from scoreorsong import charts, publication
from scoreorsong.errors import ReportError
from scoreorsong.evaluation import _evaluation
from scoreorsong.prediction import Failure

HOSTILE = "<script>window.hit=1</script> | *b* $x$ ${y} \"'&amp; [a](http://b) no\udcfftext"


@pytest.fixture(scope="module")
def evaluation():
    """Of songs and scores with hostile names everywhere that names come from labels."""
    run = run_of({"score": [0.1, 0.2, 0.6], "song": [0.9, 0.8, 0.3]})
    run += [verdict("song", 0.1, HOSTILE, part=HOSTILE), verdict("score", 0.9, HOSTILE, part=HOSTILE)]
    run = studied(run, lambda x: -x, lambda x: [x, -x])
    return _evaluation(
        f"Training on {HOSTILE}", [run], {}, [f"warning {HOSTILE}"], [HOSTILE], resamples=20,
        failures=[Failure(HOSTILE, f"{HOSTILE}: is text")],
    )  # fmt: skip


def written(evaluation, path):
    evaluation.save(path)
    return path.read_text(encoding="utf-8")


def test_json_holds_all_values(evaluation, tmp_path):
    got = json.loads(written(evaluation, tmp_path / "r.json"), parse_constant=pytest.fail)
    assert got == json.loads(json.dumps(evaluation.to_dict()))
    assert {"figures", "absent", "confusion", "curves", "slices", "groups", "families", "mistakes"} <= set(
        got
    )
    assert {m["path"] for m in got["mistakes"]} == {"score 2", "song 2", HOSTILE}


def test_a_page_holds_every_part(evaluation, tmp_path):
    page = written(evaluation, tmp_path / "r.html")
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Figures", "Curves", "Confusion", "Slices", "Families of inputs",
        "ROC in numbers", "Precision and recall in numbers", "Calibration", "Coverage and risk", "Mistakes", "Groups",
        "Clips that could not be read", "Not measured", "How it was measured",
    ]  # fmt: skip
    assert page.count('<img src="data:image/svg+xml;base64,') == 5
    assert "song 2" in page


def test_names_are_never_markup(evaluation, tmp_path):
    page = written(evaluation, tmp_path / "r.html")
    assert "<script" not in page
    assert "&lt;script&gt;window.hit=1&lt;/script&gt; | *b* $x$ ${y} &quot;&#x27;&amp;amp;" in page
    assert "default-src 'none'" in page
    table = written(evaluation, tmp_path / "r.md")
    assert "<script" not in table
    assert r"&lt;script>window.hit=1&lt;/script> \| \*b\* $x$" in table
    assert r"\[a\](http" in table


def test_a_page_needs_nothing_from_elsewhere(evaluation, tmp_path):
    page = written(evaluation, tmp_path / "r.html")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert not re.findall(r"url\((?!#)|@import", page)


def test_rows_of_markdown_have_the_columns_of_their_table(evaluation, tmp_path):
    for block in written(evaluation, tmp_path / "r.md").split("\n\n"):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if line.startswith("|")}
        assert len(widths) <= 1, block


def test_plots_are_whole_and_drawn_of_what_is_there(evaluation):
    """Without the shipped model's curve a plot has fewer lines."""
    one = charts.roc(evaluation.curves)
    roc = evaluation.curves["roc"]
    other = charts.roc({"roc": {**roc, "shipped": roc["model"]}})
    assert ET.fromstring(one).tag.endswith("svg")  # noqa: S314 - our own
    assert len(other) > len(one)


@pytest.mark.parametrize("ending", [".html", ".json", ".md"])
def test_a_report_is_the_same_again(evaluation, tmp_path, ending):
    one, other = (tmp_path / f"{name}{ending}" for name in "ab")
    evaluation.save(one)
    evaluation.save(other)
    assert one.read_bytes() == other.read_bytes()


def test_plots_tell_no_time(evaluation, tmp_path):
    page = written(evaluation, tmp_path / "r.html")
    for data in re.findall(r"data:image/svg\+xml;base64,([^\"]*)", page):
        assert b"<dc:date>" not in base64.b64decode(data)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("r.pdf", r"r\.pdf: ends in \.pdf; expected \.html, \.json, \.md"),
        ("report", "ends in nothing"),
        ("none/r.html", "is a folder, or in none"),
        ("folder.md", "is a folder, or in none"),
    ],
)
def test_a_report_that_cannot_be_made_is_told(evaluation, tmp_path, name, message):
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ReportError, match=message):
        evaluation.save(tmp_path / name)


def test_without_matplotlib_a_page_is_refused_and_the_rest_written(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(charts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ReportError, match=r'pip install "score-or-song\[report\]"'):
        publication.check(tmp_path / "r.html")
    evaluation.save(tmp_path / "r.json")
    evaluation.save(tmp_path / "r.md")


def test_of_one_class_there_is_a_page_without_what_needs_two(tmp_path):
    lone = _evaluation("One class", [run_of({"song": [0.9, 0.8, 0.3]})], {}, [], [], resamples=20)
    page = written(lone, tmp_path / "r.html")
    assert "No ROC and no precision/recall" in page
    assert page.count("<img ") == 2
