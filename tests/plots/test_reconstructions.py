"""Reconstructions, as images and as values."""

import numpy as np
import pytest

import keras_vae
from keras_vae import plots
from keras_vae.plots.images import image_figure
from tests.plots.parts import data, legend_entries, make_vae, pictures


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
    images = data(2, (6, 5, 3))
    images[0, 0, 0] = [1.25, -0.25, 0.5]
    drawn = pictures(image_figure(images, 2, "title"))
    np.testing.assert_array_equal(drawn, np.clip(images, 0.0, 1.0))
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


def test_small_images_keep_the_edges_of_their_pixels():
    for size, interpolation in ((8, "nearest"), (400, "auto")):
        images = data(4, (size, size))
        (axes,) = image_figure(images, 4, "title").axes
        assert {i.get_interpolation() for i in axes.images} == {interpolation}


def test_what_came_of_the_examples_elsewhere_is_drawn(
    image_vae, images, table_vae, table
):
    figure = plots.reconstructions(image_vae, images, 4, reconstruction=1 - images)
    drawn = pictures(figure)
    np.testing.assert_allclose(drawn[:4], images[:4, ..., 0])
    np.testing.assert_allclose(drawn[4:], 1 - images[:4, ..., 0])
    figure = plots.reconstructions(table_vae, table, reconstruction=2 * table)
    for j, axes in enumerate(figure.axes):
        offsets = axes.collections[0].get_offsets()
        np.testing.assert_allclose(offsets[:, 1], 2 * table[:, j], rtol=1e-6)
    with pytest.raises(ValueError, match="`reconstruction` should have the shape"):
        plots.reconstructions(table_vae, table, reconstruction=table[:4])
