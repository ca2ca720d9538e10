"""Every name of the settings builds a model, and what does not go together is told."""

import inspect

import numpy as np
import pytest

import keras_vae
from keras_vae import datasets, distributions, priors, runs
from keras_vae.runs import members, settings
from keras_vae.runs.build import build

SMALL = {"dataset": "digits", "latent_dim": 2, "hidden_units": [8], "batch_size": 64}


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def built(digits, **given):
    config = settings.defaults() | SMALL | {"likelihood": "bernoulli"} | given
    if config["model"] == "vqvae":
        config["hidden_units"] = None
    settings.check_together(config)
    return build(config, digits)


@pytest.mark.parametrize("name", settings.MODELS)
def test_each_name_is_a_model_that_trains(digits, name):
    vae = built(digits, model=name)
    assert type(vae) is members.CLASSES[name]
    arguments = {"condition": True} if name == "conditional_vae" else {}
    batches = digits.train.batches(64, **arguments)
    history = vae.fit(batches, epochs=2, verbose=0).history["reconstruction_loss"]
    assert history[1] < history[0]


def test_settings_reach_the_arguments(digits):
    assert built(digits, model="iwae").num_samples == 5
    iwae = built(digits, model="iwae", num_samples=2, gradient="doubly_reparameterized")
    assert iwae.num_samples == 2 and iwae.gradient == "doubly_reparameterized"
    for name, argument in members.PENALTIES.items():
        vae = built(digits, model=name, penalty=7.0)
        value = getattr(vae, argument)
        assert float(value(0) if callable(value) else value) == 7.0
    vae = built(digits, model="beta_tcvae")
    assert vae.dataset_size == digits.train.num_examples


@pytest.mark.parametrize(
    ("prior", "cls"),
    [
        ("mixture", priors.MixturePrior),
        ("vamp", priors.VampPrior),
        ("flow", priors.FlowPrior),
    ],
)
def test_each_prior_with_each_posterior(digits, prior, cls):
    posteriors = {"normal": distributions.Normal}
    if prior != "vamp":
        posteriors["iaf"] = distributions.Transformed
    for name, posterior in posteriors.items():
        vae = built(digits, prior=prior, posterior=name)
        assert type(vae.prior) is cls
        x = digits.test.x[:2]
        assert type(vae.posterior(vae.prepare(x))) is posterior
    if prior != "flow":
        vae = built(digits, prior=prior, num_components=3)
        assert vae.prior.num_components == 3


def test_pseudo_inputs_begin_as_examples(digits):
    prior = built(digits, prior="vamp", num_components=5, binarize="threshold").prior
    rows = np.reshape(prior.pseudo_inputs(), (5, -1))
    x = np.reshape(digits.train.x > 0.5, (-1, rows.shape[1]))
    distance = np.abs(rows[:, None] - x).mean(axis=2).min(axis=1)
    # Noise of 0.05 around 0 and 1, cut off at both: its mean absolute value is less.
    assert np.all(distance < 0.05)


def test_levels_and_codes(digits):
    vae = built(digits, model="hierarchical_vae", latent_dims=[2, 3, 5])
    assert vae.top_down.latent_shapes == [(2,), (3,), (5,)]
    vae = built(digits, model="hierarchical_vae", network="convolutional")
    assert vae.top_down.latent_shapes[0] == (2,)
    assert len(vae.top_down.latent_shapes[-1]) == 3
    vae = built(digits, model="vqvae", num_codes=7)
    assert vae.quantizer.num_codes == 7 and vae.latent_shape[-1] == 2
    for given, message in (
        (
            {"model": "hierarchical_vae", "network": "convolutional"},
            "`latent_dims` belongs",
        ),
        ({"model": "vae"}, "`latent_dims` belongs to the model hierarchical_vae"),
    ):
        with pytest.raises(ValueError, match=message):
            built(digits, latent_dims=[2, 3], **given)
    for given, message in (
        ({"model": "vqvae", "hidden_units": [3]}, "`hidden_units` does not go with"),
        ({"model": "vqvae", "network": "residual"}, "`network` of a vqvae has resid"),
        ({"model": "info_vae", "penalty": 0.2}, "`penalty` of an info_vae .* 0.5 or"),
        ({"model": "info_vae", "penalty": 0.0}, "`penalty` of an info_vae .* 0.5 or"),
    ):
        with pytest.raises(ValueError, match=message):
            settings.check_together(given)


