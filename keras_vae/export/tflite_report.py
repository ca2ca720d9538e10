"""What .tflite files cost and what they lose: measured, not claimed."""

import statistics
import time

import numpy as np

from keras_vae import noise
from keras_vae.distributions import Normal
from keras_vae.export import flatbuffer
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.parity import deviation, mean_deviation
from keras_vae.export.table import format_table

_BATCH = 64


def measure_file(content, questions, float32_content):
    """Measures one .tflite file.

    Args:
        content: Bytes of the file.
        questions: `keras_vae.export.parity.Question` by signature.
        float32_content: Bytes of the same model's float32 file.

    Returns:
        Dictionary: `bytes`, `share_of_float32`, `deviation` and `mean_deviation` from
        the trained model (see `keras_vae.export.parity.deviation`), `latency_ms` (of
        the first signature: median, one thread, one example), `weight_bytes` by type.
    """
    model = LiteRTModel(content)
    pairs = [
        (question.answer(**question.inputs), _run(model, signature, question.inputs))
        for signature, question in questions.items()
    ]
    first = next(iter(questions))
    return {
        "bytes": len(content),
        "share_of_float32": round(len(content) / len(float32_content), 4),
        "deviation": max(deviation(*pair) for pair in pairs),
        "mean_deviation": statistics.fmean(mean_deviation(*pair) for pair in pairs),
        "latency_ms": _latency(model, first, questions[first].inputs),
        "weight_bytes": flatbuffer.weight_bytes(flatbuffer.read(content)),
    }


def measure_elbo(vae, encoder, parameters, x, seed=0):
    """The mean ELBO through a pair of .tflite files, one draw for each example.

    Args:
        vae: The `keras_vae.VAE` in float32, for its likelihood and prior.
        encoder: Bytes of a file with the signature `encode`.
        parameters: Bytes of a file with the signature `parameters`, from `z` to the
            parameters of p(x|z): the decoder short of its last step, the mean, from
            which the likelihood cannot be had.
        x: Array `(n, *data_shape)`.
        seed: Integer, of the draws: the same for every pair.

    Returns:
        Float, nats.
    """
    codes = _run(LiteRTModel(encoder), "encode", {"x": x})
    z_mean, z_log_var = codes["z_mean"], codes["z_log_var"]
    draws = noise.normal(noise.example_seeds(seed, 0, len(x)), vae.latent_dim).numpy()
    z = z_mean + np.exp(z_log_var / 2) * draws
    answer = _run(LiteRTModel(parameters), "parameters", {"z": z})["parameters"]
    target = x if vae.standardize is None else np.asarray(vae.standardize(x))
    log_prob = vae.likelihood.log_prob(target, answer)
    q = Normal(z_mean, z_log_var)
    kl = vae.prior.kl(q, z[np.newaxis])
    return float(np.mean(log_prob - np.sum(kl, axis=-1)))


def _run(model, signature, inputs):
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


def format_report(report):
    """A report of `export_tflite` as a table for a terminal.

    Args:
        report: What `export_tflite` returns, or `report.json` holds.

    Returns:
        String of several lines.

    Example:

    >>> row = {"file": "encoder.tflite", "bytes": 1024, "share_of_float32": 1.0}
    >>> row |= {"deviation": 3e-7, "mean_deviation": 1e-8, "elbo": None}
    >>> row |= {"latency_ms": 0.01, "notes": []}
    >>> report = {"files": [row], "data": "test_data", "examples": 10}
    >>> "encoder.tflite" in format_report(report)
    True
    """
    rows, notes = [], []
    for file in report["files"]:
        elbo = file["elbo"]
        rows.append(
            [
                file["file"],
                f"{file['bytes']:,}",
                f"{file['share_of_float32']:.0%}",
                f"{file['deviation']:.1e}",
                f"{file['mean_deviation']:.1e}",
                "" if elbo is None else f"{elbo:,.2f}",
                f"{file['latency_ms']:.2f}",
            ]
        )
        notes += [f"{file['file']}: {note}" for note in file["notes"]]
    headings = [
        "file",
        "bytes",
        "of float32",
        "largest deviation",
        "mean deviation",
        "ELBO of the pair",
        "ms",
    ]
    return "\n".join([format_table(headings, rows), *notes])
