"""What holds for all figures."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_vae import plots
from keras_vae.plots.inputs import take
from tests.plots.parts import (
    conditional_data,
    data,
    make_conditional_vae,
    make_vae,
    pictures,
    texts,
)


@pytest.mark.parametrize(
    "data_shape", [(4, 4, 1), (4, 4, 3), (5, 5), (12, 2), (3,), (24,)]
)
@pytest.mark.parametrize("n", [1, 30])
def test_every_kind_of_data_makes_figures_with_titles(data_shape, n, tmp_path):
    vae, x = make_vae(data_shape, likelihood="gaussian"), data(n, data_shape)
    figures = {
        "reconstructions": plots.reconstructions(vae, x),
        "samples": plots.samples(vae, num_samples=4, x=x),
        "latent_space": plots.latent_space(vae, x, np.arange(n) % 3),
        "traversals": plots.traversals(vae, x),
        "interpolation": plots.interpolation(vae, x[:1], x[-1:]),
    }
    for name, figure in figures.items():
        assert isinstance(figure, Figure)
        assert figure.get_suptitle() or figure.axes[0].get_title()
        assert plots.save(figure, tmp_path / f"{name}.png").stat().st_size > 1000


def test_conditions_are_those_of_the_data_and_codes_may_be_maps():
    vae, inputs = make_conditional_vae(), conditional_data(3)
    codes, conditions = vae.codes(inputs), inputs["condition"]

    drawn = pictures(plots.reconstructions(vae, inputs))[3:]
    expected = vae.decode(codes, condition=conditions)
    np.testing.assert_allclose(drawn, expected[..., 0], atol=1e-6)

    drawn = pictures(plots.samples(vae, 5, seed=2, x=inputs))
    expected = vae.sample(5, seed=2, condition=conditions[[0, 1, 2, 0, 1]])
    np.testing.assert_allclose(drawn, expected[..., 0], atol=1e-6)

    figure = plots.traversals(vae, inputs, take(inputs, slice(1, 2)), num_steps=3)
    order = np.argsort(-codes.reshape(3, 4).var(axis=0))
    z = np.tile(codes[1:2].reshape(1, 4), (3, 1))
    z[:, order[0]] = [-3.0, 0.0, 3.0]
    expected = vae.decode(z.reshape(3, 2, 1, 2), condition=conditions[1])
    np.testing.assert_allclose(pictures(figure)[:3], expected[..., 0], atol=1e-5)
    place = np.unravel_index(order[0], (2, 1, 2))
    label = f"z[{place[0]}, {place[1]}, {place[2]}], variance"
    assert any(text.startswith(label) for text in texts(figure))

    a, b = take(inputs, slice(0, 1)), take(inputs, slice(1, 2))
    drawn = pictures(plots.interpolation(vae, a, b, num_steps=2))
    expected = vae.decode(codes[:2], condition=conditions[0])
    np.testing.assert_allclose(drawn[1:3], expected[..., 0], atol=1e-5)

    (points,) = plots.latent_space(vae, inputs).axes[0].collections
    assert len(points.get_offsets()) == 3


def test_conditions_that_are_missing():
    vae = make_conditional_vae()
    with pytest.raises(ValueError, match=r"dictionary with 'condition', .* ndarray"):
        plots.samples(vae, 2, x=conditional_data(2)["x"])
    with pytest.raises(ValueError, match="Received: NoneType"):
        plots.samples(vae, 2)


def test_draws_are_draws_of_the_likelihood(image_vae):
    """Of a Bernoulli they are black or white, and their mean is the mean."""
    drawn = pictures(plots.samples(image_vae, 16, seed=1, draws=True))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_array_equal(drawn, image_vae.sample(16, 1, draws=True)[..., 0])


def test_a_series_is_drawn_channel_after_channel():
    vae, x = make_vae((12, 2), likelihood="gaussian"), data(2, (12, 2))
    original, _ = plots.reconstructions(vae, x).axes[0].lines
    expected = np.concatenate([x[0, :, 0], x[0, :, 1]])
    np.testing.assert_array_equal(original.get_ydata(), expected)
