"""The messages of TensorFlow Serving, for tests of the files that it reads.

Declared here from its public `.proto` files: the package with the real classes,
tensorflow-serving-api, is not installed everywhere. Where it is, a test compares.
"""

import functools

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

TYPES = {"string": 9, "int64": 3, "uint32": 13, "bool": 8}

# Message: its fields, "name number type"; `*` is repeated, `{}` a map from strings.
MESSAGES = {
    # tensorflow_serving/apis/{model,predict,prediction_log}.proto
    "ModelSpec": ["name 1 string", "signature_name 3 string", "version_label 4 string"],
    "PredictRequest": ["model_spec 1 ModelSpec", "inputs 2 {}TensorProto"],
    "PredictLog": ["request 1 PredictRequest"],
    "PredictionLog": ["predict_log 6 PredictLog"],
    # tensorflow_serving/config/model_server_config.proto
    "ModelServerConfig": ["model_config_list 1 ModelConfigList"],
    "ModelConfigList": ["config 1 *ModelConfig"],
    "ModelConfig": [
        "name 1 string",
        "base_path 2 string",
        "model_platform 4 string",
        "model_version_policy 7 ServableVersionPolicy",
        "version_labels 8 {}int64",
    ],
    # tensorflow_serving/config/file_system_storage_path_source.proto
    "ServableVersionPolicy": ["latest 100 Latest"],
    "Latest": ["num_versions 1 uint32"],
    # tensorflow_serving/servables/tensorflow/session_bundle_config.proto
    "BatchingParameters": [
        "max_batch_size 1 Int64Value",
        "batch_timeout_micros 2 Int64Value",
        "max_enqueued_batches 3 Int64Value",
        "num_batch_threads 4 Int64Value",
        "allowed_batch_sizes 6 *int64",
    ],
    "Int64Value": ["value 1 int64"],
    # tensorflow_serving/config/monitoring_config.proto
    "MonitoringConfig": ["prometheus_config 1 PrometheusConfig"],
    "PrometheusConfig": ["enable 1 bool", "path 2 string"],
}


@functools.cache
def message(name):
    """The class of a message."""
    return message_factory.GetMessageClass(
        _pool().FindMessageTypeByName(f"tensorflow.serving.{name}")
    )


@functools.cache
def _pool():
    pool = descriptor_pool.DescriptorPool()
    waiting = [tensor_pb2.DESCRIPTOR]
    while waiting:  # those that a file depends on go first
        file = waiting[-1]
        missing = [d for d in file.dependencies if not _has(pool, d.name)]
        waiting += missing
        if not missing:
            waiting.pop()
            pool.AddSerializedFile(file.serialized_pb)
    pool.Add(_file())
    return pool


def _has(pool, name):
    try:
        return bool(pool.FindFileByName(name))
    except KeyError:
        return False


def _file():
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", package="tensorflow.serving", syntax="proto3"
    )
    file.dependency.append(tensor_pb2.DESCRIPTOR.name)
    for name, fields in MESSAGES.items():
        declared = file.message_type.add(name=name)
        for field in fields:
            _declare(declared, *field.split())
    return file


def _declare(declared, name, number, kind):
    repeated = kind.startswith(("*", "{}"))
    field = declared.field.add(
        name=name, number=int(number), label=3 if repeated else 1
    )
    if kind.startswith("{}"):
        entry = declared.nested_type.add(
            name="".join(word.capitalize() for word in name.split("_")) + "Entry"
        )
        entry.options.map_entry = True
        _declare(entry, "key", 1, "string")
        _declare(entry, "value", 2, kind[2:])
        field.type, field.type_name = (
            11,
            f".tensorflow.serving.{declared.name}.{entry.name}",
        )
        return
    kind = kind.lstrip("*")
    if kind in TYPES:
        field.type = TYPES[kind]
    else:
        package = "tensorflow" if kind == "TensorProto" else "tensorflow.serving"
        field.type, field.type_name = 11, f".{package}.{kind}"


def warmup_requests(saved_model):
    """The `PredictRequest`s that a server replays while it loads a SavedModel."""
    path = saved_model / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(path)):
        yield message("PredictionLog").FromString(record.numpy()).predict_log.request
