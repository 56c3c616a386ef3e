"""The notebooks run from the examples alone, and hold neither outputs nor functions."""

from __future__ import annotations

import ast
import json
import time

import blocks
import pytest
from helpers import ROOT, environment

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_S = 300

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_they_are_numbered():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{i + 1:02}" for i in range(len(NOTEBOOKS))]


@every_notebook
def test_outputs_are_stripped(path):
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(path))


@every_notebook
def test_no_functions_are_defined(path):
    for cell in code_cells(path):
        source = "".join(cell["source"])
        if not source.startswith("%%"):
            defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
            assert not any(isinstance(node, defined) for node in ast.walk(ast.parse(source)))


@every_notebook
def test_it_runs(path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    for name, value in {**environment(), **blocks.paths()}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    began = time.monotonic()
    client = nbclient.NotebookClient(notebook, timeout=MOST_S, resources={"metadata": {"path": path.parent}})
    client.execute()
    assert time.monotonic() - began < MOST_S
