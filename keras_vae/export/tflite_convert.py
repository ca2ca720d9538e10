"""Converts signatures of a SavedModel to TFLite: a program, run by `tflite.py`.

In a process of its own, since the converter keeps memory and a fault in it ends the
process. It imports TensorFlow alone. Its one argument is a folder with

    saved_model/        what to convert
    jobs.json           [{"signatures", "quantization", "integer_io", "file"}, ...]
    calibration.npz     for int8: arrays of inputs, named signature/input

to which it adds each job's file or, if one fails, `error.json`.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def main(folder):
    """Converts the jobs of a folder, one file each; says in a file which one failed."""
    folder = Path(folder)
    for job in json.loads((folder / "jobs.json").read_text()):
        try:
            content = convert(folder, **job)
        except Exception as error:
            description = describe(error) | {"signatures": job["signatures"]}
            (folder / "error.json").write_text(json.dumps(description))
            raise
        (folder / job["file"]).write_bytes(content)


def convert(folder, signatures, quantization, integer_io, file):
    """Bytes of the `.tflite` file of one job."""
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / "saved_model"), signature_keys=signatures
    )
    # An operator outside these is an error instead of megabytes in an application.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        # A signature without examples of its own would silently stay in float32.
        converter.representative_dataset = lambda: calibrate(folder, signatures)
        if integer_io:
            converter.inference_input_type = tf.int8
            converter.inference_output_type = tf.int8
    return converter.convert()


def calibrate(folder, signatures):
    """Examples of each signature, one at a time, from which `int8` takes its ranges."""
    with np.load(folder / "calibration.npz") as file:
        arrays = dict(file)
    for signature in signatures:
        inputs = {
            key.split("/")[1]: rows
            for key, rows in arrays.items()
            if key.split("/")[0] == signature
        }
        for i in range(len(next(iter(inputs.values())))):
            yield signature, {name: rows[i : i + 1] for name, rows in inputs.items()}


def describe(error):
    """The converter's complaint: its text, and the operators it names with places."""
    operators = [
        {
            "name": complaint.operator.name,
            # "functional_1/my_layer/Betainc@__inference_encode_94"
            "place": next(
                (call.name.split("@")[0] for call in complaint.location.call), ""
            ),
        }
        for complaint in getattr(error, "errors", [])
        if complaint.operator.name
    ]
    return {"operators": operators, "message": str(error)}


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # before TensorFlow looks for devices
    main(sys.argv[1])
