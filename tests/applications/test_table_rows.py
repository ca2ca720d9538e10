"""Synthetic rows: the joint distribution under conditions, exactly, and its errors."""

import json

import numpy as np
import pandas
import pytest

import keras_vae
from keras_vae.applications import (
    TableSynthesizer,
    condition_probability,
    row_batches,
    sample_rows,
)
from keras_vae.applications.table_rows import schema_of
from keras_vae.datasets import TableSchema
from keras_vae.likelihoods import Columns

N = 300


def table():
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], N)
    frame = pandas.DataFrame(
        {
            "id": [f"P-{i:04d}" for i in range(N)],
            "sex": sex,
            "age": np.clip(rng.normal(30 + 20 * (sex == "m"), 9, N), 18, 89).astype(
                int
            ),
            "income": np.round(np.exp(rng.normal(8, 1.5, N)), 2),
            "kids": rng.poisson(1.2, N),
            "since": (
                pandas.Timestamp("2001-05-03")
                + pandas.to_timedelta(rng.integers(0, 3000, N), "D")
            ).strftime("%Y-%m-%d"),
            "word": rng.choice([f"w{i}" for i in range(130)], N),
            "constant": "x",
        }
    )
    frame.loc[rng.random(N) < 0.2, "income"] = np.nan
    return frame


FRAME = table()
SCHEMA = TableSchema.find(FRAME, kinds={"word": "category"})


@pytest.fixture(scope="module")
def vae():
    """A model of the rows with large weights: its columns depend on z, strongly."""
    likelihood = Columns(SCHEMA)
    encoder, decoder = keras_vae.networks.dense(
        SCHEMA.data_shape, 1, likelihood, hidden_units=(8,), seed=0
    )
    for weight in decoder.trainable_weights[-2:-1]:
        weight.assign(20 * weight)
    return keras_vae.VAE(encoder, decoder, likelihood=likelihood, seed=0)


def quadrature(vae, columns):
    """p(z) on a fine grid, and the probabilities of columns there, in float64."""
    z = np.linspace(-7, 7, 2001)
    weights = np.exp(-(z**2) / 2)
    parameters = vae.decoder.predict(z[:, None].astype("float32"), verbose=0)
    names = list(SCHEMA.feature_names)
    found = [
        vae.likelihood.probabilities(parameters, names.index(name)).numpy()
        for name in columns
    ]
    return weights / weights.sum(), found


def test_conditional_rows_follow_the_joint_distribution(vae):
    """p(kids | sex = f), by quadrature over z, and by 20,000 conditional rows."""
    weights, (sex, kids) = quadrature(vae, ["sex", "kids"])
    joint = weights @ (sex[:, :1] * kids)
    expected = joint / joint.sum()
    marginal = weights @ kids
    assert np.abs(expected - marginal).max() > 0.02  # z does connect the two
    rows = sample_rows(vae, 20_000, conditions={"sex": "f"}, seed=1)
    assert set(rows["sex"]) == {"f"}
    values = SCHEMA.columns[SCHEMA.names.index("kids")].values
    shares = [(rows["kids"] == value).mean() for value in values]
    error = np.sqrt(expected / 20_000) + 2e-3
    assert (np.abs(shares - expected) < 4 * error).all()
    probability = condition_probability(vae, {"sex": "f"}, num_draws=20_000)
    assert probability == pytest.approx(joint.sum(), abs=0.01)


def test_a_range_of_numbers_and_a_category(vae):
    """p(30 <= age <= 40, sex = m): the cells' shares, and what is drawn of them."""
    weights, (sex, age) = quadrature(vae, ["sex", "age"])
    edges = np.array(SCHEMA.columns[SCHEMA.names.index("age")].edges)
    inside = np.minimum(edges[1:], 40.5) - np.maximum(edges[:-1], 29.5)
    shares = np.maximum(inside, 0) / np.diff(edges)
    expected = weights @ (sex[:, 1] * (age @ shares))
    conditions = {"age": (30, 40), "sex": "m"}
    probability = condition_probability(vae, conditions, num_draws=40_000)
    assert probability == pytest.approx(expected, rel=0.05)
    rows = sample_rows(vae, 3000, conditions=conditions, seed=0)
    assert rows["age"].between(30, 40).all() and rows["age"].dtype == "int64"
    assert rows["age"].nunique() == 11 and set(rows["sex"]) == {"m"}
    drawn = np.histogram(rows["age"], edges)[0] / 3000
    wanted = weights @ (sex[:, 1:] * age * shares) / expected
    assert np.abs(drawn.cumsum() - wanted.cumsum()).max() < 0.05


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"income": None}, lambda rows: rows["income"].isna()),
        ({"income": (1000, None)}, lambda rows: rows["income"] >= 1000),
        ({"income": ("1000", "2000.5")}, lambda r: r["income"].between(1000, 2000.5)),
        ({"kids": 2}, lambda rows: rows["kids"] == 2),
        ({"kids": "2"}, lambda rows: rows["kids"] == 2),
        ({"since": (None, "2003-01-31")}, lambda rows: rows["since"] <= "2003-01-31"),
        ({"since": "2003-01-31"}, lambda rows: rows["since"] == "2003-01-31"),
        (
            {"word": FRAME["word"].value_counts().index[-1]},
            lambda rows: rows["word"] == FRAME["word"].value_counts().index[-1],
        ),
        ({"constant": "x"}, lambda rows: rows["constant"] == "x"),
        ({}, lambda rows: rows["kids"] >= 0),
    ],
)
def test_conditions_hold(vae, conditions, holds):
    rows = sample_rows(vae, 200, conditions=conditions, seed=0)
    assert holds(rows).all() and len(rows) == 200
    assert list(rows) == list(FRAME) and (rows.dtypes == FRAME.dtypes).all()
    assert rows["id"].is_unique and not set(rows["id"]) & set(FRAME["id"])


