"""The laws that hold for all likelihoods: a new one is a row of `ROWS`."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_vae import likelihoods, noise
from keras_vae.likelihoods import base
from tests.contracts import check_likelihood

DATA_SHAPE = (3, 2)
BATCH = 64


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class StudentT(likelihoods.LocationScale):
    """A family that is not the package's: its density, and how it is drawn."""

    identifier = "student_t"

    def __init__(self, df=5.0, **kwargs):
        super().__init__(**kwargs)
        self.df = df

    def get_config(self):
        return {**super().get_config(), "df": self.df}

    def _standard_log_prob(self, residual):
        normalizer = scipy.special.betaln(0.5, self.df / 2) + np.log(self.df) / 2
        kernel = tf.math.log1p(tf.square(residual) / self.df)
        return -(self.df + 1) / 2 * kernel - normalizer

    def _standard_sample(self, seed, like):
        # Bailey, "Polar generation of random variates with the t-distribution" (1994).
        u, v = tf.unstack(base.noise_like(noise.uniform, seed, like, num_draws=2))
        radius = tf.sqrt(self.df * (u ** (-2 / self.df) - 1))
        return radius * tf.cos(2 * np.pi * v)


_rng = np.random.default_rng(0)
_real = _rng.normal(size=(BATCH, *DATA_SHAPE))
_unit = _rng.uniform(size=(BATCH, *DATA_SHAPE))
_colours = _rng.uniform(size=(BATCH, 2, 3))
_one_hot = np.eye(2)[_rng.integers(2, size=(BATCH, 3))]

# How to make it, and data it can produce.
ROWS = {
    "bernoulli": (likelihoods.Bernoulli, np.round(_unit)),
    "continuous_bernoulli": (likelihoods.ContinuousBernoulli, _unit),
    "gaussian": (likelihoods.Gaussian, _real),
    "gaussian_array": (
        lambda: likelihoods.Gaussian(scale=[[0.5, 2.0], [1.0, 1.0], [3.0, 0.1]]),
        _real,
    ),
    "gaussian_learned": (lambda: likelihoods.Gaussian(scale="learned"), _real),
    "gaussian_learned_per_output": (
        lambda: likelihoods.Gaussian(scale="learned_per_output", min_scale=0.01),
        _real,
    ),
    "gaussian_optimal": (lambda: likelihoods.Gaussian(scale="optimal"), _real),
    "laplace": (lambda: likelihoods.Laplace(scale=0.5, name="noise"), _real),
    "laplace_learned": (lambda: likelihoods.Laplace(scale="learned"), _real),
    "laplace_learned_per_output": (
        lambda: likelihoods.Laplace(scale="learned_per_output"),
        _real,
    ),
    "laplace_optimal": (lambda: likelihoods.Laplace(scale="optimal"), _real),
    "student_t": (lambda: StudentT(scale=0.5), _real),
    "student_t_learned": (lambda: StudentT(df=3.5, scale="learned"), _real),
    "student_t_learned_per_output": (
        lambda: StudentT(scale="learned_per_output"),
        _real,
    ),
    "categorical": (likelihoods.Categorical, _one_hot),
    "discretized_logistic": (
        likelihoods.DiscretizedLogistic,
        np.round(255 * _unit) / 255,
    ),
    "discretized_logistic_of_4_bits": (
        lambda: likelihoods.DiscretizedLogistic(levels=16),
        np.round(15 * _unit) / 15,
    ),
    "discretized_logistic_mixture": (
        lambda: likelihoods.DiscretizedLogisticMixture(num_components=4),
        np.round(255 * _unit) / 255,
    ),
    "discretized_logistic_mixture_of_colours": (
        lambda: likelihoods.DiscretizedLogisticMixture(num_components=3, levels=16),
        np.round(15 * _colours) / 15,
    ),
    "poisson": (likelihoods.Poisson, np.floor(20 * _unit**2)),
}


@pytest.fixture(params=ROWS)
def row(request):
    """A likelihood, its weights somewhere, with data and parameters."""
    make, x = ROWS[request.param]
    likelihood = make()
    x = x.astype("float32")
    shape = likelihood.parameter_shape(x.shape[1:])
    parameters = np.random.default_rng(1).normal(size=(BATCH, *shape))
    parameters = parameters.astype("float32")
    for weight in likelihood.weights:
        weight.assign(0.3)
    likelihood.log_prob(x, parameters, training=True)
    return likelihood, x, parameters


