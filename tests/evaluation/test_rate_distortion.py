"""The points of a rate-distortion curve against the model's own numbers."""

import json
import math

import numpy as np
import pytest

import keras_vae
from keras_vae.evaluation import rate_distortion


def make_vae(seed=0, **arguments):
    networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=seed)
    return keras_vae.VAE(*networks, **arguments)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(size=(50, 4)).astype("float32")


def test_points_are_means_of_the_scores_with_their_errors(x):
    models = {"low": make_vae(beta=0.5), "high": make_vae(seed=1, beta=4.0)}
    points = rate_distortion(models, x, seed=3)
    assert [point["model"] for point in points] == ["low", "high"]
    assert [point["beta"] for point in points] == [0.5, 4.0]
    for point, vae in zip(points, models.values(), strict=True):
        scores = vae.score(x, seed=3)
        for name, source in (
            ("rate", "kl_loss"),
            ("distortion", "reconstruction_loss"),
        ):
            values = np.float64(scores[source])
            assert point[name] == pytest.approx(values.mean())
            error = values.std(ddof=1) / math.sqrt(50)
            assert point[f"{name}_standard_error"] == pytest.approx(error)
        assert point["elbo"] == pytest.approx(-point["rate"] - point["distortion"])
        assert point["num_examples"] == 50
    assert json.loads(json.dumps(points, allow_nan=False)) == points


def test_a_list_is_numbered_and_a_schedule_is_read_at_its_step(x):
    warmup = keras_vae.schedules.LinearWarmup(10)
    warming = make_vae(beta=warmup)
    warming.step.assign(4)
    first, second = rate_distortion([make_vae(), warming], x[:1])
    assert [first["model"], second["model"]] == ["0", "1"]
    assert second["beta"] == pytest.approx(0.4)
    assert first["rate_standard_error"] is None


class NoBound(keras_vae.VAE):
    """Measures something else."""

    MEASURES = ("reconstruction_loss",)


def test_what_has_no_curve_is_refused(x):
    with pytest.raises(ValueError, match="at least one VAE"):
        rate_distortion([], x)
    with pytest.raises(ValueError, match="read again for each model"):
        rate_distortion([make_vae(), make_vae()], iter([x]))
    networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    with pytest.raises(ValueError, match="have an ELBO.*'0', a NoBound, which has rec"):
        rate_distortion([NoBound(*networks)], x)
