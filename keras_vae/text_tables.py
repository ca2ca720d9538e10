"""Tables as plain text."""

import io

import rich.box
import rich.console
import rich.table


def text_table(columns, left, width=10_000):
    """Cells by heading as lines, as wide as they need.

    Args:
        columns: Dictionary from headings to lists of cells, equally long.
        left: Headings of the columns that begin at the left; the others end at the
            right.
        width: Integer, characters in a line, after which cells go on in the next.

    Returns:
        String.

    Example:

    >>> print(text_table({"name": ["a", "bc"], "n": [1, 20]}, left=("name",)))
    name    n
    ─────────
    a       1
    bc     20
    """
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in columns:
        table.add_column(heading, justify="left" if heading in left else "right")
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*map(str, cells))
    file = io.StringIO()
    console = rich.console.Console(
        file=file,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        # Or it is shown at once in a notebook, and in bold.
        force_jupyter=False,
        force_terminal=False,
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip().split("\n"))
