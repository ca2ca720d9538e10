"""Lossless compression: equal bytes, as many as the model says, or a clear error."""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, ndtr, ndtri

import keras_vae
from keras_vae import likelihoods, networks
from keras_vae.applications import Compressor, LossyCompressor, decompress
from keras_vae.applications.compressor import _groups
from keras_vae.applications.latents import Bins, Posterior, fingerprint
from tests.applications.models import compressor as compressor_of
from tests.applications.models import images, trained

KINDS = ["binary", "grey", "hierarchy"]


def head(vae):
    """Bytes of a file beside the coder's words."""
    return 19 + 4 * len(vae.data_shape) + 12 + 48 + 4 + 16


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_decompressed_is_equal(kind):
    compressor = compressor_of(kind)
    for num in (1, 2, 83):
        x = images(kind)[:num]
        y = compressor.decompress(compressor.compress(x))
        assert y.dtype == np.uint8
        np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("kind", KINDS)
def test_images_that_the_model_does_not_know_are_equal_too(kind):
    """Noise and the extremes, to which it gives next to no probability."""
    rng = np.random.default_rng(0)
    most = images(kind).max()
    noise = rng.integers(0, most + 1, (5, 8, 8, 1)).astype("uint8")
    x = np.concatenate([noise, np.zeros_like(noise), np.full_like(noise, most)])
    compressor = compressor_of(kind)
    np.testing.assert_array_equal(compressor.decompress(compressor.compress(x)), x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_are_those_of_the_elbo(kind):
    """Within 4.5 standard errors of the draws, and 0.5 % for bins and grids."""
    vae, x = trained(kind), images(kind)
    compressor = compressor_of(kind)
    bits = 8 * (len(compressor.compress(x)) - head(vae))
    draws = [vae.elbo(compressor.pixels.to_x(to_levels(x)), seed=s) for s in range(8)]
    expected = -np.mean(draws, axis=0).sum() / math.log(2)
    # Of one draw of each z, as in the file, and of the mean of the eight.
    variance = np.var(draws, axis=0, ddof=1).sum() * (1 + 1 / 8) / math.log(2) ** 2
    initial = compressor._passes.bins().bits + 32 * 4
    assert bits - initial < expected * 1.005 + 4.5 * math.sqrt(variance)
    assert bits > expected * 0.995 - 4.5 * math.sqrt(variance)
    error = 5 * math.sqrt(np.var(draws, axis=0).sum()) / math.log(2)
    assert abs(compressor.expected_bits(x) - expected) < error


def to_levels(x):
    return x.reshape(len(x), -1)


def without_code(probabilities):
    """A model that says p(x) = the product of probabilities, whatever z is."""
    inputs = keras.Input((len(probabilities),))
    zeros = keras.layers.Dense(1, kernel_initializer="zeros")
    encoder = keras.Model(inputs, [zeros(inputs), zeros(inputs)])
    z = keras.Input((1,))
    logits = np.log(probabilities) - np.log1p(-np.array(probabilities))
    layer = keras.layers.Dense(
        len(probabilities),
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(0.0),
    )
    decoder = keras.Model(z, layer(z))
    layer.bias.assign(logits)
    return keras_vae.VAE(encoder, decoder)


def test_a_file_takes_the_probability_of_its_images_by_enumeration():
    """All images of four pixels, as often as they are likely."""
    # On the grid of logits, so that nothing is rounded.
    probabilities = expit(np.array([-2.0, 0.5, 1.25, 3.0]))
    vae = without_code(probabilities)
    compressor = Compressor(vae)
    assert compressor._passes.bins().bits == 0
    every = np.array([*itertools.product((0, 1), repeat=4)], "uint8")
    p = np.prod(np.where(every == 1, probabilities, 1 - probabilities), axis=1)
    assert abs(p.sum() - 1) < 1e-12
    counts = np.rint(20_000 * p).astype(int)
    x = np.repeat(every, counts, axis=0)
    bits = 8 * (len(compressor.compress(x)) - head(vae))
    expected = -(counts * np.log2(p)).sum()
    # Up to a word to fill, and the words of the start.
    assert expected - 1 <= bits <= expected + 1e-4 * expected + 32 * 6


def test_bits_back_is_exact_for_each_z_by_enumeration():
    """One image after another: log2 q(z|x) - log2 p(z) - log2 p(x|z), of the bins."""
    vae, compressor = trained("binary"), compressor_of("binary")
    bins = compressor._passes.bins()
    symbols = to_levels(images("binary")[:20]).astype("int64")
    from keras_vae.applications.bit_stack import BitStack, random_words

    stack = BitStack(random_words(2000), seal=True)
    total, taken = 0.0, []
    pop, decode = bins.pop, compressor._passes.decode

    def note(stack, level, q, num):
        codes = pop(stack, level, q, num)
        taken.append((q, codes))
        return codes

    bins.pop = note
    before = stack.num_bits
    compressor._push(stack, symbols, bins)
    [(q, codes)] = taken
    num_bins = bins._num_bins[0]
    # The probability of each bin under q, by integrals of the normal density.
    low, high = ndtri(codes / num_bins), ndtri((codes + 1) / num_bins)
    of_q = ndtr((high - q.mean) / q.deviation) - ndtr((low - q.mean) / q.deviation)
    total += np.log2(of_q).sum() + np.log2(num_bins).sum() * len(codes)
    logits = np.rint(decode(bins.centres(0, codes)) * 16) / 16
    x = vae.likelihood.log_prob(symbols.reshape(-1, 8, 8, 1), logits).numpy()
    total -= x.sum() / math.log(2)
    assert abs(stack.num_bits - before - total) < 1e-3 * total + 2


def test_codes_drawn_of_the_stack_have_the_posterior():
    """Mean and deviation of many draws of one z, within their standard errors."""
    from keras_vae.applications.bit_stack import BitStack, random_words

    num = 20_000
    bins = Bins([np.array([256, 1, 1024])], b"")
    shape = (num, 3)
    q = Posterior(
        np.broadcast_to([0.5, 0.0, -1.25], shape),
        np.broadcast_to(2 * np.log([0.5, 1.0, 0.125]), shape),
    )
    stack = BitStack(random_words(2 * num), seal=True)
    z = bins.centres(0, bins.pop(stack, 0, q, num)).astype("float64")
    for column, mean, deviation in ((0, 0.5, 0.5), (2, -1.25, 0.125)):
        rounded = np.exp(np.rint(32 * np.log(deviation)) / 32)
        error = 4.5 * rounded / math.sqrt(num)
        assert abs(z[:, column].mean() - mean) < error + 1e-3
        assert abs(z[:, column].std() - rounded) < error + 1e-3
    assert (z[:, 1] == 0).all()


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**31))
@settings(max_examples=15)
def test_any_number_of_images_and_any_batch_size(num, batch_size, seed):
    x = np.random.default_rng(seed).integers(0, 2, (num, 8, 8, 1)).astype("uint8")
    compressor = compressor_of("binary")
    compressor.batch_size, before = batch_size, compressor.batch_size
    compressed = compressor.compress(x)
    compressor.batch_size = before
    # The batch size is the file's, not the reader's.
    np.testing.assert_array_equal(compressor_of("binary").decompress(compressed), x)


