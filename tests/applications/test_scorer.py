"""The detector where there is no Keras: a SavedModel and a `.tflite` file."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.applications import AnomalyDetector
from keras_vae.applications.scorer import _num_below
from keras_vae.applications.scores import EXPORTABLE, SCORES
from keras_vae.export import export_saved_models, export_tflite, verify
from keras_vae.export.endpoints import exported_models
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.serving_config import METADATA

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def x():
    return keras_vae.datasets.load("digits").train.x[:160]


@pytest.fixture(scope="module")
def vae(x):
    encoder, decoder = keras_vae.networks.dense(
        SHAPE, 2, hidden_units=(8,), data_mean=x.mean(0), seed=0
    )
    return keras_vae.VAE(encoder, decoder, seed=0)


def test_the_number_below_by_counting():
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 7, 8, 9, 100):
        steps = np.sort(rng.integers(0, 40, size)).astype("float32")
        scores = np.array([*np.arange(-1, 42) / 1, *(steps + 0.5), np.inf], "float32")
        expected = [np.sum(steps < score) for score in scores]
        np.testing.assert_array_equal(_num_below(steps, tf.constant(scores)), expected)


@pytest.mark.parametrize("score", EXPORTABLE)
def test_the_graph_answers_as_the_detector(vae, x, score):
    num_samples = None if "error" in score else 3
    detector = AnomalyDetector(vae, score, num_samples=num_samples, level=0.1)
    detector.calibrate(x[:100])
    # Others than those whose scores are where the p-value falls.
    scores = detector.score(x[100:])
    gaps = np.abs(scores[:, None] / detector.steps - 1).min(axis=1)
    items = x[100:][gaps > 1e-4]
    assert len(items) > 40
    graph = tf.function(exported_models(detector)["scorer"]["score"].function)
    found = detector.detect(items)
    answer = {name: value.numpy() for name, value in graph({"x": items}).items()}
    np.testing.assert_allclose(answer["anomaly_score"], found.score, rtol=1e-5)
    np.testing.assert_allclose(answer["p_value"], found.p_value, rtol=1e-6)
    np.testing.assert_array_equal(answer["is_anomaly"], found.is_anomaly)
    assert 0 < found.is_anomaly.sum() < len(items) or score == "kl"


def test_a_third_saved_model_and_a_third_file(vae, x, tmp_path):
    detector = AnomalyDetector(vae, "negative_elbo", num_samples=2).calibrate(x[:100])
    # Items of the calibration set, at whose scores the p-value falls.
    export = export_saved_models(detector, tmp_path, data=x[:40], max_batch_size=2)
    assert list(export.models) == ["encoder", "decoder", "scorer"]
    assert 'base_path: "/models/scorer"' in export.config.models.read_text()
    report = export_tflite(
        detector, tmp_path / "tflite", "float16", test_data=x[100:], version=1
    )
    written = [row["file"] for row in report["files"]]
    assert "scorer.tflite" in written and "scorer_float16.tflite" not in written
    results = {(r.signature, r.where): r for r in verify(tmp_path)}
    for where, signature in [
        *itertools.product(["SavedModel"], ["score", "score_uint8", "score_bytes"]),
        ("scorer.tflite", "score"),
    ]:
        result = results[f"scorer/{signature}", where]
        assert result.passed and result.examples == 16, result
    assert all(result.passed for result in results.values())
    about = json.loads((export.models["scorer"] / METADATA).read_text())
    assert about["anomaly_detector"] == detector.metadata["anomaly_detector"]
    assert about["anomaly_detector"]["level"] == 0.05
    found = detector.detect(x[100:])
    signatures = tf.saved_model.load(export.models["scorer"]).signatures
    assert set(signatures) == {"serving_default", "score", "score_uint8", "score_bytes"}
    for answer in (
        signatures["serving_default"](x=tf.constant(x[100:])),
        LiteRTModel((tmp_path / "tflite" / "scorer.tflite").read_bytes()).run(
            "score", {"x": x[100:]}
        ),
    ):
        assert set(answer) == {"anomaly_score", "p_value", "is_anomaly"}
        np.testing.assert_allclose(answer["anomaly_score"], found.score, rtol=1e-5)
        assert np.abs(answer["p_value"] - found.p_value).max() < 0.02
    files = [tf.io.encode_png(np.uint8(np.round(image * 255))) for image in x[100:]]
    levels = np.round(x[100:] * 255) / np.float32(255)
    answer = signatures["score_bytes"](image_bytes=tf.stack(files))
    expected = detector.detect(levels)
    np.testing.assert_allclose(answer["anomaly_score"], expected.score, rtol=1e-5)


@pytest.mark.parametrize(
    "score", [name for name in EXPORTABLE if name != "negative_elbo"]
)
@pytest.mark.slow
def test_every_score_converts_to_built_in_operators(vae, x, tmp_path, score):
    num_samples = None if "error" in score else 2
    detector = AnomalyDetector(vae, score, num_samples=num_samples).calibrate(x[:100])
    export_tflite(detector, tmp_path / "tflite")
    model = LiteRTModel((tmp_path / "tflite" / "scorer.tflite").read_bytes())
    answer = model.run("score", {"x": x[100:]})
    found = detector.detect(x[100:])
    np.testing.assert_allclose(answer["anomaly_score"], found.score, rtol=1e-4)
    assert np.abs(answer["p_value"] - found.p_value).max() < 0.02


def test_a_score_that_is_optimised_says_that_it_stays(vae, x, tmp_path):
    assert set(SCORES) - set(EXPORTABLE) == {"likelihood_regret"}
    detector = AnomalyDetector(vae, "likelihood_regret").calibrate(x[:30])
    for export in (export_saved_models, export_tflite):
        with pytest.raises(ValueError, match="likelihood_regret, which optimises"):
            export(detector, tmp_path / "export")
    with pytest.raises(ValueError, match="should be calibrated"):
        export_saved_models(AnomalyDetector(vae), tmp_path / "export")
    assert not (tmp_path / "export").exists()
