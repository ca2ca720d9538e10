"""Rows of a table: probabilities that sum to 1, draws that follow them."""

import json

import numpy as np
import pandas
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import tensorflow as tf

import keras_vae
from keras_vae.datasets import TableSchema
from keras_vae.layers import ColumnFeatures
from keras_vae.likelihoods import Columns
from tests.contracts import likelihood as laws


def table(n=400):
    """Numbers, counts, a heap of zeros, a category, a boolean, missing values."""
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "income": np.round(np.exp(rng.normal(8, 1.5, n)), 2),
            "age": rng.integers(18, 90, n),
            "fee": np.where(rng.random(n) < 0.6, 0.0, np.round(rng.gamma(2, 9, n), 1)),
            "kids": rng.poisson(1.2, n),
            "sex": rng.choice(["f", "m", None], n, p=[0.5, 0.4, 0.1]),
            "ok": rng.random(n) < 0.3,
        }
    )
    frame.loc[rng.random(n) < 0.2, "income"] = np.nan
    return frame


FRAME = table()
SCHEMA = TableSchema.find(FRAME)
NAMES = list(SCHEMA.feature_names)
X = SCHEMA.encode(FRAME)


@pytest.fixture
def likelihood():
    return Columns(SCHEMA, num_components=3)


def parameters_of(likelihood, n, seed=0, spread=1.0):
    noise = np.random.default_rng(seed).normal(
        0, spread, (n, likelihood.num_parameters)
    )
    return (likelihood.initial_bias() + noise).astype("float32")


def test_the_laws_of_likelihoods(likelihood):
    """Those that suit: a part of a row is none, and a bias has no mean of the data."""
    x, parameters = X[:8].copy(), parameters_of(likelihood, 8)
    for law in (
        laws._check_shapes_and_dtypes,
        laws._check_examples_are_independent,
        laws._check_outside_support,
        laws._check_sample,
        laws._check_seeds,
        laws._check_mixed_precision,
        laws._check_graph_and_xla,
    ):
        arguments = (likelihood, x, parameters)
        wants_x = law not in (laws._check_sample, laws._check_seeds)
        law(*arguments) if wants_x else law(likelihood, parameters)


def test_the_sum_of_its_values_is_the_log_prob(likelihood):
    parameters = parameters_of(likelihood, len(X))
    values = likelihood.log_prob_per_value(X, parameters).numpy()
    assert values.shape == X.shape
    np.testing.assert_allclose(values.sum(1), likelihood.log_prob(X, parameters), 1e-4)
    # What is missing counts for nothing; that it is missing does.
    flag = NAMES.index("income is missing")
    missing = X[:, flag] == 1
    assert missing.any() and not values[missing, flag - 1].any()
    assert (values[:, flag] < 0).all() and (values[~missing, flag - 1] != 0).all()


def test_log_prob_against_the_formula_in_float64(likelihood):
    """Of one number: a mixture of logistics over the cell's places, by its width."""
    parameters = parameters_of(likelihood, 5, spread=0.5)
    specification = SCHEMA.specification()
    place = NAMES.index("age")
    row = [n for n in NAMES if "edges" in specification[NAMES.index(n)]].index("age")
    column = specification[place]
    num_numbers = sum("edges" in each for each in specification)
    start = likelihood.num_parameters - 9 * num_numbers
    blocks = parameters[:, start:].astype("float64").reshape(5, 3, num_numbers, 3)
    logits, loc, log_scale = blocks[:, :, row].transpose(1, 0, 2)
    assert np.abs(log_scale).max() < 2  # where its bound leaves it alone
    places = np.array([-np.inf, *column["places"], np.inf])
    cdf = scipy.special.expit((places[:, None, None] - loc) / np.exp(log_scale))
    cells = np.diff((cdf * scipy.special.softmax(logits, -1)).sum(-1), axis=0).T
    found = likelihood.probabilities(parameters, place).numpy()
    np.testing.assert_allclose(found, cells, atol=1e-6)
    x = X[:5].copy()
    cell = np.searchsorted(column["edges"], x[:, place], "right") - 1
    width = np.diff(column["edges"])[cell]
    log_prob = np.log(cells[np.arange(5), cell] / width)
    ends = (cell == 0) | (cell == len(column["edges"]) - 2)
    log_prob[ends] += np.log1p(-column["outside"])
    found = likelihood.log_prob_per_value(x, parameters).numpy()[:, place]
    np.testing.assert_allclose(found, log_prob, rtol=1e-4)


