"""The builders whose encoders return something else than `z_mean` and `z_log_var`."""

import keras
import numpy as np
import pytest

import keras_vae
from keras_vae import networks

BUILDERS = {
    "hierarchical_dense": lambda shape, *a, **k: networks.hierarchical_dense(
        shape, (2, 3), *a, hidden_units=((5,), (6, 7)), skip=True, **k
    ),
    "hierarchical_convolutional": lambda shape, *a, **k: (
        networks.hierarchical_convolutional(
            shape, 2, *a, filters=(4, 6), levels=(1, 0), latent_channels=2, **k
        )
    ),
    "quantized_convolutional": lambda shape, *a, **k: networks.quantized_convolutional(
        shape, 2, *a, filters=(4, 6), num_blocks=1, **k
    ),
}
every_builder = pytest.mark.parametrize("name", BUILDERS)


def model_of(name, *args, **kwargs):
    built = BUILDERS[name](*args, **kwargs)
    if name == "quantized_convolutional":
        return keras_vae.VQVAE(*built, quantizer=4, **_likelihood(args))
    return keras_vae.HierarchicalVAE(*built, **_likelihood(args))


def _likelihood(args):
    return {"likelihood": args[1]} if len(args) > 1 else {}


@every_builder
@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized_logistic"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 13, 3)])
def test_images_of_every_size_come_back_in_their_shape(name, shape, likelihood):
    vae = model_of(name, shape, likelihood)
    x = np.random.default_rng(0).integers(0, 256, (3, *shape)) / np.float32(255)
    assert vae.reconstruct(x).shape == x.shape
    assert np.isfinite(vae.elbo(x)).all()


@every_builder
def test_a_seed_gives_the_same_weights_and_no_two_layers_alike(name):
    first, same, other = (BUILDERS[name]((8, 8, 1), seed=seed) for seed in (1, 1, 2))
    for a, b, c in zip(first, same, other, strict=True):
        for one, two in zip(a.get_weights(), b.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
        kernels = [w for w in a.get_weights() if w.ndim > 1]
        assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
        different = zip(
            kernels, (w for w in c.get_weights() if w.ndim > 1), strict=True
        )
        assert all(np.any(one != two) for one, two in different)


@every_builder
def test_the_first_reconstruction_is_near_the_mean_of_the_data(name):
    mean = np.full((8, 8, 1), 0.2)
    built = BUILDERS[name]((8, 8, 1), data_mean=mean)
    z = np.zeros((1, *built[1].input.shape[1:]), "float32")
    found = 1 / (1 + np.exp(-np.asarray(built[1](z))))
    np.testing.assert_allclose(found[0], mean, atol=0.02)


@every_builder
def test_both_ends_are_float32_in_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = model_of(name, (8, 8, 1))
    finally:
        keras.config.set_dtype_policy("float32")
    assert vae.decoder.output.dtype == "float32"
    assert {p.dtype.name for p in vae.encode(np.zeros((2, 8, 8, 1)))} <= {
        "float32",
        "int32",
    }
    policies = {layer.compute_dtype for layer in vae.encoder.layers}
    assert "bfloat16" in policies


@pytest.mark.parametrize(
    "name", ["hierarchical_convolutional", "quantized_convolutional"]
)
def test_what_is_no_image_is_refused(name):
    with pytest.raises(ValueError, match="`data_shape` should be"):
        BUILDERS[name]((12,))
