"""Lossy compression: codes that are decoded exactly, and an error that follows them."""

import numpy as np
import pytest
from scipy.special import ndtr

import keras_vae
from keras_vae import networks
from keras_vae.applications import Compressor, LossyCompressor
from tests.applications.models import images, trained


@pytest.mark.parametrize("kind", ["binary", "hierarchy"])
def test_the_codes_are_the_means_to_half_a_step(kind):
    vae, x = trained(kind), images(kind)[:50].astype("float32")
    compressor = LossyCompressor(vae, step=0.5)
    z = compressor.codes(compressor.compress(x))
    z_mean, z_log_var = vae.encode(x)
    if kind == "hierarchy":  # the levels below are given the rounded top
        z, z_mean, z_log_var = z[:, :4], z_mean[:, :4], z_log_var[:, :4]
    # Parameters are rounded themselves, to 2**-12 and, of log-variances, to 1 / 16.
    half = 0.25 * np.exp(0.5 * z_log_var.mean(axis=0)) * (1 + 1 / 32) + 2.0**-12
    assert (np.abs(z - z_mean) <= half).all()
    assert np.abs(z).max() > 0


def test_images_are_the_decoded_codes():
    vae, x = trained("binary"), images("binary")[:50]
    compressor = LossyCompressor(vae, step=1.0)
    compressed = compressor.compress(x * np.uint8(255))
    expected = 255 * vae.decode(compressor.codes(compressed))
    y = compressor.decompress(compressed)
    assert (y.dtype, y.shape) == (np.uint8, x.shape)
    np.testing.assert_allclose(y, expected, atol=0.51)
    # Floats in the units of the model are the same images.
    assert compressor.compress(x.astype("float32")) == compressed


def test_a_coarser_step_takes_fewer_bytes_and_errs_more():
    vae, x = trained("binary"), images("binary").astype("float32")
    sizes, errors = [], []
    for step in (0.5, 2.0, 8.0):
        compressor = LossyCompressor(vae, step=step)
        compressed = compressor.compress(x)
        sizes.append(len(compressed))
        y = compressor.decompress(compressed) / 255.0
        errors.append(np.mean((y - x) ** 2))
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)


def test_the_bytes_are_the_entropy_of_the_fitted_normal():
    """-log2 of the normal's bins, summed: with SciPy, from the codes alone."""
    vae, x = trained("binary"), images("binary").astype("float32")
    compressor = LossyCompressor(vae, step=0.25)
    compressed = compressor.compress(x)
    z = compressor.codes(compressed)
    bits = 0.0
    for column in z.T:
        steps = np.unique(np.abs(np.diff(np.unique(column))))
        if not len(steps):
            continue
        k = np.rint(column / steps.min())
        mean, deviation = np.float16(k.mean()), np.float16(k.std())
        mean, deviation = float(mean), float(deviation)
        high = np.where(k == k.max(), np.inf, k + 0.5)
        low = np.where(k == k.min(), -np.inf, k - 0.5)
        mass = ndtr((high - mean) / deviation) - ndtr((low - mean) / deviation)
        bits -= np.log2(mass).sum()
    # Beside the coder's words: the head, and 16 bytes for each dimension, by zlib.
    rest = len(compressed) - bits / 8
    assert 111 <= rest <= 111 + 16 * vae.latent_dim + 12


def test_a_damaged_file_and_another_model_are_told():
    vae, x = trained("binary"), images("binary")[:20].astype("float32")
    compressor = LossyCompressor(vae)
    compressed = compressor.compress(x)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(compressed), 50):
        damaged = bytearray(compressed)
        damaged[place] ^= 1 << rng.integers(8)
        with pytest.raises(ValueError, match="archive"):
            compressor.decompress(damaged)
    with pytest.raises(ValueError, match="compressed with another model"):
        LossyCompressor(trained("hierarchy")).decompress(compressed)
    with pytest.raises(ValueError, match=r"is lossy. Mend: LossyCompressor\(vae\)"):
        Compressor(vae).decompress(compressed)


def test_an_autoencoder_is_taken():
    vae = keras_vae.Autoencoder(*networks.dense((6,), 2, seed=0), seed=0)
    compressor = LossyCompressor(vae, step=0.01)
    x = np.random.default_rng(0).uniform(size=(20, 6)).astype("float32")
    z = compressor.codes(compressor.compress(x))
    np.testing.assert_allclose(z, vae.codes(x), atol=0.005 + 2.0**-12)


def test_what_cannot_be_compressed_is_refused():
    compressor = LossyCompressor(trained("binary"))
    with pytest.raises(ValueError, match="at least one image"):
        compressor.compress(np.zeros((0, 8, 8, 1), "uint8"))
    with pytest.raises(ValueError, match="`images` should have shape"):
        compressor.compress(np.zeros((3, 8, 7, 1), "float32"))
    with pytest.raises(ValueError, match="`step` should be above 0"):
        LossyCompressor(trained("binary"), step=0.0)