def of_column(likelihood, name, values, parameters):
    x = np.repeat(X[:1], len(values), axis=0)
    x[:, NAMES.index(name)] = values
    if f"{name} is missing" in NAMES:
        x[:, NAMES.index(f"{name} is missing")] = 0
    rows = np.repeat(parameters[:1], len(values), axis=0)
    found = likelihood.log_prob_per_value(x, rows).numpy()[:, NAMES.index(name)]
    return np.exp(found.astype("float64"))


@pytest.mark.parametrize("name", ["age", "kids", "sex", "ok", "income is missing"])
def test_probabilities_sum_to_one(likelihood, name):
    parameters = parameters_of(likelihood, 1)
    values = {
        "age": np.arange(-400, 600),  # beyond the range too
        "kids": np.unique(X[:, NAMES.index("kids")]),
        "sex": [0, 1, 2],
    }.get(name, [0, 1])
    total = of_column(likelihood, name, values, parameters).sum()
    assert total == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ["income", "fee"])
def test_densities_integrate_to_one(likelihood, name):
    parameters = parameters_of(likelihood, 1)
    column = SCHEMA.specification()[NAMES.index(name)]
    edges, scale = np.array(column["edges"]), column["scale"]
    middles = (edges[1:] + edges[:-1]) / 2
    density = of_column(likelihood, name, middles, parameters)
    total = (density * np.diff(edges)).sum()
    for end, sign in ((edges[0], -1), (edges[-1], 1)):
        distance = np.linspace(0, 12 * scale, 2000)[1:]
        tail = of_column(likelihood, name, end + sign * distance, parameters)
        total += scipy.integrate.trapezoid(tail, distance)
    assert total == pytest.approx(1, abs=2e-3)


def test_draws_follow_the_probabilities(likelihood):
    """100,000 draws: each value of each column within 5 standard errors."""
    n = 100_000
    parameters = np.repeat(parameters_of(likelihood, 1, seed=3), n, axis=0)
    draws = likelihood.sample(tf.constant(parameters), seed=1).numpy()
    assert likelihood.in_support(draws[:1000]).numpy().all()
    for place, column in enumerate(SCHEMA.specification()):
        expected = likelihood.probabilities(parameters[:1], place).numpy()[0]
        drawn = draws[:, place]
        if "values" in column:
            shares = [np.mean(np.abs(drawn - v) < 1e-4) for v in column["values"]]
        else:
            edges = np.array(column["edges"])
            # A draw at an edge was rounded to its decimals, over it perhaps.
            shares = np.histogram(drawn, edges)[0] / n
            assert drawn.min() >= column["low"] - 1e-3
            assert drawn.max() <= column["high"] + 1e-3
            per = 1 / column["step"]
            if column["high"] * per < 2**22:  # a float32 has no more digits
                assert np.abs(drawn * per - np.round(drawn * per)).max() < 0.02
        shares, error = np.array(shares), np.sqrt(expected / n) + 1e-5
        # Neighbouring cells exchange what is rounded.
        if "edges" in column:
            shares, expected = shares.cumsum(), expected.cumsum()
            error = 0.5 / np.sqrt(n) + 3e-3 * (column["step"] < 1)
        assert (np.abs(shares - expected) < 5 * error).all(), column["name"]


def test_the_mean_is_the_expectation_of_numbers_and_the_likeliest_category(likelihood):
    parameters = parameters_of(likelihood, 1, seed=4)
    mean = likelihood.mean(parameters).numpy()[0]
    many = np.repeat(parameters, 50_000, axis=0)
    draws = likelihood.sample(tf.constant(many), seed=2).numpy()
    for place, column in enumerate(SCHEMA.specification()):
        if column.get("nominal"):
            values, counts = np.unique(draws[:, place], return_counts=True)
            assert mean[place] == values[counts.argmax()]
        else:
            error = draws[:, place].std() / np.sqrt(50_000)
            assert abs(draws[:, place].mean() - mean[place]) < 6 * error, column["name"]


