"""The documents say what is so: docstrings, README, CONTRIBUTING, CHANGELOG."""

import contextlib
import doctest
import inspect
import re
import runpy
import shlex
from functools import cached_property
from pathlib import Path
from types import FunctionType

import click
import keras
import pytest

import keras_vae
from keras_vae_cli import main

HOUSE = Path(__file__).parent.parent


# --- Docstrings -------------------------------------------------------------------


def public_objects():
    """Full name -> class or function, for all that `keras_vae.__all__` leads to."""
    found, modules = {}, [keras_vae]
    while modules:
        module = modules.pop()
        own = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and name[0] != "_"
        ]
        for name in getattr(module, "__all__", own):
            value = getattr(module, name)
            if inspect.ismodule(value):
                modules.append(value)
            elif callable(value):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return dict(sorted(found.items()))


PUBLIC = public_objects()


def arguments(function):
    """Names of the arguments; not `self`, `*args`, `**kwargs`."""
    parameters = inspect.signature(function).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.name != "self" and p.kind not in variadic]


def described(value):
    """Names that a docstring describes, each in a line of its own."""
    docstring = inspect.cleandoc(value.__doc__ or "")
    return re.findall(r"^ {4}(\w+): ", docstring, re.MULTILINE)


def omissions(value):
    """What the docstring of a public class or function leaves out."""
    docstring = inspect.cleandoc(value.__doc__ or "")
    is_class = inspect.isclass(value)
    if not docstring:
        yield "a docstring"
    # A class that inherits its constructor inherits its arguments.
    called = vars(value).get("__init__") if is_class else value
    for name in arguments(called) if called else []:
        if name not in described(value):
            yield f"Args: {name}"
    gives = re.search(r"^ +(return|yield) \S", inspect.getsource(value), re.MULTILINE)
    if not is_class and gives and not re.search("\n(Returns|Yields):\n", docstring):
        yield "Returns:"
    # A record is shown where it is returned, a base where it is built upon.
    if is_class and (
        issubclass(value, tuple) or "NotImplementedError" in inspect.getsource(value)
    ):
        return
    if not re.search(r"^( *>>> |References?:$)", docstring, re.MULTILINE):
        yield "an example (>>>) or a Reference:"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_leaves_nothing_out(name):
    assert not list(omissions(PUBLIC[name]))


FAMILY = {
    name: value
    for name, value in PUBLIC.items()
    if inspect.isclass(value)
    and issubclass(value, keras_vae.VAE | keras_vae.priors.Prior)
    # Not what a base or a part of others is.
    and value not in (keras_vae.priors.Prior, keras_vae.priors.CodesPrior)
    and value is not keras_vae.priors.TopLevel
}


@pytest.mark.parametrize("name", FAMILY)
def test_each_member_says_when_to_use_it_when_not_and_what_it_costs(name):
    words = " ".join(FAMILY[name].__doc__.split())
    assert "When to use it: " in words and "When not: " in words
    assert re.search(r"[Ii]t costs|Cost: ", words)


METHODS = (FunctionType, classmethod, staticmethod, property, cached_property)


def method_omissions(cls):
    """What the docstrings of a class's own methods leave out.

    Methods of Keras, such as `call`, mean what Keras says; what a method of ours says
    need not be said again where it is overridden, nor a property that the docstring of
    the class describes.
    """
    known = {*dir(keras.Model), "get_config", "from_config", *described(cls)}
    for name, member in vars(cls).items():
        if name[0] == "_" or name in known or not isinstance(member, METHODS):
            continue
        overridden = [vars(base).get(name) for base in cls.__mro__]
        docstring = "\n\n".join(m.__doc__ for m in overridden if m and m.__doc__)
        if not docstring:
            yield f"{name}: a docstring"
        called = getattr(cls, name)
        for argument in arguments(called) if callable(called) else []:
            if not re.search(rf"\b{argument}\b", docstring):
                yield f"{name}: {argument}"


@pytest.mark.parametrize("name", [n for n in PUBLIC if inspect.isclass(PUBLIC[n])])
def test_the_docstrings_of_methods_name_every_argument(name):
    assert not list(method_omissions(PUBLIC[name]))


# --- README and the other pages ---------------------------------------------------