def test_the_same_seed_gives_the_same_rows_in_batches_of_any_size(vae):
    for conditions in (None, {"sex": "f"}):
        rows = sample_rows(vae, 150, conditions=conditions, seed=3)
        assert rows.equals(sample_rows(vae, 150, conditions=conditions, seed=3))
        assert not rows.equals(sample_rows(vae, 150, conditions=conditions, seed=4))
    rows = sample_rows(vae, 150, seed=3)
    parts = list(row_batches(vae, 150, seed=3, batch_size=40))
    assert [len(part) for part in parts] == [40, 40, 40, 30]
    pandas.testing.assert_frame_equal(pandas.concat(parts, ignore_index=True), rows)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"sx": "f"}, "should name columns.*Did you mean 'sex'.*'sx'"),
        ({"sex": "x"}, "'sex' cannot be 'x': its values are 2 values: f, m"),
        ({"sex": None}, "'sex' cannot be None: it is never missing"),
        ({"age": None}, "'age' cannot be None: it is never missing"),
        ({"age": (200, 300)}, "lies between 18 and"),
        ({"age": 30.5}, "there is no such number"),
        ({"age": (40, 30)}, "'age' cannot be"),
        ({"age": (1, 2, 3)}, "a range has two ends"),
        ({"age": "old"}, "a count was expected"),
        ({"since": "soon"}, "a date was expected"),
        ({"kids": 1.5}, "its values are 0, 1"),
        ({"id": "P-0001"}, "it is an identifier"),
        ({"constant": "y"}, "always 'x'"),
    ],
)
def test_conditions_that_cannot_be(vae, conditions, message):
    with pytest.raises(ValueError, match=message):
        sample_rows(vae, 3, conditions=conditions)


def test_conditions_that_few_draws_meet_are_told_of(vae):
    likelihood = Columns(SCHEMA)
    encoder, decoder = keras_vae.networks.dense(
        SCHEMA.data_shape, 1, likelihood, hidden_units=(), seed=0
    )
    kernel, bias = decoder.get_layer("flat_parameters").weights
    found = kernel.numpy()
    found[:, :2] = [[-60, 60]]  # sex is f for z below 0
    kernel.assign(found)
    toward_m = np.zeros(found.shape[1])
    toward_m[:2] = [-1, 1]
    bias.assign(bias.numpy() + 300 * toward_m)
    model = keras_vae.VAE(encoder, decoder, likelihood=likelihood, seed=0)
    with pytest.raises(ValueError, match="impossible together, by the model"):
        sample_rows(model, 3, conditions={"sex": "f"}, seed=0)
    bias.assign(bias.numpy() - 72 * toward_m)
    with pytest.warns(UserWarning, match="rest on about .* draws of z"):
        sample_rows(model, 3, conditions={"sex": "f"}, seed=0)


def test_a_model_of_something_else_is_refused():
    vae = keras_vae.VAE(*keras_vae.networks.dense((4,), 2, hidden_units=()))
    with pytest.raises(ValueError, match="of the rows of a table. Received: bernoulli"):
        sample_rows(vae, 3)


@pytest.fixture(scope="module")
def synthesizer():
    frame = FRAME.drop(columns="word")
    return TableSynthesizer(
        latent_dim=4, hidden_units=(32,), epochs=200, learning_rate=0.005
    ).fit(frame)


def test_what_columns_have_to_do_with_one_another_is_learned(synthesizer):
    """Men are 20 years older; shares and missing values as they were."""
    rows = synthesizer.sample(3000, seed=0)
    by_sex = rows.groupby("sex")["age"].mean()
    real = FRAME.groupby("sex")["age"].mean()
    assert by_sex["m"] - by_sex["f"] == pytest.approx(real["m"] - real["f"], abs=4)
    share = (FRAME["sex"] == "f").mean()
    assert (rows["sex"] == "f").mean() == pytest.approx(share, abs=0.07)
    assert rows["income"].isna().mean() == pytest.approx(0.2, abs=0.06)
    conditional = synthesizer.sample(1000, {"sex": "m"}, seed=0)
    assert conditional["age"].mean() == pytest.approx(real["m"], abs=4)


def test_a_synthesizer_comes_back_from_its_folder(synthesizer, tmp_path):
    synthesizer.save(tmp_path / "people")
    again = TableSynthesizer.load(tmp_path / "people")
    assert again.schema == synthesizer.schema and again.hidden_units == (32,)
    assert again.sample(30, seed=5).equals(synthesizer.sample(30, seed=5))
    rows = FRAME.drop(columns="word")[:5]
    np.testing.assert_array_equal(again.score(rows), synthesizer.score(rows))
    settings = json.loads((tmp_path / "people" / "synthesizer.json").read_text())
    assert settings["kind"] == "table_synthesizer"
    with pytest.raises(ValueError, match="There is no synthesizer"):
        TableSynthesizer.load(tmp_path / "nobody")
    with pytest.raises(ValueError, match="has learned nothing yet.*fit"):
        TableSynthesizer().sample(3)


def test_schema_of(vae):
    assert schema_of(vae) == SCHEMA
