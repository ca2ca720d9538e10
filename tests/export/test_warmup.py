"""The warm-up requests are what TensorFlow Serving replays, and it can answer them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAE, networks
from keras_vae.export import export_saved_models, exported_models, warmup
from keras_vae.layers import Standardize
from tests import serving_protos

MAX_BATCH_SIZE = 33


def make(data_shape, **options):
    encoder, decoder = networks.dense(data_shape, 3, "gaussian", hidden_units=(4,))
    return VAE(encoder, decoder, likelihood="gaussian", **options)


@pytest.fixture(scope="module", params=["images", "alpha", "table"])
def exported(request, tmp_path_factory):
    """`(vae, ServingExport)`."""
    vae = {
        "images": lambda: make((9, 6, 1)),
        "alpha": lambda: make((9, 6, 4)),
        "table": lambda: make((4,), standardize=Standardize([1e6] * 4, [1e-2] * 4)),
    }[request.param]()
    directory = tmp_path_factory.mktemp(request.param)
    return vae, export_saved_models(vae, directory, max_batch_size=MAX_BATCH_SIZE)


def parts(exported):
    vae, export = exported
    return [
        (name, endpoints, export.models[name])
        for name, endpoints in exported_models(vae).items()
    ]


def test_one_request_for_each_signature_and_batch_size(exported):
    for name, endpoints, path in parts(exported):
        found = []
        for request in serving_protos.warmup_requests(path):
            assert request.model_spec.name == name
            endpoint = endpoints[request.model_spec.signature_name]
            assert set(request.inputs) == set(endpoint.inputs)
            sizes = {
                tensor.tensor_shape.dim[0].size for tensor in request.inputs.values()
            }
            found.append((endpoint.name, *sizes))
        assert found == list(itertools.product(endpoints, (1, MAX_BATCH_SIZE)))


def test_the_server_can_answer_each(exported):
    for _, _, path in parts(exported):
        loaded = tf.saved_model.load(path)
        for request in serving_protos.warmup_requests(path):
            signature = loaded.signatures[request.model_spec.signature_name]
            inputs = {
                name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()
            }
            size = len(next(iter(inputs.values())))
            answer = signature(**{k: tf.constant(v) for k, v in inputs.items()})
            for tensor in answer.values():
                assert len(tensor) == size
                assert np.isfinite(tensor.numpy()).all()


def test_a_tensor_holds_the_constant_that_it_repeats(exported):
    for _, endpoints, path in parts(exported):
        for request in serving_protos.warmup_requests(path):
            for name, tensor in request.inputs.items():
                spec = endpoints[request.model_spec.signature_name].inputs[name]
                array = tf.make_ndarray(tensor)
                assert array.dtype == spec.dtype.as_numpy_dtype
                assert spec.shape.is_compatible_with(array.shape)
                if spec.dtype != tf.string:
                    assert np.unique(array) == (0.5 if spec.dtype.is_floating else 0)
                    assert len(tensor.SerializeToString()) < 50


def test_image_files_of_both_kinds(exported):
    vae, export = exported
    requests = [
        request
        for request in serving_protos.warmup_requests(export.encoder)
        if request.model_spec.signature_name == "encode_bytes"
    ]
    assert bool(requests) == (len(vae.data_shape) == 3)
    for request in requests:
        files = tf.make_ndarray(request.inputs["image_bytes"])
        starts = [file[:2] for file in files]
        assert starts == [b"\x89P", b"\xff\xd8"] * (len(files) // 2) + [b"\x89P"]


def test_a_batch_of_one_is_enough_where_it_is_the_largest(tmp_path):
    export = export_saved_models(make((2,)), tmp_path, max_batch_size=1)
    assert len(list(serving_protos.warmup_requests(export.encoder))) == 2


def test_more_than_a_thousand_records_are_refused(tmp_path):
    endpoints = exported_models(make((2,)))["encoder"]
    warmup.write_warmup_requests(tmp_path, "encoder", endpoints, range(1, 501))
    assert len(list(serving_protos.warmup_requests(tmp_path))) == 1000
    with pytest.raises(ValueError, match="501 batch sizes for 2 endpoints"):
        warmup.write_warmup_requests(tmp_path / "a", "encoder", endpoints, range(501))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("length", [0, 1, 127, 128, 129, 16_383, 16_384, 3_000_000])
def test_lengths_of_any_size_are_read_back(length):
    name = "m" * length
    record = warmup._prediction_log(name, "s", {})
    log = serving_protos.message("PredictionLog").FromString(record)
    assert (log.predict_log.request.model_spec.name == name) is True
    assert log.predict_log.request.model_spec.signature_name == "s"


def test_the_classes_of_tensorflow_serving_read_the_same(exported):
    module = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2",
        reason="the extra `serving` (tensorflow-serving-api) is not installed",
    )
    for _, _, path in parts(exported):
        file = path / "assets.extra" / "tf_serving_warmup_requests"
        for record in tf.data.TFRecordDataset(str(file)):
            record = record.numpy()
            real = module.PredictionLog.FromString(record)
            declared = serving_protos.message("PredictionLog").FromString(record)
            assert real.WhichOneof("log_type") == "predict_log"
            assert str(real) == str(declared)
            # Nothing was overlooked: writing it again gives the same bytes.
            assert real.SerializeToString(deterministic=True) == record
