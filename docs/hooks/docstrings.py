"""Makes Markdown of what in docstrings is not: examples, and names of this package."""

import re

import griffe

# Paragraphs that begin with a prompt; an empty line ends the output, as for doctest.
EXAMPLE = re.compile(r"(?:^ *>>> .*\n(?:^(?! *$).*\n?)*\n*)+", re.MULTILINE)


# A title with indented text that is none of Google's sections.
CALL = re.compile(r"^Call arguments:\n((?: {4}.*\n|\n)+)", re.MULTILINE)


def listed(match):
    """Arguments of a call as a list, one in a line of its own."""
    text = re.sub(r"^ {4}(\w+): ", r"    - `\1`: ", match[1], flags=re.MULTILINE)
    return f"Call arguments:\n{text}"


def fenced(match):
    """An example as a block of code; in Markdown `>>>` is a quotation in quotations."""
    return f"```pycon\n{match[0].strip()}\n```\n\n"


class Docstrings(griffe.Extension):
    """An extension of griffe, which reads the sources for mkdocstrings."""

    def on_instance(self, *, obj, **kwargs):
        """Changes the docstring of each object that was read."""
        if obj.docstring:
            text = CALL.sub(listed, obj.docstring.value + "\n")
            text = EXAMPLE.sub(fenced, text)
            # Then the fence is its title: a section of one word says no more.
            text = re.sub(r"^Examples?:\n+(?=```pycon)", "", text, flags=re.MULTILINE)
            obj.docstring.value = text.rstrip()