def test_contract(row):
    check_likelihood(*row)


def test_sample_has_the_mean_it_says(row):
    likelihood, x, parameters = row
    draws = np.concatenate([parameters[:4]] * 4000)
    sample = likelihood.sample(draws, seed=3).numpy()
    sample = sample.reshape(4000, 4, *x.shape[1:]).astype("float64")
    error = sample.mean(axis=0) - likelihood.mean(parameters[:4])
    standard_error = sample.std(axis=0) / np.sqrt(4000)
    # 24 values for each row of the table; 5 standard errors: 1e-5 each.
    np.testing.assert_array_less(np.abs(error), 5 * standard_error + 1e-7)


def test_gradient_is_that_of_finite_differences(row):
    likelihood, x, parameters = row
    x, parameters = x[:2], parameters[:2]
    with tf.GradientTape() as tape:
        watched = tf.constant(parameters)
        tape.watch(watched)
        total = tf.reduce_sum(likelihood.log_prob(x, watched))
    gradient = tape.gradient(total, watched).numpy()
    # All shifts as one batch. Central differences of step h of a float32 function are
    # right to h^2 and rounding / h.
    step, size = 1e-2, parameters[0].size
    shifts = (step * np.eye(size, dtype="float32")).reshape(size, *parameters[0].shape)
    for i in range(2):
        up, down = (
            likelihood.log_prob(np.repeat(x[i : i + 1], size, axis=0), shifted)
            for shifted in (parameters[i] + shifts, parameters[i] - shifts)
        )
        differences = ((up - down) / (2 * step)).numpy().reshape(gradient[i].shape)
        np.testing.assert_allclose(gradient[i], differences, rtol=5e-3, atol=5e-3)


def test_comes_back_in_a_keras_file(row, tmp_path):
    likelihood, x, parameters = row
    model = WithLikelihood(likelihood)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.likelihood.log_prob(x, parameters), likelihood.log_prob(x, parameters)
    )
    assert loaded.likelihood.get_config() == likelihood.get_config()
    names = [weight.name for weight in likelihood.trainable_weights]
    assert [w.name for w in loaded.likelihood.trainable_weights] == names


@keras.saving.register_keras_serializable(package="keras_vae_tests")
class WithLikelihood(keras.Model):
    def __init__(self, likelihood, **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihood
        self.built = True

    def call(self, inputs):
        return self.likelihood.mean(inputs)

    def get_config(self):
        return {"likelihood": keras.saving.serialize_keras_object(self.likelihood)}

    @classmethod
    def from_config(cls, config):
        return cls(likelihoods.get(config["likelihood"]))


def test_mean_runs_on_a_phone(row):
    likelihood, _, parameters = row
    spec = tf.TensorSpec((None, *parameters.shape[1:]), tf.float32)
    function = tf.function(likelihood.mean, input_signature=[spec])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], likelihood
    )
    interpreter = Interpreter(model_content=converter.convert())
    names = {operator["op_name"] for operator in interpreter._get_ops_details()}
    assert names and not any(name.startswith("Flex") for name in names)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, parameters.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, parameters)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, likelihood.mean(parameters), rtol=1e-5, atol=1e-6)


def test_trainable_is_kept():
    likelihood = likelihoods.Gaussian(scale="learned", trainable=False)
    assert not likelihood.trainable_weights
    assert not likelihoods.Gaussian.from_config(likelihood.get_config()).trainable


def test_every_likelihood_is_found_by_its_name_and_is_in_the_table():
    classes = {
        value
        for name, value in vars(likelihoods).items()
        if name in likelihoods.__all__ and isinstance(value, type)
    } - {likelihoods.Likelihood, likelihoods.LocationScale, likelihoods.Columns}
    found = {type(likelihoods.get(each.identifier)) for each in classes}
    in_table = {type(make()) for make, _ in ROWS.values()} - {StudentT}
    assert found == classes == in_table
    # One has to be told of the columns, and has a file of tests of its own.
    with pytest.raises(ValueError, match=r"Mend: .*Columns\(schema\)"):
        likelihoods.get("columns")


