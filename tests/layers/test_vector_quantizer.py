"""The codebook against brute force and a loop in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import noise
from keras_vae.layers import VectorQuantizer

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(20, 3, 4, 2)).astype("float32")


def make(num_codes=5, **kwargs):
    layer = VectorQuantizer(num_codes, **kwargs)
    layer.build((None, 3, 4, 2))
    return layer


def nearest(vectors, book):
    vectors, book = np.float64(vectors), np.float64(book)
    return np.square(vectors[..., None, :] - book).sum(-1).argmin(-1)


@pytest.mark.parametrize("shape", [(2,), (12, 2), (4, 3, 2)])
def test_codes_are_the_nearest(shape):
    layer = make()
    vectors = VECTORS.reshape(-1, *shape)
    codes = layer(vectors)
    assert codes.dtype == tf.int32 and codes.shape == vectors.shape[:-1]
    np.testing.assert_array_equal(codes, nearest(vectors, layer.codebook))
    found = np.array(layer.codebook)[np.array(codes)]
    np.testing.assert_array_equal(layer.vectors(codes), found)
    np.testing.assert_array_equal(layer(found), codes)


def test_moving_averages_are_those_of_a_loop():
    layer = make(decay=0.8, restart_below=0.0)
    book, use, total = np.float64(layer.codebook), np.zeros(5), np.zeros((5, 2))
    for _ in range(4):
        vectors = RNG.normal(size=(20, 3, 4, 2)).astype("float32")
        codes = nearest(vectors, book)
        np.testing.assert_array_equal(layer(vectors, training=True), codes)
        for k in range(5):
            own = vectors.reshape(-1, 2)[codes.ravel() == k]
            use[k] = 0.8 * use[k] + 0.2 * len(own)
            total[k] = 0.8 * total[k] + 0.2 * own.sum(axis=0)
        for k in range(5):
            smoothed = (use[k] + 1e-5) / (use.sum() + 5e-5) * use.sum()
            if use[k] > 0:
                book[k] = total[k] / smoothed
        np.testing.assert_allclose(layer.codebook, book, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(layer.use, use, rtol=1e-5)
    before = np.array(layer.codebook)
    layer(VECTORS)  # not in training
    np.testing.assert_array_equal(layer.codebook, before)


def test_it_finds_the_centres_of_clusters():
    centres = np.float32([[0, 0], [4, 0], [0, 4], [4, 4]])
    layer = VectorQuantizer(12, decay=0.5, restart_below=1.0, seed=1)
    layer.build((None, 2))
    for _ in range(40):
        vectors = centres[RNG.integers(4, size=400)] + RNG.normal(0, 0.1, (400, 2))
        layer(tf.constant(vectors, tf.float32), training=True)
    found = np.array(layer.codebook)
    distance = np.square(found[:, None] - centres).sum(-1)
    assert distance.min(axis=-1).max() < 0.2 and distance.min(axis=0).max() < 0.02
    assert 8 < float(layer.perplexity()) <= 12


def test_codes_out_of_use_start_again_from_vectors_of_the_batch():
    layer = make(num_codes=3, decay=0.5, restart_below=0.3)
    flat = VECTORS.reshape(-1, 2)
    layer(VECTORS, training=True)  # all start from data in the first step
    # Set so far away that nobody chooses it.
    layer.codebook.assign([*np.array(layer.codebook)[:2], [1e3, 1e3]])
    layer.total.assign(layer.codebook * layer.use[:, None])
    steps = 0
    while float(layer.use[2]) >= 0.3:
        layer(VECTORS, training=True)
        steps += 1
    assert steps > 1 and np.all(np.abs(layer.codebook[2]) > 100)
    layer(VECTORS, training=True)
    assert np.all(np.abs(layer.codebook[2]) < np.abs(flat).max())
    assert float(layer.use[2]) >= 0.5


def test_the_first_codes_are_vectors_of_the_first_batch():
    layer = make(num_codes=4, decay=0.999999)
    layer(VECTORS, training=True)
    flat = VECTORS.reshape(-1, 2)
    distance = np.square(np.array(layer.codebook)[:, None] - flat).sum(-1).min(-1)
    assert np.all(distance < 1e-6)
    same = make(num_codes=4, decay=0.999999)
    same(VECTORS, training=True)
    np.testing.assert_array_equal(same.codebook, layer.codebook)
    other = make(num_codes=4, decay=0.999999, seed=5)
    other(VECTORS, training=True)
    assert np.any(np.array(other.codebook) != np.array(layer.codebook))


def test_two_devices_sum_what_they_see():
    """Halves of a batch on two devices move the codebook as the whole does on one."""
    from tests.contracts import two_devices

    alone = make(decay=0.5, restart_below=0.0)
    with two_devices().scope():
        layer = make(decay=0.5, restart_below=0.0)
    layer.codebook.assign(alone.codebook)
    halves = tf.reshape(VECTORS, (2, 10, 3, 4, 2))

    @tf.function
    def run():
        def step():
            context = tf.distribute.get_replica_context()
            return layer(halves[context.replica_id_in_sync_group], training=True)

        return two_devices().run(step)

    run()
    alone(VECTORS, training=True)
    np.testing.assert_allclose(layer.use, alone.use, rtol=1e-5)
    np.testing.assert_allclose(layer.codebook, alone.codebook, rtol=1e-4, atol=1e-6)


def test_its_state_comes_back(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, make(decay=0.9, num_codes=4)(inputs))
    seeds = noise.example_seeds(0, 0, 50)
    vectors = noise.normal(seeds, 2)
    layer = model.layers[-1]
    layer(vectors, training=True)
    model.save(tmp_path / "model.keras")
    other = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    for again in (layer, other):
        again.use.assign(again.use * [1.0, 0.0, 1.0, 0.0])  # two start again
        again(vectors, training=True)
    for a, b in zip(layer.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_out_of_range_is_named():
    with pytest.raises(ValueError, match="`num_codes`"):
        VectorQuantizer(1)
    with pytest.raises(ValueError, match="`decay` should be .* below 1"):
        VectorQuantizer(4, decay=1.0)
    with pytest.raises(ValueError, match="`restart_below`"):
        VectorQuantizer(4, restart_below=-1)
