"""How fast training and likelihoods are, beside peers, in turn on one machine.

    make bench                                   all, in an environment of its own
    python -m benchmarks.speed dense             one task, with the peers that are there
    python -m benchmarks.speed dense --rounds 2 --num-images 2000 --output try.json

Each contestant is a process of its own (`speed_contestants.py`) with the same network,
batch size, optimizer, float32 and images, those of MNIST. They take turns, in another
order each round, while the others wait; what one round gives is the ratio of the times
in that round, so that a machine whose speed drifts drifts for all. One round is not
counted: graphs are made in it. The product of two matrices of 2048 x 2048 is timed in
each round too: the peak of the machine.

Peers: a VAE written with Keras alone as in the examples of keras.io, a plain loop in
PyTorch, and Pythae. What is not installed is left out, and the file says so. Writes
`benchmarks/results/speed_TASK.json`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results"
# Floating-point operations of an image and step, forward and backward; of a draw.
TASKS = {
    "dense": {"batch_size": 128, "num_images": 60_000, "operations": 4.87e6},
    "dense_512": {"batch_size": 512, "num_images": 60_000, "operations": 4.87e6},
    "convolutional": {"batch_size": 128, "num_images": 6_400, "operations": 40e6},
    "likelihood": {"batch_size": 1, "num_images": 32, "operations": 0.41e6 * 5000},
}
CONTESTANTS = ("keras_vae", "keras", "torch", "pythae")
GOALS = {  # of keras_vae over a peer
    "dense": {"keras": 1.7, "pythae": 2.2},
    "dense_512": {},
    "convolutional": {"keras": 1.2, "pythae": 2.2},
    "likelihood": {"pythae": 4.0},
}
OF_PEAK = {"dense_512": 0.55, "likelihood": 0.5}


class Contestant:
    """A process that waits until it is asked to run."""

    def __init__(self, name, task, folder):
        self.name = name
        command = [sys.executable, "-m", "benchmarks.speed_contestants"]
        self.process = subprocess.Popen(
            [*command, name, task, str(folder)],
            cwd=HERE.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"},
        )

    def ask(self, question):
        """The answer to one line: an object of JSON."""
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:  # libraries print lines of their own
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        raise RuntimeError(f"The process of {self.name} ended: see what it printed.")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", help=", ".join(TASKS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--num-images", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a file, of one task")
    options = parser.parse_args()
    for task in options.tasks or TASKS:
        if task not in TASKS:
            parser.error(f"{task!r} is none of {', '.join(TASKS)}")
        with tempfile.TemporaryDirectory() as folder:
            report = measure(task, Path(folder), options)
        path = options.output or RESULTS / f"speed_{task}.json"
        path.write_text(json.dumps(report, indent=2) + "\n")
        print_report(report)
    if options.output is None:
        from benchmarks import readme

        readme.main()


def measure(task, folder, options):
    settings = TASKS[task] | {"seed": options.seed}
    if options.num_images:
        settings["num_images"] = options.num_images
    save_images(folder, settings["num_images"])
    (folder / "settings.json").write_text(json.dumps(settings))
    found = {name: Contestant(name, task, folder) for name in CONTESTANTS}
    missing = {}
    for name in CONTESTANTS:
        problem = found[name].ask("prepare")
        if problem is not None:
            missing[name] = problem
            found.pop(name).close()
    seconds = {name: [] for name in (*found, "peak")}
    for round_ in range(options.rounds + 1):
        order = [*found, "peak"]
        order = order[round_ % len(order) :] + order[: round_ % len(order)]
        for name in order:
            asked = found["keras_vae" if name == "peak" else name]
            seconds[name].append(asked.ask("peak" if name == "peak" else "run"))
        print(task, round_, {k: round(v[-1], 3) for k, v in seconds.items()})
    values = {name: process.ask("value") for name, process in found.items()}
    for process in found.values():
        process.close()
    counted = {name: times[1:] for name, times in seconds.items()}
    return summary(task, settings, counted, values, missing)


def save_images(folder, num_images):
    """Float images (n, 784) in [0, 1], for training and for testing."""
    from keras_vae import datasets

    data = datasets.load("mnist", validation_fraction=0)
    train, test = (
        next(split.batches(60_000).as_numpy_iterator())
        for split in (data.train, data.test)
    )
    np.save(folder / "train.npy", train.reshape((-1, 784))[:num_images])
    np.save(folder / "test.npy", test.reshape((-1, 784))[:2_000])


def summary(task, settings, seconds, values, missing):
    """What is kept: ratios of each round, their median and their range."""
    from benchmarks.machine import machine

    ours = np.array(seconds["keras_vae"])
    ratios = {
        name: np.array(times) / ours
        for name, times in seconds.items()
        if name not in ("keras_vae", "peak")
    }
    peak = 2 * 2048**3 / np.array(seconds["peak"])
    done = settings["operations"] * settings["num_images"]
    goals = GOALS[task]
    medians = {name: float(np.median(ratio)) for name, ratio in ratios.items()}
    of_peak = float(np.median(done / ours / peak))
    return {
        "task": task,
        "settings": settings,
        "when": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "seconds": seconds,
        "images_per_second": {
            name: settings["num_images"] / float(np.median(times))
            for name, times in seconds.items()
            if name != "peak"
        },
        "times_as_fast_as": medians,
        "range": {n: [float(r.min()), float(r.max())] for n, r in ratios.items()},
        "peak_operations_per_second": float(np.median(peak)),
        "share_of_peak": of_peak,
        "goals": goals | ({"share_of_peak": OF_PEAK[task]} if task in OF_PEAK else {}),
        "reached": {
            **{n: medians[n] >= goal for n, goal in goals.items() if n in medians},
            **({"share_of_peak": of_peak >= OF_PEAK[task]} if task in OF_PEAK else {}),
        },
        # Test ELBO after as many epochs, or log p(x): nats.
        "values": values,
        "missing": missing,
    }


def print_report(report):
    print(f"{report['task']}: share of the peak {report['share_of_peak']:.2f}")
    for name, ratio in report["times_as_fast_as"].items():
        low, high = report["range"][name]
        print(f"  {ratio:.2f} times as fast as {name} ({low:.2f} to {high:.2f})")
    print(f"  values {report['values']}, reached {report['reached']}")
    for name, problem in report["missing"].items():
        print(f"  without {name}: {problem}")


if __name__ == "__main__":
    main()
