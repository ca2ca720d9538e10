"""The page of other models: of a conditional one of a table, of an autoencoder."""

from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from keras_vae import (
    Autoencoder,
    ConditionalVAE,
    datasets,
    explorer,
    export,
    likelihoods,
    networks,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    n = 80
    frame = pandas.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "height": np.round(rng.normal(170, 9, n), 1),
            "town": rng.choice(["Bern", "Chur", "Genf"], n),
            "since": pandas.to_datetime("2020-01-01")
            + pandas.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "income": np.where(
                rng.random(n) < 0.2, np.nan, rng.integers(1000, 9000, n)
            ),
            # Beyond what float32 tells apart: x counts from the lowest.
            "account": 3_000_000_000 + 1000 * rng.integers(50, size=n),
            "sex": rng.choice(["female", "male"], n),
        }
    )
    path = tmp_path_factory.mktemp("table") / "people.csv"
    frame.to_csv(path, index=False)
    return datasets.load(str(path), kind="table", label_column="sex", seed=0)


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """What of a run the explorer asks for: the model is as it was initialised."""
    likelihood = likelihoods.Columns(data.schema)
    built = networks.dense(
        data.data_shape, 2, likelihood, hidden_units=(8,), condition_dim=2, seed=0
    )
    vae = ConditionalVAE(*built, likelihood=likelihood, num_classes=2, seed=0)
    folder = tmp_path_factory.mktemp("people")
    export.export_saved_models(vae, folder / "export")
    return SimpleNamespace(
        vae=vae,
        directory=folder,
        config={"binarize": "none"},
        batch_arguments={"condition": True},
    )


@pytest.fixture
def page(run, data, visit):
    measures = explorer.Measures(run.vae)
    shown = explorer.latent_map(run, data)
    server = explorer.ExplorerServer(shown, run.directory / "export", measures)
    with server, server.running():
        yield visit(server.url)


def column(page, name):
    return page.locator("#form tbody tr", has=page.get_by_text(name, exact=True))


def decoded(page):
    """The decoded column, by name."""
    page.evaluate("explorer.settled()")
    rows = page.locator("#form tbody tr").all()
    return {
        r.locator("th").inner_text(): r.locator("td").nth(1).inner_text() for r in rows
    }


def check_decoded(page, run, data, z, condition):
    """Holds the decoded column against the schema's own words."""
    x = run.vae.decode(np.reshape(z, (1, -1)), condition=[condition])
    row = data.schema.decode(x).iloc[0]
    found = decoded(page)
    assert found["town"] == row["town"]
    assert found["age"] == str(row["age"])
    assert found["account"] == str(row["account"])
    assert float(found["height"]) == pytest.approx(row["height"])
    assert found["since"] == str(row["since"])[:10]
    assert found["income is missing"] == ("yes" if pandas.isna(row["income"]) else "no")


def test_a_row_of_the_form_is_encoded(page, run, data):
    page.select_option("#condition", label="male")
    given = {
        "age": 44,
        "height": 181.5,
        "town": "Chur",
        "since": "2021-03-04",
        "income": 3000,
        "account": 3_000_007_000,
    }
    for name in ("age", "height", "since", "income", "account"):
        column(page, name).locator("input").fill(str(given[name]))
    column(page, "income is missing").locator("select").select_option(label="no")
    column(page, "town").locator("select").select_option(label="Chur")
    page.locator("#source", has_text="Your row").wait_for()
    page.evaluate("explorer.settled()")
    frame = pandas.DataFrame([given])
    names = [c.name for c in data.schema.columns if c.is_modelled]
    inputs = {"x": data.schema.encode(frame[names]), "condition": np.array([1])}
    np.testing.assert_allclose(
        page.evaluate("[...explorer.x]"), inputs["x"][0], atol=1e-6
    )
    z = run.vae.codes(inputs)[0]
    np.testing.assert_allclose(page.evaluate("[...explorer.z]"), z, atol=1e-6)
    check_decoded(page, run, data, z, 1)
    elbo = page.locator("#measures dd").first.get_attribute("data-value")
    assert float(elbo) == pytest.approx(run.vae.elbo(inputs, seed=0)[0], rel=1e-5)


