"""Reading protocol buffers in text form, keeping the place of each field.

A configuration file that others wrote is changed at single places, and kept byte for
byte elsewhere, comments included. The parser of `google.protobuf` gives no places, and
wants the types of all fields.
"""

import re
from typing import NamedTuple

from google.protobuf import text_encoding

_TOKENS = re.compile(
    r"""(?P<blank>[\s]+|\#[^\n]*)
      |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      |(?P<mark>[{}<>\[\]:,;])
      |(?P<word>[^\s\#"'{}<>\[\]:,;]+)""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">", "[": "]"}


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        name: String.
        value: String of a number, a word or a string; a list of `Field` of a message;
            `None` of a list of values, which is not looked into.
        begin: Integer, where its name begins.
        end: Integer, the place after its value. A message ends with its bracket.
    """

    name: str
    value: str | list | None
    begin: int
    end: int


def parse(text):
    """The fields of a message.

    Args:
        text: String.

    Returns:
        List of `Field`.

    Raises:
        ValueError: If it is no text form of a message; the line is named.

    Example:

    >>> [model] = parse('model { name: "encoder"  # ours' + chr(10) + '}')
    >>> [field.value for field in model.value]
    ['encoder']
    """
    try:
        return _Reader(text).fields(closing=None)
    except RecursionError as error:
        raise ValueError("brackets within brackets without end") from error


class _Reader:
    """A text, and how far it was read."""

    def __init__(self, text):
        self.text = text
        self.tokens = []
        place = 0
        while place < len(text):
            match = _TOKENS.match(text, place)
            if match is None:
                raise self.error(place, "a string that does not end")
            if match.lastgroup != "blank":
                self.tokens.append(match)
            place = match.end()
        self.next = 0

    def error(self, place, what):
        line = self.text.count("\n", 0, place) + 1
        return ValueError(f"line {line}: {what}")

    def peek(self):
        return self.tokens[self.next] if self.next < len(self.tokens) else None

    def take(self, expected):
        token = self.peek()
        if token is None:
            raise self.error(len(self.text), f"the end, instead of {expected}")
        self.next += 1
        return token

    def skip(self, marks):
        token = self.peek()
        if token is not None and token[0] in marks:
            self.next += 1
            return token[0]
        return None

    def fields(self, closing):
        """Fields up to a closing bracket, or the end of the text."""
        found = []
        while True:
            token = self.peek()
            if token is None and closing is None:
                return found
            token = self.take(f"{closing!r}")
            if token[0] == closing:
                return found
            if token.lastgroup != "word":
                raise self.error(token.start(), f"{token[0]} instead of a name")
            found.append(self.field(token))
            self.skip(",;")

    def field(self, name):
        colon = self.skip(":")
        token = self.take("a value")
        if token[0] in ("{", "<"):
            value = self.fields(_CLOSING[token[0]])
        elif colon and token[0] == "[":
            value = self.rest_of_list(token)
        elif colon and token.lastgroup == "string":
            value = _unquote(token[0])
            while self.peek() is not None and self.peek().lastgroup == "string":
                value += _unquote(self.take("a string")[0])
        elif colon and token.lastgroup == "word":
            value = token[0]
        else:
            raise self.error(token.start(), f"{token[0]} instead of a value")
        end = self.tokens[self.next - 1].end()
        return Field(name[0], value, name.start(), end)

    def rest_of_list(self, token):
        open_brackets = [_CLOSING[token[0]]]
        while open_brackets:
            token = self.take(repr(open_brackets[-1]))
            if token[0] == open_brackets[-1]:
                open_brackets.pop()
            elif token[0] in _CLOSING:
                open_brackets.append(_CLOSING[token[0]])
        return None


def _unquote(token):
    return text_encoding.CUnescape(token[1:-1]).decode("utf-8", "surrogateescape")