def test_the_first_reconstruction_has_the_frequencies(likelihood):
    bias = likelihood.initial_bias()[None]
    sex = likelihood.probabilities(bias, NAMES.index("sex")).numpy()[0]
    expected = FRAME["sex"].value_counts(dropna=False, normalize=True)
    assert sex == pytest.approx([expected["f"], expected["m"], expected.iloc[-1]], 1e-4)
    age = likelihood.probabilities(bias, NAMES.index("age")).numpy()[0]
    edges = SCHEMA.specification()[NAMES.index("age")]["edges"]
    rows = np.histogram(FRAME["age"], edges)[0] / len(FRAME)
    assert np.abs(age.cumsum() - rows.cumsum()).max() < 0.05


def test_saving(likelihood):
    saved = json.loads(json.dumps(likelihood.get_config()))
    again = Columns.from_config(saved)
    assert again.schema == SCHEMA and again.get_config() == likelihood.get_config()
    parameters = parameters_of(likelihood, 3)
    np.testing.assert_array_equal(
        again.log_prob(X[:3], parameters), likelihood.log_prob(X[:3], parameters)
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), "a value for each of `schema`"),
        (np.zeros((2, 3, 4)), "a value for each of `schema`"),
    ],
)
def test_other_rows_are_refused(likelihood, x, message):
    with pytest.raises(ValueError, match=message):
        likelihood.log_prob(x, parameters_of(likelihood, 2))
    with pytest.raises(ValueError, match="`data_shape` should be"):
        likelihood.parameter_shape((3,))
    with pytest.raises(ValueError, match="`schema` should be a keras_vae.datasets"):
        Columns([1, 2])


def test_what_an_encoder_sees():
    """Normal scores of numbers, one-hot the others, nothing of what is missing."""
    features = ColumnFeatures(SCHEMA)(X).numpy()
    assert features.shape == ColumnFeatures(SCHEMA).compute_output_shape(X.shape)
    specification = SCHEMA.specification()
    sizes = [len(c["values"]) for c in specification if "values" in c]
    one_hot, numbers = features[:, : sum(sizes)], features[:, sum(sizes) :]
    for block, place in zip(
        np.split(one_hot, np.cumsum(sizes)[:-1], axis=1),
        [i for i, c in enumerate(specification) if "values" in c],
        strict=True,
    ):
        values = np.array(specification[place]["values"])
        np.testing.assert_array_equal(values[block.argmax(1)], X[:, place])
        np.testing.assert_array_equal(block.sum(1), 1)
    names = [c["name"] for c in specification if "edges" in c]
    missing = X[:, NAMES.index("income is missing")] == 1
    income = numbers[:, names.index("income")]
    assert not income[missing].any()
    order = scipy.stats.rankdata(FRAME["income"][~missing]) / ((~missing).sum() + 1)
    expected = scipy.special.ndtri(order)
    assert np.abs(income[~missing] - expected)[np.abs(expected) < 2].max() < 0.1
    assert np.abs(numbers).max() < 3.5  # an outlier is no further than its rank


def test_a_model_of_rows_comes_back_from_its_file(tmp_path):
    likelihood = Columns(SCHEMA)
    encoder, decoder = keras_vae.networks.dense(
        SCHEMA.data_shape, 2, likelihood, hidden_units=(8,), seed=0
    )
    vae = keras_vae.VAE(encoder, decoder, likelihood=likelihood, seed=0)
    vae.compile("adam")
    history = vae.fit(X, epochs=2, verbose=0).history
    assert history["elbo"][1] > history["elbo"][0]
    vae.save(tmp_path / "model.keras")
    again = keras_vae.load(tmp_path / "model.keras")
    assert again.likelihood.schema == SCHEMA
    np.testing.assert_array_equal(
        again.sample(20, seed=1, draws=True), vae.sample(20, seed=1, draws=True)
    )
    np.testing.assert_array_equal(again.elbo(X[:20]), vae.elbo(X[:20]))
