"""Cells: a column of numbers cut where its values lie, each cell with its place.

The place of a cell is where a standard normal distribution has as much of its mass
below it as the column has rows: heavy tails, gaps and heaps of one value all become
something that a bell curve, or a few of them, explain.
"""

import statistics

import numpy as np

MOST_CELLS = 128
LEAST_ROWS = 2  # of a cell, on average
# A value with so large a share of the rows, and so many of them, is a heap of its own:
# the zeros of a sum that most people do not pay.
HEAP_SHARE, HEAP_ROWS = 0.02, 5


def find_cells(values, step):
    """Cells of a column, and the places of the cuts between them.

    Cuts are midway between two values that rows have; a heap lies alone in its cell,
    half a step wide on either side. Cells hold about equally many rows.

    Args:
        values: float64 array `(n,)`, not all alike.
        step: The least distance between two values: 1 for counts.

    Returns:
        `(edges, places)`: two lists of floats, the `m + 1` edges of m cells, strictly
        rising, and the places of the `m - 1` cuts between them, in standard normal
        units, strictly rising too.

    Example:

    >>> edges, places = find_cells(np.repeat([0.0, 1.0, 2.0, 3.0], 2), step=1.0)
    >>> edges, [round(place, 3) for place in places]
    ([-0.5, 0.5, 1.5, 2.5, 3.5], [-0.674, 0.0, 0.674])
    """
    found, counts = np.unique(values, return_counts=True)
    target = max(len(values) / MOST_CELLS, LEAST_ROWS)
    least = max(HEAP_SHARE * len(values), HEAP_ROWS, target)
    heaps = (counts >= least).tolist()
    half = step / 2
    edges, rows, held = [found[0] - half], [], 0
    for i, count in enumerate(counts):
        held += count
        if i + 1 == len(found):
            edges.append(found[i] + half)
            rows.append(held)
            break
        gap = found[i + 1] - found[i]
        if held < target and not heaps[i] and not heaps[i + 1]:
            continue
        is_wide = gap > 1.5 * step
        cuts = [found[i] + gap / 2]
        if is_wide and (heaps[i] or heaps[i + 1]):
            cuts = [found[i] + half] * heaps[i] + [found[i + 1] - half] * heaps[i + 1]
        elif step == 1.0 and gap % 2 == 0:
            cuts = [cuts[0] + half]  # counts lie on neither side of their own
        edges += cuts
        # Between two heaps is a cell without rows.
        rows += [held, 0][: len(cuts)]
        held = 0
    # As a model has them: what a float32 cannot tell apart is one edge.
    edges = np.asarray(edges, "float32").astype("float64")
    kept = np.flatnonzero(np.append(True, np.diff(edges) > 0))
    rows = np.add.reduceat(np.asarray(rows, "float64"), kept[:-1])
    edges = edges[kept]
    # Values nobody had are not impossible.
    rows = np.maximum(rows, 0.5)
    below = np.cumsum(rows)[:-1] / rows.sum()
    normal = statistics.NormalDist()
    return edges.tolist(), [normal.inv_cdf(share) for share in below]
