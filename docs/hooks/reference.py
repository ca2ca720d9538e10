"""Writes the reference from `__all__`, and into the guides what docstrings say.

Nothing is imported: a new public name has its page without TensorFlow.
"""

import ast
import re
from pathlib import Path

from mkdocs.structure.files import File

PACKAGE = Path(__file__).parent.parent.parent / "keras_vae"


def parsed(module):
    """The syntax tree of a module of the package, by its name; "" is the package."""
    path = PACKAGE / module
    return ast.parse(
        (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    )


def public_names(module):
    """What `__all__` says; where there is none, the classes and functions defined."""
    tree = parsed(module)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "__all__":
            return ast.literal_eval(node.value)
    definitions = ast.ClassDef | ast.FunctionDef
    names = [node.name for node in tree.body if isinstance(node, definitions)]
    return [name for name in names if name[0] != "_"]


def is_module(name):
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


MODULES = [name for name in public_names("") if is_module(name)]
# Where each name that the package itself has is described: `keras_vae.models.VAE`.
HOMES = {
    name: f"keras_vae.{module}.{name}"
    for module in MODULES
    for name in public_names(module)
    if name in public_names("")
}
DESCRIBED = {
    f"keras_vae.{module}.{name}" for module in MODULES for name in public_names(module)
}


def sentence(module):
    """The first sentence of a module."""
    return ast.get_docstring(parsed(module)).partition("\n\n")[0].replace("\n", " ")


def overview():
    """The page of the package itself."""
    yield "# Reference\n"
    yield "From the docstrings; examples in them are run by the tests.\n"
    yield "| module | |\n|---|---|"
    for module in MODULES:
        yield f"| [`keras_vae.{module}`]({module}.md) | {sentence(module)} |"
    yield "\nThe package itself has, for short:\n"
    for name in public_names(""):
        if name in HOMES:
            yield f"- [`keras_vae.{name}`][{HOMES[name]}]"


def module_page(module):
    """A module and all its names."""
    yield f"# keras_vae.{module}\n"
    yield f"::: keras_vae.{module}"
    yield "    options:"
    for option in ("members", "show_root_heading", "show_root_toc_entry"):
        yield f"      {option}: false"
    for name in public_names(module):
        yield f"\n::: keras_vae.{module}.{name}"
        # Methods that a class has of bases which are not public are its own.
        inherits = bases(module, name) - {path.split(".")[-1] for path in DESCRIBED}
        yield f"    options:\n      inherited_members: {str(bool(inherits)).lower()}\n"


def source_of(module, name):
    """The file in which a name of a module is defined."""
    for node in parsed(module).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == name:
                    return "/".join(node.module.split(".")[1:])
    return module


def definition(module, name):
    """The class or function of that name, or `None` for a constant."""
    for node in parsed(source_of(module, name)).body:
        if getattr(node, "name", None) == name:
            return node
    return None


def bases(module, name):
    """Names of the bases, within the package, of a class."""
    node = definition(module, name)
    return {
        base.id for base in getattr(node, "bases", []) if isinstance(base, ast.Name)
    }


def on_config(config):
    """Enters the pages into the navigation."""
    for entry in config.nav:
        if "Reference" in entry:
            pages = [f"reference/{module}.md" for module in MODULES]
            entry["Reference"] = [entry["Reference"], *pages]
    return config


def on_files(files, config):
    """Adds the pages."""
    pages = {"index": overview(), **{m: module_page(m) for m in MODULES}}
    for name, lines in pages.items():
        files.append(
            File.generated(config, f"reference/{name}.md", content="\n".join(lines))
        )
    return files


ADVICE = re.compile(r"^When to use it: .*?(?=\n\n)", re.MULTILINE | re.DOTALL)
QUESTION = re.compile(r"(When to use it|When not|What it costs|Cost)(?=: )")
MEMBERS = re.compile(r"^<!-- members of keras_vae\.(\w+) -->$", re.MULTILINE)
NAME = re.compile(r"(?<![`\w\[])`(?:keras_vae\.)?((?:[a-z_]+\.)*\w+)`(?![`\]])")
NO_TEXT = re.compile(r"^```.*?^```$|^(?: {4}|#)[^\n]*$", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown, page, config, files):
    """Fills in when to use what, and links the names of this package in the guides."""
    if page.file.src_uri.startswith("reference/"):
        return markdown
    markdown = MEMBERS.sub(lambda match: "\n".join(advice(match[1])), markdown)
    return outside_of_code(linked, markdown)


def advice(module):
    """What each member of a family says of itself: when, when not, at what cost."""
    for name in sorted(public_names(module), key=str.casefold):
        node = definition(module, name)
        text = (node and ast.get_docstring(node)) or ""
        said = re.search(
            r"^When to use it: .*?(?=\n\n)", text, re.MULTILINE | re.DOTALL
        )
        if said:
            first = text.partition("\n\n")[0].replace("\n", " ")
            parts = re.split(
                r"(When to use it|When not|What it costs|Cost)(?=: )", said[0]
            )
            body = "".join(f"**{p}**" if i % 2 else p for i, p in enumerate(parts))
            yield f"### [`{name}`][keras_vae.{module}.{name}]\n"
            yield f"{first}\n\n{body}\n"


def outside_of_code(change, markdown):
    """Applies a change to what is neither a block of code nor a heading."""
    pieces, position = [], 0
    for block in NO_TEXT.finditer(markdown):
        pieces += [change(markdown[position : block.start()]), block[0]]
        position = block.end()
    return "".join([*pieces, change(markdown[position:])])


def linked(text):
    """`likelihoods.Columns` leads to the reference."""

    def link(match):
        path = f"keras_vae.{match[1]}"
        path = HOMES.get(match[1], path)
        return f"[{match[0]}][{path}]" if path in DESCRIBED else match[0]

    return NAME.sub(link, text)
