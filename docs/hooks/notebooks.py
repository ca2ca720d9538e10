"""Makes pages of the notebooks, with the outputs that are stored in them.

A notebook becomes Markdown, so that it looks, links and is searched as the other pages
are, and each picture a file, which the gallery shows too.
"""

import base64
import re
from pathlib import Path

import nbformat
from mkdocs.structure.files import File

FOLDER = Path(__file__).parent.parent.parent / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def cells(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells


def title(name):
    """The heading that a notebook begins with."""
    return re.match(r"# (.+)", cells(name)[0].source)[1]


def figures(name):
    """The pictures of a notebook, each with the heading that it stands under."""
    heading = title(name)
    for cell in cells(name):
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^#+ (.+)", cell.source, re.M)][-1]
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                yield heading, base64.b64decode(output.data["image/png"])


def page(name):
    """The Markdown of a notebook."""
    number = 0
    for cell in cells(name):
        if cell.cell_type == "markdown":
            yield LINK.sub(link, cell.source)
        elif cell.source.strip():
            yield f"```python\n{cell.source}\n```"
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                number += 1
                heading = [*figures(name)][number - 1][0]
                yield f"![{heading}]({name}/figure_{number}.png)"
            else:
                yield shown(output)


LINK = re.compile(r"\[([^\]]*)\]\((\w+)\.ipynb\)")


def link(match):
    """A link to another notebook as one to its page."""
    return f"[{match[1]}]({match[2]}.md)"


# Bold and colours of a terminal.
ANSI = re.compile(r"\x1b\[[\d;]*m")


def shown(output):
    """An output that is no picture."""
    data = output.get("data", {})
    if "text/html" in data:
        # A table of pandas, without the looks that it brings.
        table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        return re.sub(r' (class|border|style)="[^"]*"', "", table)
    text = ANSI.sub("", output.get("text") or data.get("text/plain", ""))
    return f"```{{.text .output}}\n{text.rstrip()}\n```" if text.strip() else ""


def overview():
    """The page that lists the notebooks, each with its first paragraph."""
    yield "# Notebooks\n"
    yield "In the folder `notebooks/` of the repository, to be run; here as they ran.\n"
    for name in NAMES:
        first = cells(name)[0].source.split("\n\n")[1].replace("\n", " ")
        yield f"- **[{title(name)}]({name}.md)**: {first}"


def on_config(config):
    """Enters the pages into the navigation."""
    for entry in config.nav:
        if "Notebooks" in entry:
            pages = [f"notebooks/{name}.md" for name in NAMES]
            entry["Notebooks"] = [entry["Notebooks"], *pages]
    return config


def on_files(files, config):
    """Adds a page for each notebook and a file for each of its pictures."""

    def add(path, content):
        files.append(File.generated(config, f"notebooks/{path}", content=content))

    add("index.md", "\n".join(overview()))
    for name in NAMES:
        add(f"{name}.md", "\n\n".join(page(name)))
        for number, (_, png) in enumerate(figures(name), start=1):
            add(f"{name}/figure_{number}.png", png)
    return files


GALLERY = "<!-- figures of the notebooks -->"


def on_page_markdown(markdown, page, config, files):
    """Hangs the pictures of the notebooks into the gallery."""
    return markdown.replace(GALLERY, "\n".join(gallery()))


def gallery():
    """The pictures, notebook by notebook."""
    for name in NAMES:
        pictures = [*enumerate(figures(name), start=1)]
        if pictures:
            yield f"## [{title(name)}](notebooks/{name}.md)\n"
            yield '<div class="gallery" markdown>'
        for number, (heading, _) in pictures:
            path = f"notebooks/{name}/figure_{number}.png"
            yield f"\n[![{heading}]({path})]({path})\n"
        if pictures:
            yield "</div>\n"
