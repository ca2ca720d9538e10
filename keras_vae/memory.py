"""The memory of this machine, asked before something large is begun."""

import math
import os
from pathlib import Path

# Beside what is asked for, the system, Python and TensorFlow need some.
USABLE = 0.8


def machine_memory():
    """Bytes of memory that this process may have; infinity where nobody says.

    Returns:
        The memory of the machine, or of the container (its control group) if that is
        less.

    Example:

    >>> machine_memory() > 2**20
    True
    """
    sizes = [math.inf]
    if hasattr(os, "sysconf"):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            sizes.append(int(Path("/sys/fs/cgroup", file).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return min(sizes)


def check_memory(what, num_bytes, instead):
    """Refuses what does not fit in memory, before work on it begins.

    Args:
        what: String, what it is that needs memory.
        num_bytes: How much it needs, estimated.
        instead: String, the sentence that says what to do.

    Raises:
        ValueError: If it is more than four fifths of the machine's memory.

    Example:

    >>> check_memory("A batch", 2**20, "Make it smaller.")
    >>> check_memory("A batch", 2**60, "Make it smaller.")
    Traceback (most recent call last):
    ValueError: A batch would take about 1.15e+09 GB of memory; this machine has ...
    """
    available = machine_memory()
    if num_bytes > USABLE * available:
        raise ValueError(
            f"{what} would take about {num_bytes / 1e9:,.3g} GB of memory; this "
            f"machine has {available / 1e9:,.3g} GB. {instead}"
        )
