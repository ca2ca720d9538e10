"""What the figures show, read from their parts: no pixels are compared."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA

import keras_vae
from keras_vae import plots
from keras_vae.evaluation import active_units


def make_vae(
    data_shape, latent_dim=3, likelihood="bernoulli", inactive=(), **arguments
):
    """An untrained VAE whose latent dimensions are active, but for those given."""
    encoder, decoder = keras_vae.networks.dense(
        data_shape, latent_dim, likelihood, hidden_units=(8,), seed=0
    )
    rng = np.random.default_rng(0)
    for network in (encoder, decoder):
        network.set_weights([w + rng.normal(size=w.shape) for w in network.weights])
    kernel = encoder.get_layer("z_mean").weights[0]
    kernel.assign(kernel * [float(j not in inactive) for j in range(latent_dim)])
    return keras_vae.VAE(encoder, decoder, likelihood=likelihood, **arguments)


def data(n, data_shape):
    return np.random.default_rng(1).uniform(size=(n, *data_shape)).astype("float32")


@pytest.fixture(scope="module")
def images():
    return data(40, (6, 5, 1))


@pytest.fixture(scope="module")
def image_vae():
    return make_vae((6, 5, 1), inactive=(1,))


def pictures(figure):
    """The values of each image; grey ones without the axis of their one channel."""
    (axes,) = figure.axes
    return np.array([image.get_array() for image in axes.images])


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def legend_entries(figure):
    (legend,) = figure.findobj(matplotlib.legend.Legend)
    return [text.get_text() for text in legend.get_texts()]


# --- Files ------------------------------------------------------------------------


def test_save_writes_a_whole_png(tmp_path):
    path = tmp_path / "figures" / "curves.png"
    figure = plots.training_curves({"elbo": [-3.0, -2.0]})
    assert plots.save(figure, path) == path
    with Image.open(path) as image:
        image.verify()
        assert image.format == "PNG"
        assert image.width == round(figure.get_figwidth() * 150)
    assert [p.name for p in path.parent.iterdir()] == ["curves.png"]


def test_save_leaves_what_was_there_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    path.write_text("before")

    def breaks_off(self, name, **arguments):
        with open(name, "w") as file:
            file.write("half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        plots.save(Figure(), path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_neither_a_display_nor_pyplot_is_used_and_no_setting_changed(tmp_path):
    """In a process of its own: no DISPLAY, a backend that needs one."""
    script = f"""
