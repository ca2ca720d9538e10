"""The sprites that are drawn here: what was asked for, where it was asked for."""

import numpy as np
import pytest
from scipy import ndimage

from keras_vae.datasets import SPRITE_FACTORS, draw_sprites, load, random_sprites

SIZES = [*SPRITE_FACTORS.values()]
UPRIGHT, LARGEST = 0, 5


def area(x):
    return x.sum(axis=(1, 2, 3))


def middle(x):
    """Centre of mass, in pixels from the left and from the top: `(n, 2)`."""
    places = np.arange(64) + 0.5
    weights = x[..., 0] / area(x)[:, None, None]
    return np.stack([(weights.sum(1) @ places), (weights.sum(2) @ places)], axis=1)


def angle(x):
    """Direction of the long axis against the x axis, radians modulo pi: `(n,)`."""
    places = np.arange(64) + 0.5
    right = places[None, None] - middle(x)[:, 0, None, None]
    down = places[None, :, None] - middle(x)[:, 1, None, None]
    moments = [
        (x[..., 0] * product).sum((1, 2))
        for product in (right * right, down * down, right * down)
    ]
    return 0.5 * np.arctan2(2 * moments[2], moments[0] - moments[1])


def test_all_values_of_all_factors_are_drawn_inside_the_picture():
    corners = [[0, v - 1] for v in SIZES[3:]]
    turned = np.stack(
        np.meshgrid([0, 1, 2], [LARGEST], range(40), *corners, indexing="ij"), -1
    )
    x = draw_sprites(turned.reshape(-1, 5))
    assert x.dtype == np.float32 and sorted(np.unique(x)) == [0, 1]
    assert not x[:, [0, -1]].any() and not x[:, :, [0, -1]].any()


def test_sizes_are_those_of_geometry():
    """Of a whole turn, which evens out what the pixels cut off."""
    heart = quad_area()
    for shape, at_scale_1 in enumerate((20.8**2, np.pi * 15 * 7.5, heart)):
        for scale in range(6):
            turned = [[shape, scale, k, 10.3, 20.6] for k in range(40)]
            expected = at_scale_1 * (0.5 + 0.1 * scale) ** 2
            assert area(draw_sprites(turned)).mean() == pytest.approx(
                expected, rel=0.02
            )


def quad_area():
    """Area of the heart (u^2 + v^2 - 1)^3 = u^2 v^3, from its outline in angles."""
    outline = np.linspace(0, 2 * np.pi, 4001)[:-1]
    cos, sin = np.cos(outline), np.sin(outline)
    low, high = np.zeros(4000), np.full(4000, 2.0)
    for _ in range(50):
        r = (low + high) / 2
        inside = (r**2 - 1) ** 3 <= r**5 * cos**2 * sin**3
        low, high = np.where(inside, r, low), np.where(inside, high, r)
    return 0.5 * np.mean(r**2) * 2 * np.pi * 10.5**2


@pytest.mark.parametrize("shape", [0, 1])
def test_the_middle_is_where_x_and_y_say(shape):
    factors = [[shape, LARGEST, 7, x, y] for x in range(0, 32, 5) for y in (0, 9, 31)]
    expected = 16 + 32 / 31 * np.array(factors)[:, 3:]
    # A quarter of the step from one place to the next.
    np.testing.assert_allclose(middle(draw_sprites(factors)), expected, atol=0.25)


def test_an_ellipse_turns_clockwise_and_by_a_fortieth():
    turned = np.array([[1, LARGEST, k, 15.5, 15.5] for k in range(40)])
    error = angle(draw_sprites(turned)) - 2 * np.pi * turned[:, 2] / 40
    error = (error + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(error).max() < 0.02


def test_a_heart_has_its_point_below_and_two_lobes_above():
    (heart,) = draw_sprites([[2, LARGEST, UPRIGHT, 15.5, 15.5]])[..., 0]
    rows = np.flatnonzero(heart.any(1))
    assert heart[rows[-1]].sum() <= 3  # the point
    lobes = ndimage.label(heart[rows[0] + 1])[1]
    assert lobes == 2
    assert np.array_equal(heart, heart[:, ::-1])  # about the middle of the picture
    (turned,) = draw_sprites([[2, LARGEST, 20, 15.5, 15.5]])[..., 0]
    assert np.abs(turned - heart[::-1]).mean() < 0.01


def test_between_the_values_there_are_others():
    x = draw_sprites([[1, 2.5, 3.5, 10.25, 4.75]])
    expected = 16 + 32 / 31 * np.array([10.25, 4.75])
    np.testing.assert_allclose(middle(x)[0], expected, atol=0.25)
    assert area(x)[0] == pytest.approx(np.pi * 15 * 7.5 * 0.75**2, rel=0.05)


def test_random_factors_are_uniform_independent_and_of_their_seed():
    x, factors = random_sprites(300, seed=3)
    assert factors.dtype == np.int64
    np.testing.assert_array_equal(draw_sprites(factors), x)
    again, other = random_sprites(300, seed=3), random_sprites(300, seed=4)
    np.testing.assert_array_equal(again[1], factors)
    assert not np.array_equal(other[1], factors)
    np.testing.assert_array_equal(random_sprites(20, seed=3)[1], factors[:20])


def test_the_data_set_is_what_random_sprites_gives():
    dataset = load("sprites")
    assert dataset.data_shape == (64, 64, 1) and dataset.levels == 2
    assert dataset.label_names == ("square", "ellipse", "heart")
    sizes = [s.num_examples for s in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [20_000, 2_000, 2_000]
    # The factors of all: cheap, since nothing is drawn.
    from keras_vae.datasets.sprites import random_factors

    factors = random_factors(24_000, 0)
    for k, size in enumerate(SIZES):
        counts = np.bincount(factors[:, k], minlength=size)
        chi_squared = ((counts - 24_000 / size) ** 2 / (24_000 / size)).sum()
        assert chi_squared < size - 1 + 5 * np.sqrt(2 * (size - 1))
    assert np.abs(np.corrcoef(factors.T) - np.eye(5)).max() < 5 / np.sqrt(24_000)
    for split, start in ((dataset.train, 0), (dataset.test, 22_000)):
        rows = slice(start, start + 30)
        assert np.array_equal(split.labels[:30], factors[rows, 0])
        first = next(split.batches(30).as_numpy_iterator())
        np.testing.assert_array_equal(first, draw_sprites(factors[rows]))
    assert "stored as uint8" in dataset.values_in_words


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([[0, 0, 0, 0]], r"shape \(n, 5\): shape, scale, .*Received: shape \(1, 4\)"),
        ([0, 0, 0, 0, 0], r"Received: shape \(5,\)"),
        (
            [[0, 0, 0, 0, 0], [3, 0, 0, 0, 0]],
            "shape, should be 0, 1 or 2.*3 in row 1",
        ),
        ([[0.5, 0, 0, 0, 0]], "shape, should be 0, 1 or 2"),
        ([[0, 5.5, 0, 0, 0]], "scale, should be from 0 to 5. Received: 5.5 in row 0"),
        ([[0, 0, 0, 0, -1]], "y, should be from 0 to 31"),
        ([[0, 0, float("nan"), 0, 0]], "orientation, should be from 0 to 39"),
    ],
)
def test_factors_that_cannot_be_drawn(factors, message):
    with pytest.raises(ValueError, match=message):
        draw_sprites(factors)
