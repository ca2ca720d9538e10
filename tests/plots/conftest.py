"""The models that several figures are drawn of."""

import pytest

import keras_vae
from tests.plots.parts import data, make_vae


@pytest.fixture(scope="package")
def images():
    return data(40, (6, 5, 1))


@pytest.fixture(scope="package")
def image_vae():
    return make_vae((6, 5, 1), inactive=(1,))


@pytest.fixture(scope="package")
def table_vae():
    standardize = keras_vae.layers.Standardize([10.0, 0.0, -5.0], [2.0, 0.1, 1.0])
    return make_vae((3,), likelihood="gaussian", standardize=standardize)


@pytest.fixture(scope="package")
def table():
    return (data(30, (3,)) * [4.0, 0.2, 2.0] + [8.0, -0.1, -6.0]).astype("float32")