FENCE = re.compile(
    r"^(?P<reason><!-- not run: .+ -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
# Their links are checked where the site is built: some lead to what is made there.
GUIDES = [
    path.relative_to(HOUSE).as_posix()
    for path in [HOUSE / "docs" / "index.md", *(HOUSE / "docs" / "guides").glob("*.md")]
]


def text_of(page):
    return (HOUSE / page).read_text(encoding="utf-8")


def code_in(text):
    """Lines of the code blocks and spans of a page, those broken by \\ put together."""
    blocks = [match["code"].replace("\\\n", " ") for match in FENCE.finditer(text)]
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    return [line.strip() for block in blocks for line in block.splitlines()] + spans


def run_snippets(page, namespace, folder):
    """Runs the Python of a page; what stands behind `>>>` has to be answered so."""
    parser = doctest.DocTestParser()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    blocks = [block for block in FENCE.finditer(text_of(page)) if not block["reason"]]
    for number, block in enumerate(blocks):
        # From a file, so that a traceback shows the line.
        path = folder / f"snippet_{number}.py"
        if block["language"] == "python":
            path.write_text(block["code"], encoding="utf-8")
            exec(compile(block["code"], path, "exec"), namespace)
        elif block["language"] == "pycon":
            test = parser.get_doctest(block["code"], namespace, page, page, 0)
            doctest.DebugRunner(optionflags=flags).run(test, clear_globs=False)
            namespace.update(test.globs)


@pytest.fixture(scope="module")
def after_the_readme(tmp_path_factory):
    """What there is when the snippets of README.md have run; guides go on with it."""
    folder = tmp_path_factory.mktemp("readme")
    namespace = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        run_snippets("README.md", namespace, folder)
    return namespace


@pytest.mark.parametrize("page", GUIDES)
def test_the_snippets_of_a_guide_run(page, after_the_readme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_snippets(page, dict(after_the_readme), tmp_path)


def commands_of(program, text):
    """Words after `keras-vae` or `make`, for each time that the code calls it."""
    for line in code_in(text):
        for part in re.split("[;&|>]+", line):
            call = re.match(rf"[$ ]*(\w+=\S+ )*(\S*/)?{program} ([^#]+)", part)
            if call:
                yield shlex.split(call[3])


def options_of(command):
    """Option -> click's parameter."""
    parameters = command.get_params(click.Context(command))
    return {name: p for p in parameters for name in [*p.opts, *p.secondary_opts]}


def unknown_words(words):
    """What a call of the command line has that the command line does not know."""
    command = main
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, _, value = word.partition("=")
            value = value or following
            option = options_of(command).get(name)
            if option is None:
                yield name
            elif value not in getattr(option.type, "choices", [value]):
                yield f"{name} {value}"
        elif isinstance(command, click.Group):
            if word not in command.commands:
                yield word
                return
            command = command.commands[word]


@pytest.mark.parametrize("page", PAGES + GUIDES)
def test_every_command_and_option_exists(page):
    calls = list(commands_of("keras-vae", text_of(page)))
    unknown = {shlex.join(words): list(unknown_words(words)) for words in calls}
    assert not {call: words for call, words in unknown.items() if words}
    # Options that the text names without their command.
    commands = [main, *main.commands.values()]
    known = {option for command in commands for option in options_of(command)}
    spans = (span for span in code_in(text_of(page)) if span.startswith("--"))
    assert {re.split("[ =]", span)[0] for span in spans} <= known


@pytest.mark.parametrize("page", PAGES + GUIDES)
def test_every_make_target_exists(page):
    targets = re.findall(r"^([a-z][\w-]*):", text_of("Makefile"), re.MULTILINE)
    calls = commands_of("make", text_of(page))
    assert {word for c in calls for word in c if "=" not in word} <= {*targets}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text_of(page))
    assert not [link for link in links if not (HOUSE / link).exists()]


def test_the_tables_are_what_the_benchmarks_wrote(monkeypatch):
    monkeypatch.syspath_prepend(HOUSE / "benchmarks")
    scale = runpy.run_path(str(HOUSE / "benchmarks" / "scale.py"))
    assert scale["written"]() == scale["PAGE"].read_text(encoding="utf-8")
    readme = runpy.run_path(str(HOUSE / "benchmarks" / "readme.py"))
    for page in readme["PAGES"]:
        assert readme["written"](page) == page.read_text(encoding="utf-8")
    assert "test ELBO, nats" in text_of("docs/benchmarks.md")
    assert "mean AUC" in text_of("README.md")


def test_the_time_of_a_ring_of_machines(monkeypatch):
    """Step by step: each of 2 (n - 1) rounds sends an n-th of the bytes onwards."""
    monkeypatch.syspath_prepend(HOUSE / "benchmarks")
    scale = runpy.run_path(str(HOUSE / "benchmarks" / "scale.py"))
    n, size, seconds = 5, 4e6, 0.02
    for _ in range(n - 1):  # sums, then what they came to
        for _ in range(2):
            seconds += size / n / scale["BANDWIDTH"] + scale["LATENCY"]
    assert scale["step"](n, 0.02, size) == pytest.approx(seconds)
    assert scale["step"](1, 0.02, size) == 0.02
