"""The site is built strictly, says all, leads nowhere wrong and loads nothing."""

import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

import keras_vae

HOUSE = Path(__file__).parent.parent
# Sources are read: the tools of the site are all that building it needs.
BUILD = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "keras_vae", "numpy"]))
from mkdocs.__main__ import cli
cli(["build", "--strict", "--site-dir", sys.argv[1]])
"""
ADDRESS = "http://site/"


class Page(HTMLParser):
    """Names of the places in a page, what it links to and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.names, self.links, self.loads = {""}, set(), set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.names.add(found.get("id", ""))
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif "src" in found:
            self.loads.add(found["src"])
        elif tag == "link" and found["rel"] not in ("next", "prev", "canonical"):
            self.loads.add(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Address -> `Page`, for all pages; other files are under their address, `None`."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-c", BUILD, folder],
        cwd=HOUSE,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = {}
    for path in folder.rglob("*.*"):
        address = ADDRESS + path.relative_to(folder).as_posix()
        page = Page(path) if path.suffix == ".html" else None
        found[address.removesuffix("index.html")] = page
    return found


def public_names(module):
    """The public names of a module, as `test_documents.py` finds them."""
    own = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and name[0] != "_"
    ]
    return getattr(module, "__all__", own)


MODULES = {
    name: value
    for name in keras_vae.__all__
    if inspect.ismodule(value := getattr(keras_vae, name))
}


def test_every_public_name_is_in_the_reference(site):
    for module, value in MODULES.items():
        page = site[f"{ADDRESS}reference/{module}/"]
        names = {f"keras_vae.{module}.{name}" for name in public_names(value)}
        assert names <= page.names
    overview = site[f"{ADDRESS}reference/"]
    short = {*keras_vae.__all__} - {*MODULES} - {"__version__"}
    assert short == {link.split(".")[-1] for link in overview.links if "#keras" in link}


def test_every_link_leads_somewhere(site):
    wrong = set()
    for address, page in site.items():
        for link in page.links | page.loads if page else ():
            target, name = urldefrag(urljoin(address, link))
            if not target.startswith(ADDRESS) or address.endswith("404.html"):
                continue
            if target not in site or unquote(name) not in (site[target] or page).names:
                wrong.add((address, link))
    assert not wrong


def test_nothing_is_loaded_from_elsewhere(site):
    pages = {address: page for address, page in site.items() if page}
    foreign = {
        (address, link)
        for address, page in pages.items()
        for link in page.loads
        if urlsplit(link).netloc
    }
    assert not foreign


def test_formulas_are_set_and_pictures_have_words(site):
    text = "".join(page.text for page in site.values() if page)
    assert "<math" in text and "arithmatex" not in text
    assert not re.search(r'<img(?![^>]* alt="[^"]+)', text)
