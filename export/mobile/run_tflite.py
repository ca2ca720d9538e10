"""Runs encoder.tflite and decoder.tflite as a phone does: under LiteRT.

    pip install ai-edge-litert
    python run_tflite.py runs/digits/export/tflite

Draws two examples and encodes them. The Kotlin and Swift beside it do the same; to one
seed all of them, and a server, give one answer.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def load(path):
    """The signatures of a .tflite file by name, as functions of named NumPy arrays.

    The batch size is free. Values are of the type that the file has: float32, int32 for
    a seed, and int8 in a file that was quantized with integer inputs and outputs, where
    `get_input_details()` of a runner has scale and zero point.

    Args:
        path: Path of the file.
    """
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    return {
        name: interpreter.get_signature_runner(name)
        for name in interpreter.get_signature_list()
    }


def main(folder):
    """Prints as JSON the codes of two drawn examples."""
    encoder = load(Path(folder, "encoder.tflite"))
    decoder = load(Path(folder, "decoder.tflite"))
    # Two seeds of two integers. The same seeds draw the same examples, everywhere.
    sample = decoder["sample"](seed=np.array([[7, 0], [7, 1]], "int32"))
    code = encoder["encode"](x=sample["reconstruction"])
    answer = {"z": sample["z"].tolist(), "z_mean": code["z_mean"].tolist()}
    json.dump(answer, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    try:
        if "--help" in sys.argv:
            sys.stdout.write(__doc__)
        else:
            main(*sys.argv[1:] or ["."])
    except (OSError, ValueError) as error:
        sys.exit(f"Error: {error}")
