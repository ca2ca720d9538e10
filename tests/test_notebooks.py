"""Notebooks show what their code computes, and still compute it: `make notebooks`."""

import ast
import base64
import io

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from PIL import Image

from notebooks import make
from tests.test_house import imports, is_public

MOST_BYTES = 6 * 2**20  # a reader's patience, and the history's


def pictures(cells):
    """Number of a cell -> the bytes of each picture that it shows."""
    found = {}
    for i, cell in enumerate(cells):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                png = base64.b64decode(output.data["image/png"])
                found.setdefault(i, []).append(png)
    return found


def check_picture(png):
    with Image.open(io.BytesIO(png)) as image:
        assert min(image.size) > 100
        low, high = image.convert("L").getextrema()
        assert high - low > 100  # not a blank sheet


def ends_with_a_figure(cell):
    last = ast.parse(cell.source).body[-1]
    text = ast.unparse(last)
    return isinstance(last, ast.Expr) and (
        text.startswith("plots.") or text.endswith("figure")
    )


@pytest.mark.parametrize("path", make.PATHS, ids=lambda path: path.stem)
def test_stored_outputs_are_of_this_code_and_for_everybody(path):
    notebook, cells = make.read(path)
    mend = f"make notebooks NOTEBOOK={path.stem}"
    assert notebook.metadata.made_from == make.made_from(notebook), mend
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert set(notebook.metadata) == {"kernelspec", "language_info", "made_from"}
    for cell in cells:
        assert not {"execution", "ExecuteTime"} & {*cell.metadata}
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr"
    shown = pictures(cells)
    assert {i for i, cell in enumerate(cells) if ends_with_a_figure(cell)} <= {*shown}
    for png in [png for of_cell in shown.values() for png in of_cell]:
        check_picture(png)
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert " s of processor time" in make.RUN_TIME.search(first.source)[0]


@pytest.mark.parametrize("path", make.PATHS, ids=lambda path: path.stem)
def test_a_notebook_uses_only_public_names(path):
    _, cells = make.read(path)
    tree = ast.parse("\n".join(cell.source for cell in cells))
    # from keras_vae import plots: what follows `plots` is a name of keras_vae.plots.
    places = {"keras_vae": "keras_vae"}
    for name in imports(tree):
        if name.startswith("keras_vae."):
            places[name.rpartition(".")[2]] = name
    used = {*places.values()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, *parts = ast.unparse(node).split(".")
            if root in places and all(part.isidentifier() for part in parts):
                used.add(".".join([places[root], *parts]))
    assert {"keras_vae"} < used
    assert not {name for name in used if not is_public(name)}


def test_the_folder_is_small():
    files = [path for path in make.FOLDER.iterdir() if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < MOST_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("path", make.PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_figures_show(path, tmp_path, monkeypatch):
    notebook, cells = make.read(path)
    stored = pictures(cells)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    make.execute(notebook, short=True)
    shown = pictures(cells)
    assert stored.keys() == shown.keys() != set()
    for i, of_cell in shown.items():
        assert len(of_cell) == len(stored[i])
        for png in of_cell:
            check_picture(png)


@pytest.mark.parametrize(
    ("claim", "short", "expected"),
    [
        ("assert epochs == 9", False, None),
        ("assert epochs == 1", True, None),
        ("assert epochs == 9", True, None),  # forgiven where training was shortened
        ("assert epochs == 1", False, CellExecutionError),
        ("assert 9 / 0", True, AssertionError),  # nothing but the claim is forgiven
    ],
)
def test_claims_are_forgiven_in_short_runs_alone(claim, short, expected):
    parameters = {"tags": [make.PARAMETERS], "short": "epochs = 1"}
    cells = [
        nbformat.v4.new_code_cell("epochs = 9", metadata=parameters),
        nbformat.v4.new_code_cell(claim, metadata={"tags": [make.FULL_TRAINING]}),
        nbformat.v4.new_code_cell("after = True"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    if expected is None:
        make.execute(notebook, short)
        assert cells[-1].execution_count == 3
    else:
        with pytest.raises(expected):
            make.execute(notebook, short)
