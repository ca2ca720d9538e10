"""Warm-up requests, which TensorFlow Serving replays while it loads a model.

The first request to a signature makes TensorFlow optimise the graph and set up its
kernels, which takes many times what a later request takes. A version with these records
is announced as available only when that is done.
"""

from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto


def write_warmup_requests(saved_model, name, endpoints, batch_sizes):
    """Writes `assets.extra/tf_serving_warmup_requests` into a SavedModel.

    One record for each endpoint and batch size, a TFRecord of `PredictionLog`. Tensors
    are constant, and a record holds the constant alone: the largest batch takes no more
    room than the smallest. Files are those of the endpoint in turn.

    Args:
        saved_model: Path of the SavedModel's folder.
        name: The model's name on the server.
        endpoints: Dictionary of `Endpoint` by name.
        batch_sizes: Integers, the examples in a request. A server does not load a
            version of which it refuses a record: none may exceed its `max_batch_size`.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        ValueError: If there would be more than 1000 records, which a server refuses.

    Reference:
        https://www.tensorflow.org/tfx/serving/saved_model_warmup
    """
    if len(endpoints) * len(batch_sizes) > 1000:
        raise ValueError(
            "`batch_sizes` should make at most 1000 records. Received: "
            f"{len(batch_sizes)} batch sizes for {len(endpoints)} endpoints"
        )
    path = Path(saved_model) / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as file:
        for endpoint in endpoints.values():
            for batch_size in batch_sizes:
                inputs = {}
                for key, spec in endpoint.inputs.items():
                    if spec.dtype == tf.string:
                        inputs[key] = _in_turn(endpoint.files, batch_size)
                    else:
                        inputs[key] = _constant(batch_size, spec)
                file.write(_prediction_log(name, endpoint.name, inputs))
    return path


def _constant(batch_size, spec):
    """A batch of one value: a `TensorProto` repeats the last that it holds."""
    tensor = TensorProto(dtype=spec.dtype.as_datatype_enum)
    tensor.tensor_shape.CopyFrom(
        tf.TensorShape((batch_size, *spec.shape[1:])).as_proto()
    )
    if spec.dtype.is_floating:
        tensor.float_val.append(0.5)
    else:  # a number that an embedding takes, too
        tensor.int_val.append(0)
    return tensor


def _in_turn(contents, batch_size):
    """A batch of files, one after another and again from the first."""
    return tf.make_tensor_proto(
        [contents[i % len(contents)] for i in range(batch_size)]
    )


# The messages PredictionLog, PredictLog, PredictRequest and ModelSpec of TensorFlow
# Serving, in the wire format of protocol buffers. The package that has them as classes,
# tensorflow-serving-api, would overwrite files of an installed tensorflow-cpu. The
# numbers are those of tensorflow_serving/apis/{prediction_log,predict,model}.proto.


def _prediction_log(model, signature, inputs):
    model_spec = _field(1, model.encode()) + _field(3, signature.encode())
    request = _field(1, model_spec)
    for name, tensor in sorted(inputs.items()):
        entry = _field(1, name.encode()) + _field(2, tensor.SerializeToString())
        request += _field(2, entry)
    predict_log = _field(1, request)
    return _field(6, predict_log)


def _field(number, content):
    """Field `number` (up to 15) of a message, its content preceded by its length."""
    length_delimited = 2
    head = bytearray([number << 3 | length_delimited])
    length = len(content)
    while length > 127:  # seven bits a byte, the lowest first
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + content
