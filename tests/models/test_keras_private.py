"""The private names of Keras that are used are there, and do what they are used for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae.models import keras_private
from keras_vae.models.float32 import float32_copy

X = np.random.default_rng(0).uniform(size=(32, 6)).astype("float32")


def test_the_names_are_there():
    """What to do after an update of Keras is in `keras_vae/models/keras_private.py`."""
    version = f"Keras {keras.__version__}; the names were read in Keras 3.15"
    assert hasattr(keras.Model, "_maybe_symbolic_build"), version
    assert hasattr(keras.layers.Layer, "_clear_losses"), version
    layer = keras.layers.Dense(2, activity_regularizer="l2")
    assert layer._losses == [] and [*layer._flatten_layers()] == [layer], version
    layer(np.ones((1, 3), "float32"))
    assert len(layer._losses) == 1, version
    assert keras_private.CallContext(entry_layer=None).entry_layer is None, version
    adam, variable = keras.optimizers.Adam(), keras.Variable(np.ones(3))
    adam.build([variable])
    names = [v.name for v in keras_private.moments(adam, variable.value)]
    assert [name.split("_")[-1] for name in names] == ["momentum", "velocity"], version
    one_device = tf.distribute.get_strategy()
    assert not keras_private.takes_means_over_workers(one_device), version


def make_vae(cls=keras_vae.VAE, **arguments):
    x = keras.Input((6,))
    hidden = keras.layers.Dense(4, activity_regularizer="l2")(x)
    heads = [keras.layers.Dense(2, dtype="float32")(hidden) for _ in range(2)]
    z = keras.Input((2,))
    decoder = keras.Model(z, keras.layers.Dense(6, dtype="float32")(z))
    return cls(keras.Model(x, heads), decoder, seed=0, **arguments)


class AddsALoss(keras_vae.VAE):
    def objective(self, terms):
        self.add_loss(tf.constant(3.0))
        return 0.0 * terms.kl_loss


def test_a_loss_that_an_override_adds_counts_once_in_every_graph():
    vae = make_vae(AddsALoss)
    vae.compile(keras.optimizers.SGD(0.0))
    for batch_size in (16, 7, 32):  # the last batches have other shapes
        vae.fit(X, batch_size=batch_size, verbose=0)
        logs = vae.evaluate(X, batch_size=batch_size, verbose=0, return_dict=True)
        penalty = 0.01 * np.square(vae.encoder.layers[1](X)).sum()
        share = penalty / len(X)
        assert abs(logs["loss"] - 3.0 - share) < 0.02 * share + 1e-5


class EncodesTwice(keras_vae.VAE):
    def posterior(self, inputs, training=False):
        self.encoder(inputs, training=training)
        return super().posterior(inputs, training)

    def objective(self, terms):
        return 0.0 * terms.kl_loss


def test_a_layer_that_is_called_twice_counts_twice():
    twice, once = make_vae(EncodesTwice), make_vae(EncodesTwice)
    once.encoder.set_weights(twice.encoder.get_weights())
    twice.compile()
    logs = twice.evaluate(X, batch_size=32, verbose=0, return_dict=True)
    penalty = 0.01 * np.square(twice.encoder.layers[1](X)).sum() / len(X)
    assert abs(logs["loss"] - 2 * penalty) < 1e-5


@keras.saving.register_keras_serializable("tests")
class ScaledPrior(keras_vae.priors.StandardNormal):
    """A prior with a network that the model has too."""

    def __init__(self, network, **kwargs):
        super().__init__(**kwargs)
        self.network = network

    def kl(self, q, z):
        return tf.square(self.network(q.mean))

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network}

    @classmethod
    def from_config(cls, config):
        return cls(
            keras.saving.deserialize_keras_object(config.pop("network")), **config
        )


@keras.saving.register_keras_serializable("tests")
class SharesANetwork(keras_vae.VAE):
    def __init__(self, encoder, decoder, *, network, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self.network = network

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network}


def test_a_network_that_prior_and_model_share_is_one_in_every_copy(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    z = keras.Input((2,))
    network = keras.Model(z, keras.layers.Dense(3, name="shared")(z))
    vae = make_vae(SharesANetwork, network=network, prior=ScaledPrior(network))
    vae.compile(keras.optimizers.SGD(0.1))
    vae.fit(X, verbose=0)
    vae.save(tmp_path / "model.keras")
    keras.config.set_dtype_policy("float32")
    for copy in (keras.models.load_model(tmp_path / "model.keras"), float32_copy(vae)):
        assert copy.network is copy.prior.network
        for a, b in zip(copy.get_weights(), vae.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_layer_in_encoder_and_decoder_is_refused_when_it_would_be_lost(tmp_path):
    shared = keras.layers.Dense(3, name="tied")
    x, z = keras.Input((3,)), keras.Input((3,))
    encoder = keras.Model(x, [shared(x), keras.layers.Dense(3)(x)])
    vae = keras_vae.VAE(encoder, keras.Model(z, shared(z)), likelihood="gaussian")
    with pytest.raises(ValueError, match="shared layers tied"):
        vae.save(tmp_path / "model.keras")


def test_random_states_of_every_part_are_saved(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class NoisyPrior(keras_vae.priors.StandardNormal):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dropout = keras.layers.Dropout(0.5, seed=1)

        def kl(self, q, z):
            return self.dropout(super().kl(q, z), training=True)

    vae = make_vae(prior=NoisyPrior())
    vae.compile("adam")
    vae.fit(X, verbose=0)
    vae.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for model in (vae, loaded):
        model.fit(X, batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(vae.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