def test_a_family_of_location_and_scale_of_few_lines():
    likelihood = StudentT(df=4.0, scale=0.5)
    x = np.linspace(-9, 9, 37)[:, None]
    expected = scipy.stats.t(df=4, loc=1.0, scale=0.5).logpdf(x)
    found = likelihood.log_prob_per_value(x, np.full_like(x, 1.0))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    sample = likelihood.sample(np.full((20_000, 1), 1.0), seed=4)
    cdf = scipy.stats.t(df=4, loc=1.0, scale=0.5).cdf
    assert scipy.stats.kstest(np.ravel(sample).astype("float64"), cdf).pvalue > 1e-3
    # Its scale of maximum likelihood has no formula.
    with pytest.raises(
        ValueError, match=r"'learned_per_output'\). Received: .*optimal"
    ):
        StudentT(scale="optimal")


def test_share_of_a_class():
    logits = np.float32([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]])
    x = np.float32([[0, 0, 1], [1, 0, 0]])
    found = likelihoods.Categorical().log_prob_per_value(x, logits)
    expected = x * scipy.special.log_softmax(np.float64(logits), axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_x_is_drawn_independently_of_a_z_of_the_same_seed():
    seed = noise.example_seeds(7, 0, 500)
    z = noise.normal(seed, 64)
    x = likelihoods.Gaussian().sample(tf.zeros((500, 64)), seed)
    correlation = np.corrcoef(np.ravel(z), np.ravel(x))[0, 1]
    assert abs(correlation) < 5 / np.sqrt(z.shape.num_elements())


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("bernouli", "Did you mean 'bernoulli'"),
        ("GAUSSIAN", "Did you mean 'gaussian'"),
        ("Discretized-Logistic", "Did you mean 'discretized_logistic'"),
        ("xyz", "The names are: bernoulli, continuous_bernoulli, gaussian"),
        (likelihoods.Gaussian, r"Make an instance: Gaussian\(\)"),
        (None, "Received: None"),
        (
            {"module": "keras.layers", "class_name": "ReLU", "config": {}},
            "Received: {'module'",
        ),
    ],
)
def test_unknown_identifiers(identifier, message):
    with pytest.raises(ValueError, match=message):
        likelihoods.get(identifier)


def test_parameters_of_a_wrong_number():
    likelihood = likelihoods.DiscretizedLogistic()
    with pytest.raises(ValueError, match="hold 2 numbers for each value"):
        likelihood.mean(np.zeros((4, 3), "float32"))
    with pytest.raises(ValueError, match="known shape"):
        likelihood.mean(np.zeros(4, "float32"))
    with pytest.raises(ValueError, match=r"\(4, 3\).*Received: x.shape=\(4, 6\)"):
        likelihood.log_prob(np.zeros((4, 6)), np.zeros((4, 6)))
    with pytest.raises(ValueError, match="at least one axis"):
        likelihood.parameter_shape(())


@pytest.mark.parametrize(
    ("name", "data_mean"),
    [
        ("bernoulli", [0.5, 1.1]),
        ("continuous_bernoulli", [-0.1]),
        ("discretized_logistic", [127.0]),
        ("poisson", [-1.0]),
        ("gaussian", [np.inf]),
        ("categorical", [0.5, 0.6]),
    ],
)
def test_means_that_cannot_be(name, data_mean):
    with pytest.raises(ValueError, match="`data_mean` should"):
        likelihoods.get(name).initial_bias(data_mean)


@pytest.mark.parametrize(
    "name",
    [
        "bernoulli",
        "continuous_bernoulli",
        "discretized_logistic",
        "categorical",
        "poisson",
    ],
)
def test_means_at_the_very_edge_have_a_finite_bias(name):
    likelihood = likelihoods.get(name)
    bias = likelihood.initial_bias([0.0, 1.0])
    assert np.all(np.isfinite(bias)) and np.abs(bias).max() <= 101
    np.testing.assert_allclose(likelihood.mean(bias[None])[0], [0.0, 1.0], atol=0.0101)