LOGISTIC = likelihoods.DiscretizedLogistic()
MIXTURE = likelihoods.DiscretizedLogisticMixture(2)


@pytest.mark.parametrize(
    ("likelihood", "shape", "most"),
    [
        (LOGISTIC, (3,), 255),
        (LOGISTIC, (2, 2, 3), 255),
        (MIXTURE, (3, 2, 1), 255),
        (likelihoods.DiscretizedLogisticMixture(2, levels=5), (4,), 4),
    ],
)
def test_values_of_each_likelihood(likelihood, shape, most):
    parts = networks.dense(shape, 2, likelihood, hidden_units=(8,), seed=0)
    compressor = Compressor(keras_vae.VAE(*parts, likelihood=likelihood, seed=0))
    x = np.random.default_rng(0).integers(0, most + 1, (20, *shape)).astype("uint8")
    np.testing.assert_array_equal(compressor.decompress(compressor.compress(x)), x)


def test_one_hot_vectors():
    likelihood = likelihoods.Categorical()
    parts = networks.dense((5, 3), 2, likelihood, hidden_units=(8,), seed=0)
    compressor = Compressor(keras_vae.VAE(*parts, likelihood=likelihood, seed=0))
    x = np.eye(3, dtype="uint8")[np.random.default_rng(0).integers(0, 3, (20, 5))]
    np.testing.assert_array_equal(compressor.decompress(compressor.compress(x)), x)