def test_the_condition_decodes_the_same_code_otherwise(page, run, data):
    z = np.array([0.5, -1.25], "float32")
    page.evaluate("z => explorer.go(Float32Array.from(z), 'here')", z.tolist())
    for label, condition in (("male", 1), ("female", 0)):
        page.select_option("#condition", label=label)
        check_decoded(page, run, data, z, condition)


def test_an_example_brings_its_row_and_its_condition(page, run, data):
    labels = data.test.labels
    i = int(np.flatnonzero(labels == 1)[0])
    page.evaluate("i => explorer.choose(i)", i)
    page.evaluate("explorer.settled()")
    assert page.input_value("#condition") == "1"
    row = data.schema.decode(data.test.x[i : i + 1]).iloc[0]
    assert float(column(page, "age").locator("input").input_value()) == row["age"]
    since = column(page, "since").locator("input").input_value()
    assert since == str(row["since"])[:10]
    town = column(page, "town").locator("select")
    assert town.evaluate("e => e.selectedOptions[0].text") == row["town"]
    inputs = {"x": data.test.x[i : i + 1], "condition": labels[i : i + 1]}
    check_decoded(page, run, data, run.vae.codes(inputs), 1)


def test_a_table_is_coloured_by_any_column(page, data):
    assert page.locator("#legend button").all_inner_texts() == ["female", "male"]
    page.select_option("#colour", label="town")
    assert page.locator("#legend button").all_inner_texts() == ["Bern", "Chur", "Genf"]
    towns = data.schema.decode(data.test.x)["town"]
    found = page.evaluate("explorer.plot.marks.map((mark) => mark.group)")
    assert [["Bern", "Chur", "Genf"][group] for group in found] == list(towns)
    page.focus("#map")
    page.keyboard.press("g")  # of decodings of images, which there are none of
    assert not page.is_checked("#grid")
    page.select_option("#colour", label="age")
    shades = page.evaluate("explorer.plot.marks.map((mark) => mark.group)")
    order = np.argsort(data.test.x[:, 0], kind="stable")
    assert (np.diff(np.array(shades)[order]) >= 0).all() and len(set(shades)) > 3


def test_an_autoencoder_of_colours_with_one_dimension(visit, tmp_path):
    """Its endpoints have single outputs, which a server sends without their names."""
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 9, 3)).astype("uint8")
    np.savez(tmp_path / "x.npz", x=x)
    data = datasets.load(
        str(tmp_path / "x.npz"), validation_fraction=0, test_fraction=0
    )
    built = networks.dense((8, 9, 3), 1, hidden_units=(4,), seed=0)
    vae = Autoencoder(*built, likelihood="bernoulli", seed=0)
    export.export_saved_models(vae, tmp_path / "export")
    run = SimpleNamespace(
        vae=vae, directory=tmp_path, config={"binarize": "none"}, batch_arguments={}
    )
    shown, measures = explorer.latent_map(run, data), explorer.Measures(vae)
    server = explorer.ExplorerServer(shown, tmp_path / "export", measures)
    with server, server.running():
        page = visit(server.url)
        assert page.locator("#axis-y").is_hidden()
        assert page.locator("#legend button").count() == 0
        page.evaluate("explorer.choose(3)")
        page.evaluate("explorer.settled()")
        image = (x[3:4] / np.float32(255)).astype("float32")
        np.testing.assert_array_equal(page.evaluate("[...explorer.x]"), image.ravel())
        expected = vae.reconstruct(image).ravel()
        found = page.evaluate("[...explorer.reconstruction]")
        np.testing.assert_allclose(found, expected, atol=1e-6)
        # What it has in place of an ELBO.
        [row] = page.locator("#measures > div").all()
        assert row.locator("dt").inner_text() == "reconstruction loss"
        loss = float(row.locator("dd").get_attribute("data-value"))
        assert loss == pytest.approx(vae.score(image)["reconstruction_loss"][0])
        # Up and down there is nothing: a click moves the one dimension.
        page.evaluate("explorer.go(Float32Array.of(0), 'here')")
        at = page.evaluate("explorer.plot.toPixels([1.25, 1])")
        page.click("#map", position={"x": at[0], "y": at[1]})
        pixel = page.evaluate("1 / explorer.plot.view.scale")
        [z] = page.evaluate("[...explorer.z]")
        assert z == pytest.approx(1.25, abs=pixel)
