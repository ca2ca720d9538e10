"""Priors over codes: all sequences of a tiny model are enumerated."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_vae import noise
from keras_vae.priors import AutoregressiveCodes, UniformCodes


def make(latent_shape=(2, 3, 5), num_codes=3, **kwargs):
    kwargs |= {"hidden_units": (8, 7), "activation": "tanh", "seed": 0}
    prior = AutoregressiveCodes(num_codes, **kwargs)
    prior.build(latent_shape)
    rng = np.random.default_rng(0)
    for weight in prior.weights:
        weight.assign(rng.normal(0, 0.7, weight.shape))
    return prior


def all_codes(num_codes, num_positions):
    codes = [*itertools.product(range(num_codes), repeat=num_positions)]
    return np.array(codes, "int32")


CASES = {
    "map": ((2, 3, 5), 2),
    "sequence": ((5, 4), 3),
    "one code": ((4,), 6),
    "short context": ((3, 2, 5), 2),
}


@pytest.mark.parametrize("case", CASES)
def test_probabilities_sum_to_one_and_draws_follow_them(case):
    shape, num_codes = CASES[case]
    prior = make(shape, num_codes, context=1 if case == "short context" else 4)
    codes = all_codes(num_codes, prior.num_positions)
    p = np.exp(np.sum(prior.log_prob_of_codes(codes), axis=-1, dtype="float64"))
    assert p.sum() == pytest.approx(1.0, abs=1e-5)
    assert p.std() > 0.1 * p.mean()
    n = 20_000
    drawn = np.array(prior.sample_codes(noise.example_seeds(3, 0, n)))
    place = drawn @ num_codes ** np.arange(prior.num_positions)[::-1]
    counts = np.bincount(place, minlength=len(codes))
    rare = n * p < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(n * p[~rare], n * p[rare].sum() + 1e-9)
    assert stats.chisquare(counts, expected * n / expected.sum()).pvalue > 1e-3


def test_a_code_depends_on_those_before_it_alone_and_on_all_of_them_that_are_near():
    prior = make((3, 4, 2), num_codes=3, context=2)
    codes = np.random.default_rng(0).integers(3, size=(1, 12)).astype("int32")
    log_prob = prior.log_prob_of_codes(codes)
    for changed in range(12):
        other = codes.copy()
        other[0, changed] = (other[0, changed] + 1) % 3
        differs = np.asarray(prior.log_prob_of_codes(other) != log_prob)[0]
        row, column = divmod(changed, 4)
        for position in range(12):
            i, j = divmod(position, 4)
            near = abs(i - row) <= 2 and abs(j - column) <= 2
            if position != changed:
                assert differs[position] == (position > changed and near)


@pytest.mark.parametrize("make_prior", [make, UniformCodes])
def test_a_draw_depends_on_its_seed_alone(make_prior):
    prior = make_prior(num_codes=3)
    if not prior.built:
        prior.build((2, 3, 5))
    seeds = noise.example_seeds(1, 0, 50)
    codes = prior.sample_codes(seeds)
    assert codes.dtype == tf.int32 and codes.shape == (50, 6)
    np.testing.assert_array_equal(prior.sample_codes(seeds[7:8])[0], codes[7])
    compiled = tf.function(prior.sample_codes, jit_compile=True)(seeds)
    np.testing.assert_array_equal(compiled, codes)
    assert len(np.unique(codes, axis=0)) > 25


def test_uniform_codes():
    prior = UniformCodes(3)
    prior.build((4, 2))
    codes = prior.sample_codes(noise.example_seeds(1, 0, 3000))
    assert stats.chisquare(np.bincount(np.ravel(codes))).pvalue > 1e-3
    found = prior.log_prob_of_codes(codes[:2])
    np.testing.assert_allclose(found, np.full((2, 4), -np.log(3)), rtol=1e-6)


def test_what_is_out_of_range_is_named():
    with pytest.raises(ValueError, match="`hidden_units`"):
        AutoregressiveCodes(3, hidden_units=())
    with pytest.raises(ValueError, match="`context`"):
        AutoregressiveCodes(3, context=0)