@pytest.mark.parametrize("name", ["BetaTCVAE", "InfoVAE"])
def test_relatives_with_a_normal_posterior(name):
    own = {"dataset_size": 20} if name == "BetaTCVAE" else {}
    vae = getattr(keras_vae, name)(*networks.dense((6,), 2, seed=0), **own)
    x = np.random.default_rng(0).integers(0, 2, (20, 6)).astype("uint8")
    compressor = Compressor(vae)
    np.testing.assert_array_equal(compressor.decompress(compressor.compress(x)), x)


def refused():
    dense = networks.dense((6,), 2, seed=0)
    flow = keras_vae.layers.CouplingFlow()
    mixture = keras_vae.priors.MixturePrior(3)
    conditional = networks.dense((6,), 2, condition_dim=3, seed=0)
    points = networks.dense((6,), 2, seed=0)
    return [
        (keras_vae.VAE(*dense, flow=flow), "go through a flow"),
        (keras_vae.VAE(*dense, prior=mixture), "with MixturePrior"),
        (keras_vae.ConditionalVAE(*conditional, num_classes=3), "conditions condition"),
        (keras_vae.Autoencoder(*points), "Autoencoder has no ELBO"),
        (keras_vae.VAE(*dense, likelihood="gaussian"), "finitely many values"),
    ]


def test_other_models_are_refused_with_the_reason():
    for vae, match in refused():
        with pytest.raises(ValueError, match=match):
            Compressor(vae)
    with pytest.raises(ValueError, match="`batch_size` should be an integer from 1"):
        Compressor(trained("binary"), batch_size=0)


@pytest.fixture(scope="module")
def compressed():
    return compressor_of("binary").compress(images("binary")[:40])


def test_another_model_is_told(compressed):
    vae = trained("binary")
    other = keras.models.clone_model(vae.decoder)
    other.set_weights(vae.decoder.get_weights())
    other.weights[-1].assign_add(np.full(other.weights[-1].shape, 1e-6, "float32"))
    with pytest.raises(ValueError, match="another model: its fingerprint is"):
        Compressor(keras_vae.VAE(vae.encoder, other)).decompress(compressed)
    smaller = Compressor(keras_vae.VAE(*networks.dense((6,), 2, seed=0)))
    with pytest.raises(ValueError, match=r"of data of shape \(8, 8, 1\)"):
        smaller.decompress(compressed)


def test_the_same_model_from_a_file_decompresses(compressed, tmp_path):
    """And another seed, beta or optimizer make no other model."""
    vae = trained("binary")
    vae.save(tmp_path / "model.keras")
    loaded = keras_vae.load(tmp_path / "model.keras")
    assert fingerprint(loaded) == fingerprint(vae)
    loaded.beta = 4.0
    y = Compressor(loaded).decompress(compressed)
    np.testing.assert_array_equal(y, images("binary")[:40])


@pytest.mark.slow
def test_another_process_decompresses(compressed, tmp_path):
    """As processes with other addresses and another order of work do."""
    trained("binary").save(tmp_path / "model.keras")
    (tmp_path / "digits.kvae").write_bytes(compressed)
    code = (
        "import numpy as np, keras_vae, pathlib, sys\n"
        "vae = keras_vae.load('model.keras')\n"
        "content = pathlib.Path('digits.kvae').read_bytes()\n"
        "np.save('x.npy', keras_vae.applications.decompress(vae, content))\n"
    )
    house = Path(keras_vae.__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(house)}
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, check=True, env=environment)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), images("binary")[:40])


