"""The latent space."""

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.decomposition import PCA

from keras_vae import plots
from tests.plots.parts import data, legend_entries, make_vae


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
