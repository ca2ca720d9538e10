"""Traversals."""

import numpy as np
from matplotlib.colors import to_hex

from keras_vae import plots
from keras_vae.evaluation import active_units
from tests.plots.parts import make_vae, pictures, texts


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
