"""The VampPrior: a mixture of the posteriors of learned pseudo-inputs."""

import random

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.distributions import Delta, Transformed
from keras_vae.priors.base import Prior
from keras_vae.priors.components import draw_component, mixture_log_prob

# The standard deviation of the noise around one example, where the range of the data
# is the unit (and where there is no range, 1).
INITIAL_NOISE = 0.05


@keras.saving.register_keras_serializable(package="keras_vae")
class VampPrior(Prior):
    """The variational mixture of posteriors: what the encoder makes of learned inputs.

    ```
    p(z) = sum_k weights_k q(z | u_k)
    ```

    The pseudo-inputs u_k are trained, and stay where the data may be: after each step
    they are put back between the ends of the likelihood's support (for `"bernoulli"` 0
    and 1), which the paper does by a hard tanh. The weights are all 1 /
    num_components, or trained. The encoder takes the u_k as in inference, so that p(z)
    is one density whatever else is in a batch. The KL is a Monte Carlo estimate.

    When to use it: for the best `marginal_log_likelihood` and samples: the prior
    follows the codes of the data, and dimensions that the standard normal would switch
    off stay in use. When not: the encoder takes a condition, q(z|x) is a flow or has no
    density (each is refused with the reason), or the decoder's files must be small:
    they hold the encoder too, which makes z of the u_k. Cost: in each step the encoder
    takes `num_components` examples more (layers that add a loss add that of the data
    alone), and each draw of z is compared with every component; a weight for each value
    of the pseudo-inputs. A sample costs a pass through the encoder.

    Args:
        num_components: Integer, how many pseudo-inputs; the paper has 500 for MNIST.
        inputs: Where they begin: training examples `(n, *data_shape)` in the data's
            units, of which `num_components` are taken at random; or one example
            `(*data_shape)`, the data's mean say, to which noise is added. `None` stands
            for the middle of the range, or 0. It gives weights their first values and
            is no part of the configuration.
        weighted: Whether the weights of the components are trained.
        seed: Integer: the same seed gives the same first pseudo-inputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If an argument is out of its range, or the model's posterior is one
            of which this prior cannot be made.

    Example:

    >>> import keras_vae
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> prior = VampPrior(num_components=16, inputs=x, seed=0)
    >>> vae = keras_vae.VAE(*networks, prior=prior, seed=0)
    >>> prior.pseudo_inputs().shape
    (16, 4)
    >>> vae.sample(3, seed=0).shape
    (3, 4)

    Reference:
        Tomczak & Welling, "VAE with a VampPrior" (2018), equation 9.
    """

    def __init__(
        self, num_components=100, inputs=None, weighted=False, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_components = check_integer("num_components", num_components, minimum=1)
        self.weighted = bool(weighted)
        self.seed = seed if seed is None else check_integer("seed", seed, minimum=0)
        self._first = None if inputs is None else np.asarray(inputs, "float32")
        self._vae = None

    def connect(self, vae):
        if vae.encoder_conditions:
            takes = ", ".join(vae.encoder_conditions)
            raise ValueError(_refusal(f"an encoder that takes {takes} beside x"))
        if vae.flow is not None:
            raise ValueError(_refusal(f"flow={vae.flow!r}"))
        if "elbo" not in getattr(vae, "MEASURES", ("elbo",)):
            raise ValueError(
                _refusal(f"a {type(vae).__name__}, whose codes are points")
            )
        if self.built and tuple(self.inputs.shape[1:]) != vae.data_shape:
            raise ValueError(
                f"`prior` should have pseudo-inputs of the data's shape "
                f"{vae.data_shape}. Received: {tuple(self.inputs.shape[1:])}"
            )
        # A function, and no attribute that Keras would save as a part of the prior.
        self._vae = lambda: vae

    def build(self, latent_shape):
        if self._vae is None:
            raise ValueError(
                "A VampPrior is made of an encoder: it is built by the model that it "
                "is given to. Mend: VAE(encoder, decoder, prior=VampPrior(...))"
            )
        # autocast=False: float32 inside a model of mixed precision too.
        self.inputs = self.add_weight(
            name="inputs",
            shape=(self.num_components, *self._vae().data_shape),
            initializer=self._first_inputs,
            constraint=self._put_back,
            aggregation="mean",
            autocast=False,
        )
        self.logits = self.add_weight(
            name="logits",
            shape=(self.num_components,),
            initializer="zeros",
            trainable=self.weighted,
            autocast=False,
        )
        super().build(latent_shape)

    def get_build_config(self):
        return None  # the model builds it, once it is connected

    def _range(self):
        support = self._vae().likelihood.support
        return float(support.low), float(support.high)

    def _put_back(self, inputs):
        return tf.clip_by_value(inputs, *self._range())

    def _first_inputs(self, shape, dtype=None):
        """Examples, or one with noise, in the units that the encoder sees."""
        rng = np.random.default_rng(
            random.getrandbits(31) if self.seed is None else self.seed
        )
        low, high = self._range()
        given = self._first
        if given is None:
            middle = (low + high) / 2 if np.isfinite([low, high]).all() else 0.0
            given = np.full(shape[1:], middle, "float32")
        elif self._vae().standardize is not None:
            given = np.asarray(self._vae().standardize(given))
        is_one = given.shape == tuple(shape[1:])
        enough = given.shape[1:] == tuple(shape[1:]) and len(given) >= shape[0]
        inside = (given >= low - 1e-6) & (given <= high + 1e-6)
        if not (is_one or enough) or not (np.isfinite(given) & inside).all():
            raise ValueError(
                f"`inputs` should be at least {shape[0]} examples, or one of shape "
                f"{tuple(shape[1:])}, finite and from {low:g} to {high:g}. Received: "
                f"shape {given.shape}, from {given.min():g} to {given.max():g}"
            )
        if is_one:
            scale = high - low if np.isfinite([low, high]).all() else 1.0
            values = given + INITIAL_NOISE * scale * rng.standard_normal(shape)
        else:
            values = given[rng.choice(len(given), shape[0], replace=False)]
        return tf.constant(np.clip(values, low, high), tf.float32)

    def pseudo_inputs(self):
        """The pseudo-inputs, to be looked at.

        Returns:
            NumPy array `(num_components, *data_shape)`, in the data's units.
        """
        standardize = self._vae().standardize
        inputs = tf.convert_to_tensor(self.inputs)
        return np.array(inputs if standardize is None else standardize.inverse(inputs))

    def _posterior(self, inputs):
        """q(z|u), of a model that is given more than x for other uses too."""
        vae = self._vae()
        others = {name: spec for name, spec in vae.input_specs.items() if name != "x"}
        if others:
            size = tf.shape(inputs)[0]
            inputs = {"x": inputs} | {
                name: tf.zeros((size, *spec.shape[1:]), spec.dtype)
                for name, spec in others.items()
            }
        with vae.without_layer_losses():
            q = vae.posterior(inputs)
        if isinstance(q, Delta | Transformed):
            raise ValueError(_refusal(f"a posterior {type(q).__name__}"))
        return q

    def log_prob(self, z):
        components = self._posterior(tf.convert_to_tensor(self.inputs))
        z = tf.convert_to_tensor(z)
        return mixture_log_prob(z, components, tf.nn.log_softmax(self.logits))

    def sample(self, seed, latent_shape):
        index = draw_component(seed, tf.nn.log_softmax(self.logits))
        # One pass for each draw, whatever the number of components.
        q = self._posterior(tf.gather(tf.convert_to_tensor(self.inputs), index))
        return q.sample(noise.draws(seed, 1, tuple(latent_shape)))[0]

    def get_config(self):
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "weighted": self.weighted,
            "seed": self.seed,
        }


def _refusal(received):
    return (
        "A VampPrior takes a model whose encoder takes x alone and whose q(z|x) has a "
        f"density at every z, such as the diagonal normal. Received: {received}. Mend: "
        "prior='mixture' or prior='flow', which need no encoder"
    )
