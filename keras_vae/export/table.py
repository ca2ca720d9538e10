"""Rows of text as a table for a terminal."""

import re


def format_table(headings, rows):
    """Aligns columns under their headings; numbers to the right.

    Args:
        headings: Sequence of strings.
        rows: Sequence of sequences of strings, one string for each heading. A column
            of which every cell begins like a number (or is empty) is aligned right.

    Returns:
        String of several lines, without a newline at the end.

    Example:

    >>> print(format_table(["file", "bytes"], [["a", "12"], ["longer", "3456"]]))
    file    bytes
    ------  -----
    a          12
    longer   3456
    """
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [
        len(column) > 1 and all(re.match(r"-?\d|$", cell) for cell in column[1:])
        for column in columns
    ]

    def line(cells):
        aligned = [
            cell.rjust(width) if to_the_right else cell.ljust(width)
            for cell, width, to_the_right in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    rule = ["-" * width for width in widths]
    return "\n".join(map(line, [headings, rule, *rows]))
