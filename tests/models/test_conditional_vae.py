"""Labels and vectors as conditions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae import networks
from tests.models.members import X

LABELS = np.arange(48) % 3
DATA = {"x": X, "condition": LABELS}


def make(num_classes=3, **arguments):
    parts = networks.dense((12,), 2, hidden_units=(16,), condition_dim=3, seed=0)
    arguments = {"seed": 0, "num_classes": num_classes, **arguments}
    return keras_vae.ConditionalVAE(*parts, **arguments)


def test_labels_are_one_hot_vectors():
    labels, vectors = make(), make(num_classes=None)
    one_hot = {"x": X, "condition": np.eye(3, dtype="float32")[LABELS]}
    for name, value in labels.score(DATA).items():
        np.testing.assert_array_equal(value, vectors.score(one_hot)[name])
    np.testing.assert_array_equal(
        labels.sample(5, seed=1, condition=2),
        vectors.sample(5, seed=1, condition=[0.0, 0.0, 1.0]),
    )
    # Of all methods, and in any type of integers.
    labels.compile()
    floats = {"x": X, "condition": LABELS.astype("float32")}
    for data in (DATA, floats, {"x": X, "condition": LABELS.astype("uint8")}):
        np.testing.assert_array_equal(labels.codes(data), vectors.codes(one_hot))
    spec = tf.TensorSpec((None,), tf.int32, "condition")
    assert labels.conditions == {"condition": spec}
    np.testing.assert_array_equal(labels(DATA), vectors(one_hot))
    z = labels.codes(DATA)
    np.testing.assert_array_equal(
        labels.decode(z, condition=LABELS),
        vectors.decode(z, condition=one_hot["condition"]),
    )


def test_it_learns_what_the_label_says():
    """Data that are the label and noise: z need say nothing, the samples are right."""
    rng = np.random.default_rng(0)
    p = np.array([0.05, 0.5, 0.95])
    labels = np.arange(30_000) % 3
    x = (rng.uniform(size=(30_000, 12)) < p[labels][:, None]).astype("float32")
    vae = make()
    vae.compile(keras.optimizers.Adam(0.02))
    vae.fit({"x": x, "condition": labels}, batch_size=200, verbose=0)
    means = [vae.sample(200, seed=0, condition=label).mean() for label in range(3)]
    # 2400 values of each label, of which the largest standard error is 0.01.
    np.testing.assert_allclose(means, p, atol=0.05)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS - 1, r"`condition` should be integers from 0 to 2.*-1 at index 0"),
        (LABELS + 1, r"from 0 to 2.*3 at index 2"),
        (LABELS + 0.5, r"integers from 0 to 2.*0\.5 at index 0"),
        (np.eye(3)[LABELS], r"\(48,\).*\(48, 3\)"),
    ],
)
def test_labels_that_cannot_be_are_named(labels, message):
    vae = make()
    vae.compile()
    data = {"x": X, "condition": labels}
    for call in (vae.fit, vae.evaluate, vae.encode):
        with pytest.raises(ValueError, match=message):
            call(data)


@pytest.mark.parametrize("label", [-1, 3, 0.5])
def test_a_label_that_cannot_be_is_not_sampled_from(label):
    with pytest.raises(ValueError, match="`condition` should be integers from 0 to 2"):
        make().sample(2, condition=label)
    with pytest.raises(ValueError, match="`condition` should be integers from 0 to 2"):
        make().decode(np.zeros((2, 2)), condition=label)


def test_of_batches_a_wrong_label_stops_training():
    vae = make()
    vae.compile()
    data = {"x": X, "condition": np.where(np.arange(48) == 20, 3, LABELS)}
    batches = tf.data.Dataset.from_tensor_slices(data).batch(16)
    with pytest.raises(FloatingPointError, match="`x` or `condition` is not finite"):
        vae.fit(batches, verbose=0)
    # Alone: an endpoint answers the others of the batch.
    function = keras_vae.export.endpoints.exported_models(vae)["decoder"]["decode"]
    z = tf.zeros((3, 2))
    found = function.function({"z": z, "condition": tf.constant([0, 7, 2])})
    assert np.isnan(found["reconstruction"]).all(axis=1).tolist() == [
        False,
        True,
        False,
    ]


class ConditionalIWAE(keras_vae.ConditionalVAE, keras_vae.IWAE):
    """Two members that differ in different places."""


def test_it_goes_together_with_another_objective():
    parts = networks.dense((12,), 2, hidden_units=(16,), condition_dim=3, seed=0)
    vae = ConditionalIWAE(*parts, num_classes=3, num_samples=4, seed=0)
    vae.compile()
    history = vae.fit(DATA, verbose=0).history
    assert history["loss"] == pytest.approx([-v for v in history["iwae_bound"]])
    config = vae.get_config()
    assert config["num_classes"] == 3 and config["gradient"] == "reparameterized"


def test_it_is_saved(tmp_path):
    vae = make()
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.num_classes == 3
    np.testing.assert_array_equal(loaded.codes(DATA), vae.codes(DATA))


def test_networks_that_take_no_such_condition_are_refused():
    plain = networks.dense((12,), 2)
    with pytest.raises(ValueError, match=r"`decoder`.*condition_dim=5\)"):
        keras_vae.ConditionalVAE(*plain, num_classes=5)
    parts = networks.dense((12,), 2, condition_dim=3)
    with pytest.raises(ValueError, match="`num_classes`.*num_classes=4.*3,"):
        keras_vae.ConditionalVAE(*parts, num_classes=4)
    with pytest.raises(ValueError, match="`num_classes` should be an integer >= 2"):
        keras_vae.ConditionalVAE(*parts, num_classes=1)
    # The decoder's alone is enough.
    vae = keras_vae.ConditionalVAE(plain[0], parts[1], num_classes=3)
    assert vae.encoder_conditions == () and vae.codes(DATA).shape == (48, 2)


@pytest.mark.parametrize("build", [networks.convolutional, networks.residual])
@pytest.mark.parametrize("hidden_units", [(), (8,)])
def test_networks_of_images_take_conditions(build, hidden_units):
    arguments = {"filters": (4, 8), "hidden_units": hidden_units, "seed": 0}
    parts = build((9, 8, 1), 2, condition_dim=3, **arguments)
    images = np.random.default_rng(0).uniform(size=(6, 9, 8, 1)).astype("float32")
    vae = keras_vae.ConditionalVAE(*parts, num_classes=3)
    ones = vae.encode({"x": images, "condition": [1] * 6})
    twos = vae.encode({"x": images, "condition": [2] * 6})
    assert np.abs(ones[0] - twos[0]).max() > 1e-4
    assert np.abs(ones[1] - twos[1]).max() > 1e-4
    samples = [vae.sample(3, seed=0, condition=label) for label in (1, 2)]
    assert samples[0].shape == (3, 9, 8, 1)
    assert np.abs(samples[0] - samples[1]).max() > 1e-4
    with pytest.raises(ValueError, match="`condition_dim` should be an integer >= 1"):
        build((9, 8, 1), 2, condition_dim=0, **arguments)


def test_labels_in_batches_are_checked_too():
    vae = make()
    x = np.zeros((4, 12), "float32")

    def batches(labels):
        data = {"x": x, "condition": np.asarray(labels)}
        return tf.data.Dataset.from_tensor_slices(data).batch(4)

    vae.compile("sgd")
    with pytest.raises(ValueError, match="`condition` should be integers.*float64"):
        vae.fit(batches([0.0, 1.7, 2.0, 0.0]), verbose=0)
    for method in (vae.encode, vae.score, vae.reconstruct):
        with pytest.raises(ValueError, match="from 0 to 2. Received: 99"):
            method(batches([0, 1, 99, 2]))
    np.testing.assert_allclose(
        vae.codes(batches([0, 1, 2, 0])),
        vae.codes({"x": x, "condition": [0, 1, 2, 0]}),
        rtol=1e-6,
    )


def test_networks_that_take_two_conditions_of_one_name_are_refused():
    encoder = networks.dense((12,), 2, condition_dim=3)[0]
    decoder = networks.dense((12,), 2, condition_dim=5)[1]
    with pytest.raises(ValueError, match="should take one condition 'condition'"):
        keras_vae.VAE(encoder, decoder)
