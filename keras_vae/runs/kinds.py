"""Kinds of values that settings take, as text, in Python and as JSON holds them.

This file imports nothing but the standard library, as `settings` does.
"""

import difflib
import math
import numbers
import os
from typing import NamedTuple


class Whole(NamedTuple):
    """A whole number from `minimum` to `maximum`."""

    minimum: int = 1
    maximum: float = math.inf
    name = "N"

    def parse(self, text):
        return self.check(int(text))

    def check(self, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError
        if not self.minimum <= value <= self.maximum:
            raise ValueError
        return int(value)

    def __str__(self):
        if self.maximum == math.inf:
            return f"a whole number, {self.minimum} or more"
        return f"a whole number from {self.minimum} to {self.maximum}"


class Number(NamedTuple):
    """A finite number from `minimum`, itself perhaps not allowed, to below `limit`."""

    minimum: float = 0.0
    above: bool = False
    limit: float = math.inf
    name = "NUMBER"

    def parse(self, text):
        return self.check(float(text))

    def check(self, value):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError
        # Neither holds for nan.
        enough = value > self.minimum if self.above else value >= self.minimum
        if not (enough and value < self.limit):
            raise ValueError
        return float(value)

    def __str__(self):
        low = f"above {self.minimum:g}" if self.above else f"{self.minimum:g} or more"
        high = "finite" if self.limit == math.inf else f"below {self.limit:g}"
        return f"a number, {low} and {high}"


class Choice(tuple):
    """One of some names."""

    __slots__ = ()

    @property
    def name(self):
        return "[" + "|".join(self) + "]"

    def parse(self, text):
        return self.check(text.lower())

    def check(self, value):
        if not isinstance(value, str):
            raise TypeError
        if value not in self:
            near = difflib.get_close_matches(value, self, n=1)
            raise ValueError(f"Did you mean {near[0]!r}?" if near else "")
        return value

    def __str__(self):
        return "one of " + ", ".join(repr(str(name)) for name in self)


class Text:
    """A name or a path."""

    name = "TEXT"

    def parse(self, text):
        return self.check(text)

    def check(self, value):
        if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
            raise TypeError
        return os.fspath(value)

    def __str__(self):
        return "a name or a path"


class Sizes:
    """Sizes of layers: `200,200`."""

    name = "N,N,..."

    def parse(self, text):
        return self.check([int(size) for size in text.split(",")])

    def check(self, value):
        return [Whole().check(size) for size in value]

    def __str__(self):
        return "sizes of layers, as 200,200"


class ImageSize:
    """Height and width: `28` or `28x32`."""

    name = "HEIGHTxWIDTH"

    def parse(self, text):
        sizes = [int(size) for size in text.lower().split("x")]
        return self.check(sizes[0] if len(sizes) == 1 else sizes)

    def check(self, value):
        height, width = [value] * 2 if isinstance(value, int) else value
        return [Whole().check(height), Whole().check(width)]

    def __str__(self):
        return "a height and a width, as 28x32, or 28 for both"


class Scale:
    """A positive number, or how the scale is found."""

    found = Choice(("learned", "learned_per_output", "optimal"))
    name = "NUMBER|" + "|".join(found)

    def parse(self, text):
        text = text.lower()
        return self.check(text if text in self.found else float(text))

    def check(self, value):
        if isinstance(value, str):
            return self.found.check(value)
        return Number(above=True).check(value)

    def __str__(self):
        return f"a positive number or {self.found}"


class Switch:
    """On or off."""

    name = None

    def check(self, value):
        if not isinstance(value, bool):
            raise TypeError
        return value

    def __str__(self):
        return "True or False"