def test_what_a_model_refuses_is_told_before_it_is_built():
    for name in settings.MODELS:
        unused = set(members.CLASSES[name].UNUSED)
        refused = settings.REFUSED.get(name, {})
        told = {s for names in refused.values() for s in names}
        arguments = {
            {"posterior": "flow", "beta_schedule": "beta"}.get(s, s) for s in told
        }
        assert unused <= arguments, name
        for setting in told:
            value = {"prior": "flow", "posterior": "iaf", "beta_schedule": "linear"}
            value = value.get(setting, 3)
            with pytest.raises(
                ValueError, match=f"`{setting}` does not go with.*{name}"
            ):
                settings.check_together({"model": name, setting: value})


def test_a_setting_that_belongs_elsewhere_is_refused():
    for given, message in (
        ({"num_components": 3}, "`num_components` belongs to the priors mixture and"),
        ({"penalty": 3.0}, "`penalty` belongs to the models beta_tcvae"),
        ({"gradient": "reparameterized"}, "`gradient` belongs to the model iwae"),
        ({"model": "iwae", "penalty": 3.0}, "Received: 3.0 with iwae"),
    ):
        with pytest.raises(ValueError, match=message):
            settings.check_together(given)


def test_a_condition_needs_labels(tmp_path):
    table = tmp_path / "t.csv"
    np.savetxt(table, np.random.default_rng(0).normal(size=(50, 3)), delimiter=",")
    with pytest.raises(ValueError, match="`model` conditional_vae takes the label"):
        runs.train(table, tmp_path / "run", model="conditional_vae", epochs=1)
    assert not (tmp_path / "run").exists()


def test_every_setting_of_the_model_reaches_its_class():
    """An argument of a class that no setting leads to was left out knowingly."""
    known = {*settings.SETTINGS, *members.PENALTIES.values()}
    known |= {"encoder", "decoder", "standardize", "flow", "kwargs"}  # made of settings
    known |= {"dataset_size", "num_classes"}  # known of the data
    by_python_alone = {"alpha", "gamma", "estimator", "kind", "lambda_diagonal"}
    by_python_alone |= {"kernel", "scales", "discriminator"}
    by_python_alone |= {"quantizer", "commitment"}
    for cls in {*members.CLASSES.values(), keras_vae.VAE}:
        names = set(inspect.signature(cls).parameters)
        assert names <= known | by_python_alone, cls


def test_every_measure_has_words():
    from keras_vae_cli import rows_of_metrics

    for cls in members.CLASSES.values():
        assert set(cls.MEASURES) <= set(rows_of_metrics.MEASURES), cls


BOUNDS = [
    {"val_elbo": -3.0, "val_iwae_bound": -1.0, "val_loss": 1.0},
    {"val_elbo": -2.0, "val_iwae_bound": -1.5, "val_loss": 0.5},
    {"val_elbo": -4.0, "val_iwae_bound": -2.0, "val_loss": 0.7},
]


@pytest.mark.parametrize(
    ("chosen_by", "rows", "best"),
    [
        (("val_elbo", 1), BOUNDS, 2),
        (("val_iwae_bound", 1), BOUNDS, 1),
        (("val_loss", 1), BOUNDS, 2),
        (("val_loss", 3), BOUNDS, 3),
        (("val_loss", 9), BOUNDS, 3),  # the schedules have not settled: the last
        (("val_elbo", 1), [{"val_elbo": -3.0}, {"val_elbo": float("nan")}], 1),
        (("val_elbo", 1), [{"loss": 1.0}, {"loss": 2.0}], 2),
        (("val_loss", 1), [{"val_loss": float("inf")}], None),
    ],
)
def test_the_best_epoch(tmp_path, chosen_by, rows, best):
    recorder = keras_vae.callbacks.RunRecorder(tmp_path, None, rows, *chosen_by)
    assert recorder.best_epoch == best


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("val_elbo", 1)),
        ({"beta_schedule": "linear", "warmup_epochs": 4}, ("val_elbo", 1)),
        ({"beta": 4.0}, ("val_loss", 1)),
        ({"beta": 4.0, "beta_schedule": "linear", "warmup_epochs": 4}, ("val_loss", 5)),
        ({"capacity": 9.0, "warmup_epochs": 2}, ("val_loss", 3)),
        ({"free_bits": 0.1}, ("val_loss", 1)),
        ({"model": "iwae"}, ("val_iwae_bound", 1)),
        ({"model": "beta_tcvae"}, ("val_loss", 1)),
        ({"model": "autoencoder"}, ("val_loss", 1)),
    ],
)
def test_a_model_is_chosen_by_what_it_was_trained_for(digits, given, expected):
    steps = digits.train.steps_per_epoch(SMALL["batch_size"])
    chosen_by = keras_vae.callbacks.criterion(built(digits, **given), steps)
    assert chosen_by == expected