import matplotlib
matplotlib.use("TkAgg", force=False)
settings = dict(matplotlib.rcParams)
from keras_vae import plots
plots.save(plots.training_curves({{"elbo": [-3.0, -2.0]}}), {str(tmp_path / "a.png")!r})
import matplotlib.pyplot as plt
assert plt.get_fignums() == []
assert dict(matplotlib.rcParams) == settings
"""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DISPLAY", "MPLBACKEND")
    }
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert (tmp_path / "a.png").stat().st_size > 1000


# --- Training curves --------------------------------------------------------------

HISTORY = {
    "loss": [9.0, 8.0, 7.0],
    "elbo": [-9.0, -8.0, -7.0],
    "val_elbo": [-9.5, -8.5, -8.0],
    "reconstruction_loss": [8.0, 6.5, 5.0],
    "val_reconstruction_loss": [8.5, 7.0, 6.0],
    "kl_loss": [1.0, 1.5, 2.0],
    "val_kl_loss": [1.0, 1.5, 2.0],
}


def test_the_curves_are_the_history():
    figure = plots.training_curves(HISTORY)
    assert len(figure.axes) == 3
    names = ["elbo", "reconstruction_loss", "kl_loss"]
    for axes, name in zip(figure.axes, names, strict=True):
        drawn = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        assert drawn == {
            label: [[1, a], [2, b], [3, c]]
            for label, (a, b, c) in (
                ("training", HISTORY[name]),
                ("validation", HISTORY[f"val_{name}"]),
            )
        }
        assert axes.get_xlabel() == "epoch"
        assert axes.get_ylabel() == "nats per example"
        assert sorted(t.get_text() for t in axes.texts) == ["training", "validation"]
        train, validation = axes.lines
        assert train.get_color() != validation.get_color()
        for text in axes.texts:  # in the colour of its line
            (line,) = [v for v in axes.lines if v.get_label() == text.get_text()]
            assert text.get_color() == line.get_color()
    assert "ELBO" in figure.axes[0].get_title()


def test_a_keras_history_and_one_without_validation():
    vae = make_vae((4,))
    vae.compile("adam")
    history = vae.fit(data(8, (4,)), epochs=2, verbose=0)
    figure = plots.training_curves(history)
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), history.history["elbo"])


def test_one_epoch_is_a_point_that_is_seen():
    (axes,) = plots.training_curves({"elbo": [-3.0]}).axes
    assert axes.lines[0].get_marker() == "o"
    assert axes.get_xlim() == (0, 2)


def test_a_history_that_ends_in_nan_is_labelled_where_it_was_finite(tmp_path):
    figure = plots.training_curves(
        {"elbo": [-3.0, -2.0, np.nan], "val_elbo": [np.nan] * 3}
    )
    (label,) = figure.axes[0].texts
    assert tuple(label.xy) == (2, -2.0)
    plots.save(figure, tmp_path / "a.png")


def test_a_history_without_an_elbo():
    with pytest.raises(ValueError, match=r"'elbo'.* Received: \['accuracy', 'loss'\]"):
        plots.training_curves({"loss": [1.0], "accuracy": [0.5]})


# --- Reconstructions --------------------------------------------------------------


def test_reconstructions_are_below_their_originals(image_vae, images):
    figure = plots.reconstructions(image_vae, images, num_examples=7)
    drawn = pictures(figure)
    expected = np.concatenate([images[:7], image_vae.reconstruct(images[:7])])
    np.testing.assert_array_equal(drawn, expected[..., 0])
    extents = np.array([image.get_extent() for image in figure.axes[0].images])
    left, right, bottom, top = extents.T
    assert np.all(left[:7] == left[7:])  # a column for each example
    assert np.all(np.diff(left[:7]) > 1)
    assert np.all(bottom[:7] < top[7:])  # y grows downwards
    np.testing.assert_allclose((bottom - top) / (right - left), 6 / 5)
    labels = figure.axes[0].get_yticklabels()
    assert [v.get_text() for v in labels] == ["original", "reconstruction"]
    assert figure.axes[0].yaxis_inverted()


def test_grey_is_from_black_to_white_between_0_and_1(image_vae, images):
    figure = plots.reconstructions(image_vae, images * 0.5)
    assert len(figure.axes[0].images) == 20
    for image in figure.axes[0].images:
        assert image.get_clim() == (0.0, 1.0)
        assert image.get_cmap().name == "gray"


def test_values_that_are_no_intensities_get_a_range_of_their_own():
    vae = make_vae((4, 4, 1), likelihood="gaussian")
    x = 100 * data(3, (4, 4, 1)) - 50
    figure = plots.reconstructions(vae, x)
    drawn = np.concatenate([x, vae.reconstruct(x)])
    for image in figure.axes[0].images:
        assert image.get_clim() == pytest.approx((drawn.min(), drawn.max()))


def test_images_without_an_axis_of_channels():
    vae, x = make_vae((6, 5)), data(2, (6, 5))
    drawn = pictures(plots.reconstructions(vae, x))
    np.testing.assert_array_equal(drawn, np.concatenate([x, vae.reconstruct(x)]))


def test_colours_are_shown_as_they_are_and_cut_where_there_are_none():
    vae, x = make_vae((6, 5, 3)), data(2, (6, 5, 3))
    x[0, 0, 0] = [1.25, -0.25, 0.5]
    drawn = pictures(plots.reconstructions(vae, x))
    expected = np.concatenate([x, vae.reconstruct(x)])
    np.testing.assert_array_equal(drawn, np.clip(expected, 0.0, 1.0))
    assert drawn[0, 0, 0].tolist() == [1.0, 0.0, 0.5]


def test_nothing_that_is_written_is_cut_off(image_vae, images):
    for figure in (
        plots.reconstructions(image_vae, images[:1]),
        plots.traversals(image_vae, images),
    ):
        box = figure.axes[0].get_tightbbox(figure.canvas.get_renderer())
        width, height = figure.canvas.get_width_height()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


@pytest.fixture(scope="module")
def table_vae():
    standardize = keras_vae.layers.Standardize([10.0, 0.0, -5.0], [2.0, 0.1, 1.0])
    return make_vae((3,), likelihood="gaussian", standardize=standardize)


@pytest.fixture(scope="module")
def table():
    return (data(30, (3,)) * [4.0, 0.2, 2.0] + [8.0, -0.1, -6.0]).astype("float32")


def test_few_features_are_drawn_one_a_panel_in_their_own_units(table_vae, table):
    names = ["height", "width", "a name that is much too long for an axis"]
    figure = plots.reconstructions(table_vae, table, feature_names=names)
    reconstruction = table_vae.reconstruct(table)
    assert len(figure.axes) == 3
    for j, axes in enumerate(figure.axes):
        (points,) = axes.collections
        expected = np.stack([table[:, j], reconstruction[:, j]], axis=1)
        np.testing.assert_allclose(points.get_offsets(), expected)
        (diagonal,) = axes.lines
        np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("original", "reconstruction")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == names[:2]
    assert titles[2] == "a name that is much…"


def test_many_features_are_drawn_over_their_number():
    standardize = keras_vae.layers.Standardize([1.0] * 30, [2.0] * 30)
    vae = make_vae((30,), likelihood="gaussian", standardize=standardize)
    x = data(9, (30,))
    figure = plots.reconstructions(vae, x)
    assert len(figure.axes) == 6
    for i, axes in enumerate(figure.axes):
        original, reconstruction = axes.lines
        np.testing.assert_allclose(original.get_ydata(), (x[i] - 1) / 2, rtol=1e-6)
        np.testing.assert_allclose(
            reconstruction.get_ydata(), (vae.reconstruct(x)[i] - 1) / 2, rtol=1e-4
        )
        assert axes.get_ylabel() == "standardised\nvalue"
    assert legend_entries(figure) == ["original", "reconstruction"]


def test_names_that_are_not_as_many_as_features(table_vae, table):
    with pytest.raises(
        ValueError, match="`feature_names` should be 3 names. Received: 2"
    ):
        plots.reconstructions(table_vae, table, feature_names=["a", "b"])


# --- Samples ----------------------------------------------------------------------


def test_samples_are_those_of_the_model(image_vae):
    drawn = pictures(plots.samples(image_vae, num_samples=7, seed=5))
    np.testing.assert_array_equal(drawn, image_vae.sample(7, seed=5)[..., 0])


def test_samples_fill_a_square(image_vae):
    (axes,) = plots.samples(image_vae, num_samples=9).axes
    left, _, _, top = np.array([image.get_extent() for image in axes.images]).T
    assert len(set(left)) == len(set(top)) == 3


def test_samples_of_features_lie_on_the_band_of_the_data(table_vae, table):
    figure = plots.samples(table_vae, num_samples=11, x=table, feature_names="abc")
    (axes,) = figure.axes
    units = (table_vae.sample(11, seed=0) - [10.0, 0.0, -5.0]) / [2.0, 0.1, 1.0]
    drawn = [line.get_ydata() for line in axes.lines]
    np.testing.assert_allclose(drawn, units, rtol=1e-4, atol=1e-5)
    (band,) = axes.collections
    x = (table - [10.0, 0.0, -5.0]) / [2.0, 0.1, 1.0]
    y = band.get_paths()[0].vertices[:, 1]
    assert y.min() == pytest.approx(np.quantile(x, 0.05, axis=0).min(), rel=1e-5)
    assert y.max() == pytest.approx(np.quantile(x, 0.95, axis=0).max(), rel=1e-5)
    assert legend_entries(figure) == ["90 % of the data", "samples"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["a", "b", "c"]
    assert len(plots.samples(table_vae, num_samples=2).axes[0].collections) == 0


# --- Latent space -----------------------------------------------------------------


@pytest.fixture(scope="module")
def plane_vae():
    return make_vae((4,), latent_dim=2)


@pytest.fixture(scope="module")
def x():
    return data(60, (4,))


def offsets(collections):
    return np.concatenate([c.get_offsets() for c in collections])


def test_two_dimensions_are_drawn_as_they_are(plane_vae, x):
    figure = plots.latent_space(plane_vae, x)
    (axes,) = figure.axes
    (points,) = axes.collections
    np.testing.assert_allclose(points.get_offsets(), plane_vae.encode(x)[0])
    assert axes.get_xlabel() == "z[0], mean of the posterior"
    assert axes.get_ylabel() == "z[1], mean of the posterior"
    assert not figure.findobj(matplotlib.legend.Legend)


def test_more_dimensions_are_drawn_by_their_principal_components(x):
    vae = make_vae((4,), latent_dim=5)
    (axes,) = plots.latent_space(vae, x).axes
    pca = PCA().fit(vae.encode(x)[0])
    (points,) = axes.collections
    expected = pca.transform(vae.encode(x)[0])[:, :2]
    np.testing.assert_allclose(
        np.abs(points.get_offsets()), np.abs(expected), atol=1e-4
    )
    share = 100 * pca.explained_variance_ratio_
    assert (
        axes.get_xlabel() == f"principal component 1 ({share[0]:.0f} % of the variance)"
    )
    assert (
        axes.get_ylabel() == f"principal component 2 ({share[1]:.0f} % of the variance)"
    )


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.arange(60) % 3, ["0", "1", "2"]),
        (np.arange(60) % 2 == 0, ["False", "True"]),
        (np.array(["9", "10", "a"])[np.arange(60) % 3], ["9", "10", "a"]),
        (np.arange(60) % 12, [str(i) for i in range(12)]),
    ],
)
def test_each_class_has_its_points_its_look_and_its_entry(plane_vae, x, labels, names):
    figure = plots.latent_space(plane_vae, x, labels)
    assert legend_entries(figure) == names
    z_mean, looks = plane_vae.encode(x)[0], set()
    for name, points in zip(names, figure.axes[0].collections, strict=True):
        assert points.get_label() == name
        np.testing.assert_allclose(
            points.get_offsets(), z_mean[[str(label) == name for label in labels]]
        )
        marker = points.get_paths()[0].vertices.tobytes()
        looks.add((to_hex(points.get_facecolor()[0]), marker))
    assert len(looks) == len(names)


def test_numbers_get_a_colour_bar(plane_vae, x):
    for labels in (x[:, 0], np.arange(60)):
        figure = plots.latent_space(plane_vae, x, labels)
        axes, bar = figure.axes
        (points,) = axes.collections
        np.testing.assert_allclose(points.get_array(), labels)
        assert bar.get_ylabel() == "label"
        assert not figure.findobj(matplotlib.legend.Legend)


def test_too_many_names_are_put_together(plane_vae):
    x = data(100, (4,))
    labels = np.array([f"class {i}" for i in [*range(40), *[3] * 30, *[39] * 30]])
    entries = legend_entries(plots.latent_space(plane_vae, x, labels))
    assert len(entries) == 20
    assert entries[-1] == "21 others"
    assert {"class 3", "class 39"} <= set(entries)
    drawn = offsets(plots.latent_space(plane_vae, x, labels).axes[0].collections)
    assert len(drawn) == 100


def test_names_are_written_among_the_points_where_they_do_not_collide(plane_vae, x):
    z = plane_vae.encode(x)[0]
    # Two classes lie apart, and two more are in one place.
    labels = np.where(z[:, 0] > np.median(z[:, 0]), "high", "low")
    many = np.concatenate([x, np.repeat(x[:1], 40, axis=0)])
    same = np.array(["here", "there"])[np.arange(40) % 2]
    figure = plots.latent_space(plane_vae, many, np.concatenate([labels, same]))
    places = {t.get_text(): t.get_position() for t in figure.axes[0].texts}
    assert sorted(places) == ["high", "low"]
    for name in places:
        np.testing.assert_allclose(places[name], np.median(z[labels == name], axis=0))
    assert legend_entries(figure) == ["here", "high", "low", "there"]
    one = plots.latent_space(plane_vae, x, np.zeros(60, int))
    assert not one.axes[0].texts
    assert legend_entries(one) == ["0"]


def test_one_dimension_is_a_histogram_or_a_row_for_each_class(x):
    vae = make_vae((4,), latent_dim=1)
    z = vae.encode(x)[0][:, 0]
    (axes,) = plots.latent_space(vae, x).axes
    assert sum(bar.get_height() for bar in axes.patches) == 60
    assert axes.get_ylabel() == "examples"
    labels = np.where(z > np.median(z), "a", "b")
    (axes,) = plots.latent_space(vae, x, labels).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    for i, name in enumerate("ab"):
        drawn = axes.collections[i].get_offsets()
        np.testing.assert_allclose(drawn[:, 0], z[labels == name])
        assert np.all(np.abs(drawn[:, 1] - i) < 0.5)
    (axes,) = plots.latent_space(vae, x, x[:, 1]).axes
    expected = np.stack([z, x[:, 1]], axis=1)
    np.testing.assert_allclose(axes.collections[0].get_offsets(), expected)


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
def test_a_collapsed_posterior_looks_collapsed(x, latent_dim):
    """One place on an axis two wide, not noise that fills the figure."""
    vae = make_vae((4,), latent_dim, inactive=range(latent_dim))
    for data_, labels in ((x, np.arange(60) % 2), (x[:1], np.array([0]))):
        (axes,) = plots.latent_space(vae, data_, labels).axes
        low, high = axes.get_xlim()
        drawn = offsets(axes.collections)[:, 0]
        assert high - low > 1.999
        assert low < drawn.min()
        assert drawn.max() < high
        assert np.ptp(drawn) < 1e-6


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_examples_of_many_dimensions(n):
    vae = make_vae((4,), latent_dim=5)
    (axes,) = plots.latent_space(vae, data(n, (4,))).axes
    assert len(offsets(axes.collections)) == n


@pytest.mark.parametrize("labels", [[0, 1], np.zeros((60, 1))])
def test_labels_that_do_not_fit(plane_vae, x, labels):
    with pytest.raises(ValueError, match=r"`labels` should have shape \(60,\)"):
        plots.latent_space(plane_vae, x, labels)


# --- Traversals -------------------------------------------------------------------


def test_traversals_are_decodings_along_the_active_dimensions(image_vae, images):
    figure = plots.traversals(image_vae, images, num_steps=5)
    z_mean = image_vae.encode(images)[0]
    active = np.flatnonzero(active_units(z_mean))
    assert active.tolist() == [0, 2]
    order = sorted(active, key=lambda j: -z_mean[:, j].var())
    z = np.zeros((2, 5, 3), "float32")
    for row, j in enumerate(order):
        z[row, :, j] = [-3.0, -1.5, 0.0, 1.5, 3.0]
    expected = image_vae.decode(z.reshape(10, 3))
    np.testing.assert_allclose(pictures(figure), expected[..., 0], atol=1e-6)
    (axes,) = figure.axes
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == [f"z[{j}], variance {z_mean[:, j].var():.2f}" for j in order]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns == ["−3", "−1.5", "0", "1.5", "3"]
    assert axes.get_title() == "Traversals of active latent dimensions (2 of 2)"


def test_traversals_around_an_example(image_vae, images):
    drawn = pictures(plots.traversals(image_vae, images, images[3], num_steps=3))
    z_mean = image_vae.encode(images)[0]
    first = np.argmax(z_mean.var(axis=0))
    z = np.repeat(z_mean[3:4], 3, axis=0)
    z[:, first] = [-3.0, 0.0, 3.0]
    np.testing.assert_allclose(drawn[:3], image_vae.decode(z)[..., 0], atol=1e-6)


def test_no_more_rows_than_asked_for(images):
    vae = make_vae((6, 5, 1), latent_dim=6)
    figure = plots.traversals(vae, images, num_steps=3, max_dimensions=4)
    assert len(pictures(figure)) == 12
    assert "(4 of 6)" in figure.axes[0].get_title()


def test_without_an_active_dimension_the_figure_says_so(images, tmp_path):
    vae = make_vae((6, 5, 1), inactive=range(3))
    figure = plots.traversals(vae, images)
    assert any("the posterior has collapsed" in text for text in texts(figure))
    assert plots.save(figure, tmp_path / "a.png").stat().st_size > 1000


def test_one_example_does_not_tell_which_are_active(image_vae, images):
    figure = plots.traversals(image_vae, images[:1], num_steps=3)
    assert len(pictures(figure)) == 9
    assert "active" not in figure.axes[0].get_title()


def test_traversals_of_features_are_coloured_by_the_value(table_vae, table):
    figure = plots.traversals(table_vae, table, num_steps=3, feature_names="abc")
    z_mean = table_vae.encode(table)[0]
    order = [j for j in np.argsort(-z_mean.var(axis=0)) if active_units(z_mean)[j]]
    *panels, bar = figure.axes
    assert bar.get_ylabel() == "value of the latent dimension"
    for axes, j in zip(panels, order, strict=True):
        z = np.zeros((3, 3), "float32")
        z[:, j] = [-3.0, 0.0, 3.0]
        units = (table_vae.decode(z) - [10.0, 0.0, -5.0]) / [2.0, 0.1, 1.0]
        drawn = [line.get_ydata() for line in axes.lines]
        np.testing.assert_allclose(drawn, units, rtol=1e-4, atol=1e-4)
        assert axes.get_title().startswith(f"z[{j}]")
        assert len({to_hex(line.get_color()) for line in axes.lines}) == 3
    assert panels[-1].get_xlabel() == "feature"


# --- All of them ------------------------------------------------------------------


@pytest.mark.parametrize("data_shape", [(4, 4, 1), (4, 4, 3), (4, 4), (3,), (24,)])
@pytest.mark.parametrize("n", [1, 30])
def test_every_kind_of_data_makes_figures_with_titles(data_shape, n, tmp_path):
    vae, x = make_vae(data_shape, likelihood="gaussian"), data(n, data_shape)
    figures = {
        "reconstructions": plots.reconstructions(vae, x),
        "samples": plots.samples(vae, num_samples=4, x=x),
        "latent_space": plots.latent_space(vae, x, np.arange(n) % 3),
        "traversals": plots.traversals(vae, x),
    }
    for name, figure in figures.items():
        assert isinstance(figure, Figure)
        assert figure.get_suptitle() or figure.axes[0].get_title()
        assert plots.save(figure, tmp_path / f"{name}.png").stat().st_size > 1000
