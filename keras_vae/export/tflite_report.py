"""What .tflite files cost and what they lose: measured, not claimed."""

import statistics
import time

import numpy as np

from keras_vae.export import flatbuffer
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.parity import deviation, mean_deviation

_BATCH = 64


def measure_file(content, inputs, expected, float32_content):
    """Measures one .tflite file.

    Args:
        content: Bytes of the file.
        inputs: Array `(n, ...)` by name, by signature.
        expected: What the trained model answers to them, the same way.
        float32_content: Bytes of the same model's float32 file.

    Returns:
        Dictionary: `bytes`, `share_of_float32`, `deviation` and `mean_deviation` from
        the trained model (see `keras_vae.export.parity.deviation`), `latency_ms` (of
        the first signature: median, one thread, one example), `weight_bytes` by type.
    """
    model = LiteRTModel(content)
    pairs = [
        (expected[signature], run(model, signature, values))
        for signature, values in inputs.items()
    ]
    first = next(iter(inputs))
    return {
        "bytes": len(content),
        "share_of_float32": round(len(content) / len(float32_content), 4),
        "deviation": max(deviation(*pair) for pair in pairs),
        "mean_deviation": statistics.fmean(mean_deviation(*pair) for pair in pairs),
        "latency_ms": _latency(model, first, inputs[first]),
        "weight_bytes": flatbuffer.weight_bytes(flatbuffer.read(content)),
    }


def run(model, signature, inputs):
    """The answer to any number of examples, in batches that a phone could hold."""
    size = len(next(iter(inputs.values())))
    parts = [
        model.run(
            signature,
            {name: value[start : start + _BATCH] for name, value in inputs.items()},
        )
        for start in range(0, size, _BATCH)
    ]
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _latency(model, signature, inputs, num_calls=50):
    """Median milliseconds of a call with one example, after a few that do not count."""
    one = {name: value[:1] for name, value in inputs.items()}
    times = []
    for _ in range(5 + num_calls):
        begin = time.perf_counter()
        model.run(signature, one)
        times.append(time.perf_counter() - begin)
    return round(1000 * statistics.median(times[5:]), 4)
