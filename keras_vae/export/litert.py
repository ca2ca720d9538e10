"""Running a .tflite file here as a phone runs it: under LiteRT."""

import contextlib
import os
import sys
import tempfile

import numpy as np


def require(purpose):
    """Raises with the line that mends it unless `ai_edge_litert` is installed.

    Args:
        purpose: What it is needed for, as the beginning of a sentence.

    Raises:
        ImportError: If the package is not installed.
    """
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs the package ai-edge-litert, an extra of keras-vae. "
            "Mend: pip install 'keras-vae[tflite]'"
        ) from error


class LiteRTModel:
    """A .tflite file with its signatures, run on one thread.

    Args:
        content: Bytes of the file.

    Attributes:
        signatures: Name of each signature to `(input names, output names)`.

    Raises:
        ImportError: If `ai_edge_litert` is not installed.
        ValueError: If the bytes are not a model that LiteRT can load.
    """

    def __init__(self, content):
        require("Running a .tflite file")
        from ai_edge_litert.interpreter import Interpreter

        with _without_information():
            self._interpreter = Interpreter(model_content=content, num_threads=1)
        self.signatures = {
            name: (sorted(names["inputs"]), sorted(names["outputs"]))
            for name, names in self._interpreter.get_signature_list().items()
        }
        self._runners = {
            name: self._interpreter.get_signature_runner(name)
            for name in self.signatures
        }

    def run(self, signature, inputs):
        """Answers one signature, in the units of the model whatever the file holds.

        Where an input or an output is an integer tensor that stands for a float one,
        it is translated by the tensor's own scale and zero point, as an application
        does:

        ```
        integer = round(real / scale) + zero_point
        ```

        Args:
            signature: Name, as in `signatures`.
            inputs: Array `(batch, ...)` by name.

        Returns:
            NumPy array `(batch, ...)` by name.
        """
        runner = self._runners[signature]
        details = runner.get_input_details()
        arrays = {
            name: _quantize(value, details[name]) for name, value in inputs.items()
        }
        with _without_information():
            answer = runner(**arrays)
        details = runner.get_output_details()
        return {
            name: _dequantize(value, details[name]) for name, value in answer.items()
        }

    def tensors(self, signature):
        """What goes in and comes out of a signature.

        Args:
            signature: Name, as in `signatures`.

        Returns:
            `{"inputs": ..., "outputs": ...}`, each a dictionary by name of `dtype`,
            `shape` (`None` for the batch) and, of an integer tensor that stands for a
            float one, `scale` and `zero_point`.
        """
        runner = self._runners[signature]
        return {
            "inputs": _describe(runner.get_input_details()),
            "outputs": _describe(runner.get_output_details()),
        }


@contextlib.contextmanager
def _without_information():
    """Keeps from standard error what LiteRT says of itself; what is amiss is passed on.

    It writes "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." to the file
    descriptor when it first computes, and has no setting for it in Python.
    """
    with tempfile.TemporaryFile() as said, contextlib.ExitStack() as stack:
        sys.stderr.flush()
        stderr = os.dup(2)
        stack.callback(os.close, stderr)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            said.seek(0)
            for line in said:
                if not line.startswith(b"INFO: "):
                    os.write(2, line)


def _describe(details):
    described = {}
    for name, detail in sorted(details.items()):
        shape = [None if size < 0 else int(size) for size in detail["shape_signature"]]
        described[name] = {"dtype": np.dtype(detail["dtype"]).name, "shape": shape}
        scale, zero_point = detail["quantization"]
        if scale:
            described[name] |= {"scale": float(scale), "zero_point": int(zero_point)}
    return described


def _quantize(value, detail):
    value = np.asarray(value)
    scale, zero_point = detail["quantization"]
    if not scale or value.dtype.kind != "f":
        return value
    limits = np.iinfo(detail["dtype"])
    levels = np.round(value / scale) + zero_point
    return np.clip(levels, limits.min, limits.max).astype(detail["dtype"])


def _dequantize(value, detail):
    scale, zero_point = detail["quantization"]
    if not scale:
        return value
    return (value.astype("float32") - zero_point) * np.float32(scale)
