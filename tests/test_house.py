"""The house itself: who imports whom, and what is not to be found in it."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest

HOUSE = Path(__file__).parent.parent
PACKAGE = HOUSE / "keras_vae"
SOURCES = sorted(PACKAGE.rglob("*.py"))
COMMAND_LINE = sorted((HOUSE / "keras_vae_cli").rglob("*.py"))

# A file imports only its own place and places of the rows above it here. What lives
# where is said in CONTRIBUTING.md; a new file or folder is entered in both.
ROWS = [
    {
        "arguments",
        "divergences",
        "files",
        "memory",
        "moments",
        "noise",
        "text_tables",
        "version",
    },
    {"datasets", "distributions", "schedules"},
    {"layers", "likelihoods"},
    {"priors"},
    {"networks"},
    {"models"},
    {"callbacks", "evaluation"},
    {"plots"},
    {"export"},
    {"applications"},
    {"runs"},
    {"explorer"},
]
RANKS = {place: rank for rank, row in enumerate(ROWS) for place in row}


def relative(path):
    return str(path.relative_to(HOUSE))


def imports(tree):
    """Dotted names of what is imported: `a.b` for `import a.b`, `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # Relative imports are refused by the linter: they hide the rank.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_imports_only_lower_ranks(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return  # It gathers the public names of all.
    lower = {place for place in RANKS if place == own or RANKS[place] < RANKS[own]}
    for name in imports(ast.parse(path.read_text())):
        root, place = [*name.split("."), ""][:2]
        assert root != "keras_vae_cli"
        assert root != "keras_vae" or place in lower


def is_public(dotted):
    """Whether `keras_vae.a.b` goes from module to module by their public names."""
    root, *parts = dotted.split(".")
    owner = importlib.import_module(root)
    for part in parts:
        if part not in getattr(owner, "__all__", [*vars(owner)]) or part[0] == "_":
            return False
        owner = getattr(owner, part)
        if not inspect.ismodule(owner):
            return True
    return True


@pytest.mark.parametrize("path", COMMAND_LINE, ids=relative)
def test_the_command_line_uses_only_public_names(path):
    tree = ast.parse(path.read_text())
    attributes = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute))
    names = {*imports(tree), *map(ast.unparse, attributes)}
    used = {name for name in names if re.fullmatch(r"keras_vae(\.\w+)*", name)}
    assert not {name for name in used if not is_public(name)}


UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
UNSAFE_NAMES = {"Lambda", "enable_unsafe_deserialization"}
UNSAFE_ARGUMENTS = {"allow_pickle=True", "safe_mode=False"}


@pytest.mark.parametrize("path", [*SOURCES, *COMMAND_LINE], ids=relative)
def test_nothing_is_pickled_and_nothing_is_a_lambda_layer(path):
    tree = ast.parse(path.read_text())
    for name in imports(tree):
        parts = name.split(".")
        assert parts[0] not in UNSAFE_MODULES and parts[-1] not in UNSAFE_NAMES
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert node.attr not in UNSAFE_NAMES
        elif isinstance(node, ast.keyword):
            assert f"{node.arg}={ast.unparse(node.value)}" not in UNSAFE_ARGUMENTS


@pytest.fixture(scope="module")
def private_names_of_keras():
    """Attributes with an underscore of Keras' own objects, in all states they have."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=["mae"])
    seen = set()

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.update([*dir(model), *dir(model.optimizer)])

    x = np.zeros((2, 2), "float32")
    model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), callbacks=[Look()], verbose=0)
    kinds = (keras.Layer, keras.Metric, keras.Variable, keras.random.SeedGenerator)
    names = {*seen, *dir(model), *(name for kind in kinds for name in dir(kind))}
    # Passed by `fit`, which removes it again when it is done.
    names.add("_use_cached_eval_dataset")
    return {name for name in names if re.fullmatch("_[a-z].*[^_]", name)}


MAY_USE_PRIVATE_NAMES = PACKAGE / "models" / "keras_private.py"


@pytest.mark.parametrize("path", [*SOURCES, *COMMAND_LINE], ids=relative)
def test_private_names_of_keras_are_used_in_one_file(path, private_names_of_keras):
    if path == MAY_USE_PRIVATE_NAMES:
        return
    tree = ast.parse(path.read_text())
    attributes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    names = {*imports(tree), *map(ast.unparse, attributes)}
    inner = ("keras.src.", "tensorflow.python.", "tf.python.")
    assert not {name for name in names if f"{name}.".startswith(inner)}
    used = {node.attr for node in attributes}
    # By name too: getattr(model, "_loss_tracker"), Model.fit(..., _initial_epoch=3).
    used |= {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
    used |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.keyword)}
    assert not used & private_names_of_keras


def test_no_path_of_somebodys_machine(project_files):
    pattern = re.compile(rb"(?<![\w.:/-])/(work|home|root|Users|mnt)/\w")
    found = [
        f"{relative(path)}: {line.decode(errors='replace')}"
        for path in project_files
        if b"\0" not in (content := path.read_bytes())
        for line in content.splitlines()
        if pattern.search(line)
    ]
    assert not found
