"""Notebooks run from first cell to last, show their figures and store no output."""

import ast
import base64
import io
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


def shorten(notebook):
    """Sets what a cell tagged `parameters` says that a short run has.

    The cell's metadata hold the assignments under `short`; they are of names that the
    cell assigns, so that they cannot go stale.
    """
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            short = cell.metadata.short
            assert assigned(short) <= assigned(cell.source)
            cell.source += f"\n{short}"


def assigned(source):
    return {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }


def last_line_draws(source):
    last = ast.parse(source).body[-1]
    return isinstance(last, ast.Expr) and ast.unparse(last).startswith("plots.")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_figures_show(path, tmp_path, monkeypatch):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    shorten(notebook)
    # As for a person: no backend is chosen before the kernel chooses its own.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": tmp_path}}
    ).execute()
    drawing = [cell for cell in cells if last_line_draws(cell.source)]
    assert drawing
    for cell in drawing:
        (png,) = [
            output.data["image/png"]
            for output in cell.outputs
            if "image/png" in output.get("data", {})
        ]
        with Image.open(io.BytesIO(base64.b64decode(png))) as image:
            assert min(image.size) > 100