def test_a_change_or_a_cut_anywhere_is_an_error_and_never_other_data(compressed):
    compressor = compressor_of("binary")
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(compressed)
        if rng.uniform() < 0.3:
            damaged = damaged[: rng.integers(len(damaged))]
        else:
            for _ in range(rng.integers(1, 4)):
                damaged[rng.integers(len(damaged))] ^= rng.integers(1, 256)
        if damaged == compressed:
            continue
        with pytest.raises(ValueError, match="archive"):
            compressor.decompress(damaged)


def test_other_words_under_a_right_checksum_are_an_error(compressed):
    """Somebody's own file: what comes out of it is compared with the data's sum."""
    from keras_vae.applications import archive

    content = archive.read(compressed, "lossless")
    words = bytearray(content.words)
    words[len(words) // 2] ^= 1
    forged = content._replace(words=bytes(words)).to_bytes()
    with pytest.raises(ValueError, match="another checksum. What was computed differs"):
        compressor_of("binary").decompress(forged)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_machine_that_computes_other_numbers_is_told(compressed, part, monkeypatch):
    """Numbers that differ by a hundredth, of everything that a network says."""
    compressor = compressor_of("binary")
    passes = compressor._passes
    if part == "decoder":
        decode = passes.decode
        monkeypatch.setattr(passes, "decode", lambda z: decode(z) * 1.01)
    else:
        infer = passes.infer

        def differently(x, draw):
            infer(x, lambda level, q: draw(level, other(q)))

        def other(q):
            return Posterior(q.mean * 1.01 + 0.01, 2 * np.log(q.deviation))

        monkeypatch.setattr(passes, "infer", differently)
    with pytest.raises(ValueError, match="This machine computes other numbers"):
        compressor.decompress(compressed)


def test_numbers_that_differ_in_the_last_digit_are_forgiven(monkeypatch):
    """Of a small file, and of most of them: what is rounded to the grid is the same."""
    compressor = compressor_of("binary")
    x = images("binary")[:3]
    content = compressor.compress(x)
    decode = compressor._passes.decode
    monkeypatch.setattr(
        compressor._passes, "decode", lambda z: decode(z) * np.float32(1 + 1e-6)
    )
    np.testing.assert_array_equal(compressor.decompress(content), x)


def test_decompress_takes_either_kind(compressed):
    vae, x = trained("binary"), images("binary")[:40]
    np.testing.assert_array_equal(decompress(vae, compressed), x)
    lossy = LossyCompressor(vae)
    small = lossy.compress(x * np.uint8(255))
    np.testing.assert_array_equal(decompress(vae, small), lossy.decompress(small))
    with pytest.raises(ValueError, match=r"Mend: LossyCompressor\(vae\)"):
        compressor_of("binary").decompress(small)


def test_the_first_images_alone_take_initial_bits():
    """A file of one image, and of many: the bits of one z are paid once."""
    vae, x = trained("binary"), images("binary")
    compressor = compressor_of("binary")
    bits = compressor._passes.bins().bits
    one = 8 * (len(compressor.compress(x[:1])) - head(vae))
    assert one <= compressor.expected_bits(x[:1]) + bits + 32 * 6 + 30
    # All in one batch would have had to pop the z of all at first.
    assert len(x) * bits > 20 * (bits + 32 * 6)


@given(st.integers(1, 2000), st.integers(1, 64), st.integers(1, 300))
def test_a_batch_pops_no_more_than_is_on_the_stack(num, batch_size, growth):
    """One at first; later no more than the share of those coded that pays for it."""
    groups = _groups(num, batch_size, growth)
    covered = np.concatenate([np.arange(rows.start, rows.stop) for rows in groups])
    np.testing.assert_array_equal(covered, np.arange(num))
    for rows in groups:
        assert 1 <= rows.stop - rows.start <= batch_size
        assert rows.stop - rows.start <= max(1, rows.start // growth)
