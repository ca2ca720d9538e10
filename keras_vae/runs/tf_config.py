"""`TF_CONFIG`, by which the processes of a training find one another.

This file imports nothing but the standard library: the command line reads it before
TensorFlow is loaded.
"""

import json
import os

EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def check():
    """Raises a `ValueError` unless the environment says who trains together."""
    text = os.environ.get("TF_CONFIG")
    try:
        config = json.loads(text or "null")
        jobs, task = config["cluster"], config["task"]
        addresses, index = jobs[task["type"]], int(task["index"])
        if isinstance(addresses, str) or not 0 <= index < len(addresses):
            raise ValueError
    except (ValueError, TypeError, KeyError):
        received = f"Received: {text!r}" if text else "It is not set"
        raise ValueError(
            "Processes that train together find one another by the environment "
            "variable TF_CONFIG, which names all of them and the one that it is set "
            f"for, such as {EXAMPLE}. {received}."
        ) from None
    others = sorted({*jobs} - {"chief", "worker"})
    if others:
        raise ValueError(
            "TF_CONFIG should have the jobs chief and worker alone, as every process "
            "trains and none holds the weights for others (a parameter server does). "
            f"Received: {', '.join(sorted(jobs))}."
        )
