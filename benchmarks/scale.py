"""What training on many machines would take, on paper: the tables of docs/scale.md.

    python benchmarks/scale.py

Nothing here was measured on more than one machine. What one machine does is read from
`benchmarks/results/`; what lies between machines is assumed, in the constants below.
The data-parallel step of n machines, each with its own batch (weak scaling), is

    t(n) = t(1) + 2 (n - 1)/n B/W + 2 (n - 1) L

for a ring all-reduce of B bytes of gradients (Patarasuk & Yuan, "Bandwidth optimal
all-reduce algorithms for clusters of workstations", 2009), without overlap of the two.
"""

import re

from readme import HERE, RESULTS, described, read, table

PAGE = HERE.parent / "docs" / "scale.md"
MACHINES = (1, 2, 8, 64, 1000)
BANDWIDTH = 10e9 / 8  # bytes a second: a 10 Gbit/s network
LATENCY = 50e-6  # seconds from one machine to the next
PARAMETERS = 4.87e6 / 6  # 2 operations forward and 4 backward for each, an image
BYTES = 4 * PARAMETERS  # float32
OPERATIONS_A_DRAW = 0.41e6  # of 784-200-200-50, encoder apart
WIDER = (1, 10, 100)  # networks of so many times the parameters


def step(machines, seconds, gradient_bytes):
    """Seconds of one step of `machines`, of which one alone takes `seconds`."""
    ring = 2 * (machines - 1)
    return seconds + ring / machines * gradient_bytes / BANDWIDTH + ring * LATENCY


def training():
    """How much of n machines would train, by the size of the network."""
    report = read(RESULTS / "speed_dense_512.json")
    batch = report["settings"]["batch_size"]
    one = batch / report["images_per_second"]["keras_vae"]
    rows = [
        (
            f"{machines:,}",
            f"{machines * batch:,}",
            *(
                f"{one * times / step(machines, one * times, BYTES * times):.0%}"
                for times in WIDER
            ),
        )
        for machines in MACHINES
    ]
    yield (
        f"Dense 784-512-16-512-784, {PARAMETERS / 1e6:.1f} million parameters: one "
        f"machine ({described(report['machine'])}) takes {1000 * one:.0f} ms for a "
        f"batch of {batch} (`python -m benchmarks.speed`). The share of n machines' "
        f"speed that would be left, at {8 * BANDWIDTH / 1e9:.0f} Gbit/s and "
        f"{1e6 * LATENCY:.0f} µs, for this network and for one of so many times its "
        "parameters (and time):"
    )
    yield ""
    heads = (f"{times} ×" if times > 1 else "this one" for times in WIDER)
    yield from table("machines", "batch of all", *heads, rows=rows)


def measuring():
    """How long log p(x) would take, whose examples know nothing of one another."""
    report = read(RESULTS / "speed_likelihood.json")
    speed = report["images_per_second"]["keras_vae"]
    images = 10_000
    draws = round(report["settings"]["operations"] / OPERATIONS_A_DRAW)
    rows = [
        (f"{machines:,}", f"{images / speed / machines:,.1f}") for machines in MACHINES
    ]
    yield (
        f"log p(x) of {images:,} images by {draws:,} draws each, at the "
        f"{speed:.0f} images a second of one machine, without the start of the "
        "processes:"
    )
    yield ""
    yield from table("machines", "seconds", rows=rows)


TABLES = {"training": training, "measuring": measuring}


def written():
    """The text of the page with the tables of what is measured now."""
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in TABLES.items():
        begin = f"<!-- {name}: written by benchmarks/scale.py -->"
        end = f"<!-- end of {name} -->"
        content = "\n".join([begin, *lines(), end])
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        text, count = re.subn(pattern, lambda _, new=content: new, text, flags=re.S)
        assert count == 1, name
    return text


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
