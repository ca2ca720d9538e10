"""The house itself: who imports whom, and what is not to be found in it."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PACKAGE = HOUSE / "keras_vae"
SOURCES = sorted(PACKAGE.rglob("*.py"))
COMMAND_LINE = sorted((HOUSE / "keras_vae_cli").rglob("*.py"))

# A file imports only places of a lower rank, and its own place. What lives where is
# said in CONTRIBUTING.md; a new file or folder of the package is entered in both.
RANKS = {
    "version": 0,
    "files": 0,
    "divergences": 0,
    "schedules": 0,
    "noise": 0,
    "datasets": 0,
    "likelihoods": 1,
    "layers": 1,
    "priors": 1,
    "networks": 2,
    "models": 3,
    "callbacks": 4,
    "evaluation": 4,
    "plots": 4,
    "export": 5,
    "applications": 6,
    "runs": 7,
}


def relative(path):
    return str(path.relative_to(HOUSE))


def place(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree):
    """Dotted names of what is imported: `a.b` for `import a.b`, `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # Relative imports are refused by the linter: they hide the rank.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


PLACED = [path for path in SOURCES if path != PACKAGE / "__init__.py"]


def test_every_place_has_a_rank():
    assert {place(path) for path in PLACED} <= set(RANKS)


def breaches_of_rank(own, source):
    """What a file of the place `own` imports from beside itself or above."""
    for name in imports(ast.parse(source)):
        root, other = [*name.split("."), ""][:2]
        if root == "keras_vae_cli" or (root == "keras_vae" and other not in RANKS):
            yield name  # The command line, or the package as a whole.
        elif root == "keras_vae" and other != own and RANKS[other] >= RANKS[own]:
            yield name


@pytest.mark.parametrize("path", PLACED, ids=relative)
def test_a_file_imports_only_lower_ranks(path):
    assert not list(breaches_of_rank(place(path), path.read_text()))


@pytest.mark.parametrize(
    ("own", "source", "allowed"),
    [
        ("models", "from keras_vae import layers, priors", True),
        ("models", "from keras_vae.models.checks import check", True),
        ("models", "import keras_vae.likelihoods", True),
        ("models", "import keras", True),
        ("layers", "from keras_vae import models", False),
        ("layers", "from keras_vae.priors import get", False),
        ("layers", "def f():\n    from keras_vae.models.vae import VAE", False),
        ("layers", "import keras_vae.models", False),
        ("runs", "import keras_vae", False),
        ("runs", "from keras_vae import VAE", False),
        ("runs", "import keras_vae_cli", False),
    ],
)
def test_the_rule_of_ranks_itself(own, source, allowed):
    assert allowed == (not list(breaches_of_rank(own, source)))


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
    attributes = {
        ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute)
    }
    names = {*imports(tree), *attributes}
    used = {name for name in names if name.partition(".")[0] == "keras_vae"}
    assert not {name for name in used if not is_public(name)}


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("keras_vae", True),
        ("keras_vae.VAE", True),
        ("keras_vae.VAE.from_config", True),
        ("keras_vae.likelihoods.get", True),
        ("keras_vae.schedules.LinearWarmup", True),
        ("keras_vae.os", False),
        ("keras_vae.models.checks", False),
        ("keras_vae.schedules._finite", False),
    ],
)
def test_the_rule_of_public_names_itself(name, public):
    assert is_public(name) == public


def test_no_room_without_a_purpose(project_files):
    words = {"utils", "util", "helpers", "helper", "common", "misc"}
    paths = [path.relative_to(HOUSE) for path in project_files]
    assert not [p for p in paths if words & {Path(part).stem for part in p.parts}]


PICKLING = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
UNSAFE = {"Lambda", "enable_unsafe_deserialization"}


def unsafe_parts(source):
    """Pickling, `Lambda` layers, and what lets either in from somebody's file."""
    tree = ast.parse(source)
    for name in imports(tree):
        if name.partition(".")[0] in PICKLING or name.rpartition(".")[2] in UNSAFE:
            yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in UNSAFE:
            yield node.attr
        elif isinstance(node, ast.keyword):
            argument = f"{node.arg}={ast.unparse(node.value)}"
            if argument in {"allow_pickle=True", "safe_mode=False"}:
                yield argument


@pytest.mark.parametrize("path", [*SOURCES, *COMMAND_LINE], ids=relative)
def test_nothing_is_pickled_and_nothing_is_a_lambda_layer(path):
    assert not list(unsafe_parts(path.read_text()))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import dump",
        "keras.layers.Lambda(f)",
        "from keras.layers import Lambda",
        "np.load(path, allow_pickle=True)",
        "keras.saving.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
    ],
)
def test_the_rule_of_safety_itself(source):
    assert list(unsafe_parts(source))


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
