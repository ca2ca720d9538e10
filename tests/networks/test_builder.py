"""What every network says of arguments that are out of range."""

import keras
import numpy as np
import pytest

from keras_vae import networks

NAMES = ["dense", "convolutional", "residual"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_dim": 0}, "`latent_dim` should be an integer >= 1.*latent_dim=0"),
        ({"latent_dim": 2.0}, "latent_dim=2.0"),
        ({"latent_dim": True}, "latent_dim=True"),
        ({"data_shape": 784}, r"`data_shape`.*\(28, 28, 1\).*data_shape=784"),
        ({"data_shape": ()}, r"data_shape=\(\)"),
        ({"data_shape": (8, 0, 1)}, r"data_shape=\(8, 0, 1\)"),
        ({"data_shape": (8, None, 1)}, r"data_shape=\(8, None, 1\)"),
        ({"data_shape": (None, 8, 8, 1)}, r"without the batch axis: \(8, 8, 1\)"),
        ({"hidden_units": 512}, r"`hidden_units`.*tuple.*hidden_units=512"),
        ({"hidden_units": (32, 0)}, r"hidden_units=\(32, 0\)"),
        ({"activation": "rellu"}, "`activation`.*'rellu'.*Did you mean 'relu'"),
        ({"activation": 3}, "`activation`.*activation=3"),
        ({"likelihood": "bernouli"}, "bernoulli"),
        ({"seed": 1.5}, "`seed`.*seed=1.5"),
        ({"seed": -1}, "`seed`.*seed=-1"),
        ({"data_mean": np.zeros((8, 9, 1))}, r"`data_mean`.*\(8, 8, 1\).*\(8, 9, 1\)"),
        ({"data_mean": 2.0}, "`data_mean` should be.*to 2"),
        ({"data_mean": np.nan}, "`data_mean` should be.*nan"),
    ],
)
def test_arguments_out_of_range(name, arguments, message):
    arguments = {"data_shape": (8, 8, 1), "latent_dim": 2, **arguments}
    with pytest.raises(ValueError, match=message):
        networks.get(name)(**arguments)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_code_is_no_activation(name):
    """A `.keras` file could hold it only by pickling."""
    with pytest.raises(ValueError, match="`activation`.*registered"):
        networks.get(name)((8, 8, 1), 2, activation=lambda x: x)


@pytest.mark.parametrize("name", NAMES)
def test_numpy_integers_and_functions_are_as_good(name):
    encoder, _ = networks.get(name)(
        [np.int64(8), 8, 1],
        np.int32(2),
        hidden_units=[np.int64(4)],
        activation=keras.activations.tanh,
        seed=np.int64(3),
    )
    assert encoder.input_shape == (None, 8, 8, 1)
    assert encoder.get_layer("encoder_dense_1").activation is keras.activations.tanh


@pytest.mark.parametrize("name", ["convolutional", "residual"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_shape": (784,)}, r"\(height, width, channels\).*networks.dense"),
        ({"data_shape": (28, 28)}, r"one channel: data_shape=\(28, 28, 1\)"),
        ({"data_shape": (8, 8, 8, 1)}, r"\(height, width, channels\)"),
        ({"data_shape": (3, 28, 1)}, r"at least 4.*fewer halvings, filters=\(32,\)"),
        ({"data_shape": (1, 28, 1)}, "at least 4.*networks.dense"),
        ({"filters": (4, 4, 4, 4)}, r"at least 16.*filters=\(4, 4, 4\), fit"),
        ({"filters": ()}, r"`filters`.*filters=\(\)"),
        ({"filters": 32}, r"`filters`.*tuple.*filters=32"),
        ({"filters": (32, 0)}, r"filters=\(32, 0\)"),
        ({"kernel_size": 1}, "`kernel_size` should be an integer >= 2.*kernel_size=1"),
        ({"kernel_size": (3, 3)}, r"`kernel_size`.*\(3, 3\)"),
    ],
)
def test_arguments_of_image_networks_out_of_range(name, arguments, message):
    arguments = {"data_shape": (8, 8, 1), "latent_dim": 2, **arguments}
    with pytest.raises(ValueError, match=message):
        networks.get(name)(**arguments)


@pytest.mark.parametrize("name", ["convolutional", "residual"])
def test_the_smallest_image_for_three_halvings(name):
    _, decoder = networks.get(name)((8, 9, 1), 2, filters=(4, 4, 4))
    assert decoder.output_shape == (None, 8, 9, 1)


@pytest.mark.parametrize("name", ["convolutional", "residual"])
@pytest.mark.parametrize(
    ("activation", "gain"), [("relu", 2.0), ("tanh", 1.0), ("selu", 1.0)]
)
def test_initial_variances(name, activation, gain):
    """Of a signal of unit power each layer makes one of power `gain`, or less.

    For the kernels that is variance = gain / fan, where the fan of one output is the
    number of its inputs: k^2 c_in of a convolution, but k^2 c_in / 4 of a transposed
    one of stride 2, whose outputs outnumber its inputs by 4. Glorot's fan, for tanh,
    is the mean with that of the way back. Empirical variances of n weights are within
    5 standard errors, sqrt(2 / n) of them at most.
    """
    encoder, decoder = networks.get(name)(
        (8, 8, 1), 3, filters=(24, 32), hidden_units=(64,), activation=activation
    )
    for layer in encoder.layers + decoder.layers:
        if not layer.weights or layer.name in ("z_mean", "z_log_var", "parameters"):
            continue
        kernel = layer.get_weights()[0]
        if kernel.ndim == 1 or "block_1_2" in layer.name:
            continue  # A normalisation, or the scaled end of a residual block.
        area = int(np.prod(kernel.shape[:-2]))
        if isinstance(layer, keras.layers.Conv2DTranspose):
            fan = area * kernel.shape[3] / 4
        elif activation == "tanh":
            fan = area * (kernel.shape[-2] + kernel.shape[-1]) / 2
        else:
            fan = area * kernel.shape[-2]
        error = np.mean(kernel**2) * fan / gain - 1
        assert abs(error) < 5 * np.sqrt(2 / kernel.size), layer.name