def test_one_mean_for_each_channel():
    bias = likelihoods.get("discretized_logistic").initial_bias([0.2, 0.4, 0.6])
    mean = likelihoods.get("discretized_logistic").mean(bias[None])
    np.testing.assert_allclose(mean, [[0.2, 0.4, 0.6]], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("bernoulli", [114.0, 139.0], "values from 114 to 139. Mend: x / 255, as for "),
        ("bernoulli", [0.0, 40000.0], "values from 0 to 40000. Mend: x / 65535, as "),
        ("bernoulli", [-1.0, 0.5], r"Mend: (x + 1) / 2, if they are from -1 to 1"),
        ("bernoulli", [-3.5, 6.5], r"Mend: (x + 3.5) / 10. Or choose another "),
        ("bernoulli", [300000.0, 2e6], r"Mend: (x - 300000) / 1.7e+06"),
        ("bernoulli", [0.5, np.nan], "Received: nan at index (0, 1)."),
        (
            "bernoulli",
            [2.0, 7.0],
            "another likelihood: 'gaussian', 'laplace', 'poisson",
        ),
        ("bernoulli", [2.5, 7.0], "another likelihood: 'gaussian', 'laplace'. The "),
        (
            "discretized_logistic",
            [0.0, 1 / 16, 1.0],
            "the 256 levels k / 255 in [0, 1]. Received: the 17 levels k / 16 in "
            "[0, 1]. Mend: the argument levels=17. Or choose another likelihood: "
            "'bernoulli', 'continuous_bernoulli', 'gaussian', 'laplace'. The ",
        ),
        (
            "discretized_logistic",
            [0.0, np.pi / 4],
            "Received: values from 0 to 0.785398",
        ),
        (
            "discretized_logistic",
            [0.0, 16.0],
            "Received: values from 0 to 16. Mend: x / ",
        ),
        ("poisson", [-1.0, 3.0], "0, 1, 2, …. Received: values from -1 to 3. Or "),
        ("categorical", [3.0, 1.0], "Mend: keras.utils.to_categorical(x), if they "),
        (
            "gaussian",
            [np.inf, 1.0],
            "real numbers. Received: inf at index (0, 0). The ",
        ),
    ],
)
def test_what_is_wrong_with_data(name, x, expected):
    likelihood = likelihoods.get(name)
    message = likelihoods.misfit(likelihood, [x])
    assert expected in message and f"likelihood {name!r}: " in message
    assert message.endswith("The first example outside is number 0.")


def test_the_line_that_mends_data_does():
    rng = np.random.default_rng(0)
    for x in (
        rng.uniform(0, 255, (9, 4)),
        rng.integers(0, 65536, (9, 4)),
        rng.uniform(-1, 1, (9, 4)),
        rng.normal(size=(9, 4)),
        rng.uniform(300, 90_000, (9, 4)),
    ):
        likelihood = likelihoods.Bernoulli()
        line = likelihoods.misfit(likelihood, x).split("Mend: ")[1]
        mended = eval(line.split(",")[0].split(". ")[0], {"x": x})
        assert likelihoods.misfit(likelihood, mended) is None


def test_fitting_data_are_not_complained_of_and_the_first_example_is_named():
    likelihood = likelihoods.Bernoulli()
    x = np.zeros((5, 3))
    assert likelihoods.misfit(likelihood, x) is None
    x[3:] = 9
    message = likelihoods.misfit(likelihood, x, name="images", start=4096)
    assert "`images` should" in message and "is number 4099." in message
    assert "Mend: images / 255" in message


def test_another_likelihood_is_another_one():
    fewer = likelihoods.DiscretizedLogistic(levels=4)
    message = likelihoods.misfit(fewer, np.array([[1 / 255]]))
    others = message.split("another likelihood: ")[1]
    assert "'bernoulli'" in others and f"'{fewer.identifier}'" not in others


def test_levels_of_data_are_the_fewest():
    for levels in (3, 16, 17, 32, 255, 256):
        x = np.arange(levels, dtype="float32")[:, None] / np.float32(levels - 1)
        assert likelihoods.misfit(likelihoods.DiscretizedLogistic(levels), x) is None
        other = likelihoods.DiscretizedLogistic(levels=12)
        assert f"the argument levels={levels}." in likelihoods.misfit(other, x)
