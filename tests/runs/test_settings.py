"""The table of settings: what is right, what is said of what is wrong."""

import inspect

import numpy as np
import pytest

import keras_vae
from keras_vae.runs import members, settings, train


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("latent_dim", "3", 3),
        ("beta", "0.5", 0.5),
        ("network", "Dense", "dense"),
        ("hidden_units", "200,100", [200, 100]),
        ("image_size", "28", [28, 28]),
        ("image_size", "28x32", [28, 32]),
        ("scale", "learned", "learned"),
        ("scale", "0.1", 0.1),
        ("seed", "4294967295", 2**32 - 1),
    ],
)
def test_a_value_is_the_same_as_text_and_in_python(name, text, value):
    kind = settings.SETTINGS[name].kind
    assert kind.parse(text) == value == settings.check({name: value})[name]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("latent_dim", 0, "a whole number, 1 or more"),
        ("latent_dim", 2.5, "a whole number"),
        ("latent_dim", True, "a whole number"),
        ("seed", -1, "from 0 to 4294967295"),
        ("seed", 2**32, "from 0 to 4294967295"),
        ("learning_rate", float("nan"), "a number, above 0 and finite"),
        ("learning_rate", float("inf"), "finite"),
        ("learning_rate", 0, "above 0"),
        ("beta", float("nan"), "0 or more and finite"),
        ("free_bits", "x", "a number"),
        ("validation_fraction", 1.0, "below 1"),
        ("exports", "x", "one of 'all', 'saved_models', 'none'"),
        ("likelihood", "bernouli", "Did you mean 'bernoulli'"),
        ("network", "conv", "'convolutional'"),
        ("hidden_units", [8, 0], "sizes of layers"),
        ("hidden_units", 8, "sizes of layers"),
        ("image_size", (8, 8, 8), "28x32"),
        ("scale", -1.0, "a positive number or one of 'learned'"),
        ("dataset", "", "a name or a path"),
        ("tensorboard", 1, "True or False"),
    ],
)
def test_what_is_wrong_is_named(name, value, words):
    with pytest.raises(ValueError, match="should be") as error:
        settings.check({name: value})
    assert f"`{name}`" in str(error.value) and words in str(error.value)
    assert repr(value) in str(error.value)


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(TypeError, match="'latend_dim'. Did you mean 'latent_dim'"):
        train("digits", "run", latend_dim=3)


def test_values_are_such_as_json_holds():
    given = {"latent_dim": np.int64(3), "beta": np.float32(0.5), "capacity": None}
    checked = settings.check(given)
    assert checked == {"latent_dim": 3, "beta": 0.5}
    assert [type(value) for value in checked.values()] == [int, float]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"likelihood": "poisson", "scale": 0.1}, "`scale` belongs to.*gaussian"),
        ({"likelihood": "gaussian", "binarize": "dynamic"}, "`binarize` belongs to"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "to train with"),
    ],
)
def test_settings_that_do_not_go_together(given, words):
    with pytest.raises(ValueError, match=words):
        settings.check_together(given)
    settings.check_together({**given, "likelihood": None, "test_fraction": 0.1})


def test_defaults_are_right_values():
    for name, setting in settings.SETTINGS.items():
        if setting.default is not None:
            assert settings.check({name: setting.default}) == {name: setting.default}
    together = settings.defaults()
    settings.check_together(together)


def test_the_names_are_those_of_the_package():
    """The table imports nothing, so that its names are written down in it."""
    # Other networks belong to one model each, which says so by its name.
    assert set(settings.NETWORKS) < set(keras_vae.networks.__all__)
    for name in settings.NETWORKS:
        assert keras_vae.networks.get(name).__name__ == name
    classes = [
        value
        for value in vars(keras_vae.likelihoods).values()
        if inspect.isclass(value) and hasattr(value, "identifier")
    ]
    names = {cls.identifier for cls in classes if isinstance(cls.identifier, str)}
    assert set(settings.LIKELIHOODS) == names
    assert set(settings.MODELS) == set(members.CLASSES)


def test_train_shows_all_settings_as_its_arguments():
    parameters = inspect.signature(train).parameters
    assert settings.SETTINGS.keys() <= parameters.keys()
    assert parameters["latent_dim"].default == 16
    assert "latent_dim: Number of latent dimensions." in train.__doc__
