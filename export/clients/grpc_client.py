"""Asks TensorFlow Serving by gRPC.

    pip install tensorflow-serving-api
    python grpc_client.py localhost:8500            draws two examples, encodes them
    python grpc_client.py localhost:8500 three.png five.jpg  and encodes image files

tensorflow-serving-api brings the wheel `tensorflow`, which would overwrite the files of
an installed `tensorflow-cpu`: give it an environment of its own there.

The file is not called grpc.py, which would be imported in place of the package.
"""

import json
import sys
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def connect(address):
    """A connection to keep: making one costs more than a request.

    Args:
        address: Such as `"localhost:8500"`. Nothing is encrypted, and the server does
            not ask who asks: for a network of one's own.
    """
    # Unless told, gRPC takes no answer above 4 MB: 1,338 images of 28 x 28 are more.
    options = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(address, options=options)
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def predict(service, model, signature, **inputs):
    """Answers one signature.

    Args:
        service: What `connect` returned.
        model: `"encoder"` or `"decoder"`.
        signature: Its name, such as `"encode"`.
        inputs: For each input by name an array `(batch, ...)`, or a list of bytes. REST
            converts numbers to the type that the signature wants, gRPC does not: a
            float64 array is refused.

    Returns:
        Dictionary of NumPy arrays `(batch, ...)` by name.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    # The version that models.config calls stable. Without this line it is the newest;
    # `request.model_spec.version.value = 2` is that one.
    request.model_spec.version_label = "stable"
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    answer = service.Predict(request, timeout=10)
    # answer.model_spec.version says which version it was: worth keeping with a code.
    return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}


def main(address="localhost:8500", *paths):
    """Prints as JSON the codes of two drawn examples, and of the files."""
    service = connect(address)
    # Two seeds of two integers. The same seeds draw the same examples, on any server.
    seed = np.array([[7, 0], [7, 1]], "int32")
    sample = predict(service, "decoder", "sample", seed=seed)
    code = predict(service, "encoder", "encode", x=sample["reconstruction"])
    answer = {"z": sample["z"].tolist(), "z_mean": code["z_mean"].tolist()}
    if paths:
        files = [Path(path).read_bytes() for path in paths]
        code = predict(service, "encoder", "encode_bytes", image_bytes=files)
        answer["z_mean_of_files"] = code["z_mean"].tolist()
    json.dump(answer, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    try:
        if "--help" in sys.argv:
            sys.stdout.write(__doc__)
        else:
            main(*sys.argv[1:])
    except grpc.RpcError as error:
        sys.exit(f"Error: {error.code().name}: {error.details()}")
    except OSError as error:
        sys.exit(f"Error: {error}")
