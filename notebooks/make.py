"""Executes notebooks for real and stores what they show: `make notebooks`."""

import argparse
import ast
import base64
import hashlib
import io
import os
import re
import resource
import tempfile
from pathlib import Path

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
PATHS = sorted(FOLDER.glob("*.ipynb"))

# A cell with this tag assigns what a short run assigns otherwise: its metadata hold
# those assignments under `short`.
PARAMETERS = "parameters"
# A cell with this tag asserts what the text says of training that was not shortened.
FULL_TRAINING = "after-full-training"

RUN_TIME = re.compile(r"^\*Run time: .*\*$", re.MULTILINE)
# TensorFlow tells stdout too where it writes files, by names that differ each time.
CHATTER = re.compile(r"^INFO:tensorflow:.*\n", re.MULTILINE)
# Graphs are much to look through for garbage. A person's kernel does, and a run that is
# timed.
SELDOM = "--IPKernelApp.exec_lines=import gc; gc.set_threshold(100_000, 50, 100)"
# No red, green or blue of 255 may move farther in any pixel.
UNSEEN = 24


def read(path):
    """A notebook and its cells of code."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook, [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook, short=False):
    """Runs all cells in a kernel of its own, in an empty folder.

    Args:
        notebook: Notebook; its cells get the outputs.
        short: Whether training is shortened. Then the cells tagged
            `after-full-training` may fail, by an AssertionError alone.

    Returns:
        Float, seconds of processor time, those of importing TensorFlow included.
    """
    if short:
        for cell in tagged(notebook, PARAMETERS):
            # Of names that the cell assigns, so that they cannot go stale.
            assert assigned(cell.metadata.short) <= assigned(cell.source)
            cell.source += f"\n{cell.metadata.short}"
        for cell in tagged(notebook, FULL_TRAINING):
            cell.metadata.tags.append("raises-exception")
    before = processor_seconds()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "IPYTHONDIR": folder}
        # As for a person: no backend is chosen before the kernel chooses its own.
        environment.pop("MPLBACKEND", None)
        NotebookClient(
            notebook,
            timeout=1800,
            record_timing=False,
            coalesce_streams=True,
            # To end in good order takes a kernel with TensorFlow a second or two.
            shutdown_kernel="immediate",
            extra_arguments=[SELDOM] if short else [],
            resources={"metadata": {"path": folder}},
        ).execute(env=environment)
    for cell in tagged(notebook, FULL_TRAINING):
        for output in cell.outputs:
            assert output.get("ename", "AssertionError") == "AssertionError", output
    return processor_seconds() - before


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", ())]


def assigned(source):
    """Names that lines of Python assign."""
    return {
        target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
    }


def processor_seconds():
    """Of kernels that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def made_from(notebook):
    """A fingerprint of the code, by which outputs are known to be its own."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def tidy(notebook, seconds):
    """Leaves of a notebook that was executed what a reader looks at.

    Returns:
        List of strings: what was written to stderr, which is not kept.
    """
    noise = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        noise += [o.text for o in cell.outputs if o.get("name") == "stderr"]
        for output in cell.outputs:
            if output.get("name") == "stdout":
                output.text = CHATTER.sub("", output.text)
            data = output.get("data", {})
            if "image/png" in data:
                data.pop("text/plain", None)
                data["image/png"] = smaller(data["image/png"])
        cell.outputs = [
            output
            for output in cell.outputs
            if output.get("name") != "stderr" and output.get("text") != ""
        ]
    notebook.metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
        "made_from": made_from(notebook),
    }
    opening = notebook.cells[0]
    opening.source, count = RUN_TIME.subn(
        f"*Run time: {10 * max(1, round(seconds / 10))} s of processor time, measured "
        "when these outputs were made.*",
        opening.source,
    )
    assert count == 1, "the first cell wants a line: *Run time: *"
    return noise


def smaller(png):
    """A picture of at most 256 colours, in base64, where that loses nothing visible."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        picture = image.convert("RGB")
    palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    difference = np.subtract(picture, palette.convert("RGB"), dtype="float32")
    kept = palette if np.abs(difference).max() <= UNSEEN else picture
    file = io.BytesIO()
    kept.save(file, format="png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    names = [path.stem for path in PATHS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    for name in parser.parse_args().names or names:
        path = FOLDER / f"{name}.ipynb"
        notebook, _ = read(path)
        seconds = execute(notebook)
        for text in tidy(notebook, seconds):
            print(text)
        nbformat.write(notebook, path)
        print(f"{path.name}: {seconds:.0f} s, {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
