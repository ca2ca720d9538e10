"""Compiled once, and forgotten with the VAE."""

import gc
import weakref

import numpy as np
import tensorflow as tf

import keras_vae
from keras_vae.evaluation import evaluate
from keras_vae.evaluation.compiled import compiled_for_each_vae


def make_vae():
    return keras_vae.VAE(*keras_vae.networks.dense((3,), 2, hidden_units=(4,)))


def test_once_for_each_vae_whatever_the_batch():
    traced = []

    @compiled_for_each_vae(tf.TensorSpec((), tf.int32))
    def function(vae, x, seed, factor):
        traced.append(vae)
        return tf.reduce_sum(x) * tf.cast(factor, tf.float32)

    vaes = [make_vae(), make_vae()]
    for n in (1, 4, 9):
        for vae in vaes:
            x, seed = np.ones((n, 3), "float32"), np.zeros((n, 2), "int32")
            assert float(function(vae, x, seed, n)) == 3.0 * n * n
    assert traced == vaes


def test_later_weights_count():
    vae, x = make_vae(), np.full((4, 3), 0.5, "float32")
    before = evaluate(vae, x)["elbo"]
    vae.decoder.set_weights([w + 1.0 for w in vae.decoder.get_weights()])
    assert evaluate(vae, x)["elbo"] != before


def test_a_vae_is_not_kept_alive():
    vae = make_vae()
    evaluate(vae, np.zeros((2, 3), "float32"), num_importance_samples=1)
    reference = weakref.ref(vae)
    del vae
    gc.collect()
    assert reference() is None
