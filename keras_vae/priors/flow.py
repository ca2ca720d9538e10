"""A standard normal sent through a flow, as a prior."""

import keras
import tensorflow as tf

from keras_vae import noise
from keras_vae.layers.coupling_flow import CouplingFlow
from keras_vae.layers.flow import Flow
from keras_vae.priors.base import Prior
from keras_vae.priors.standard_normal import StandardNormal


@keras.saving.register_keras_serializable(package="keras_vae")
class FlowPrior(Prior):
    """The prior of z = f(noise), a standard normal sent through a trained flow.

    ```
    log p(z) = log N(f^-1(z); 0, I) + log |det df^-1 / dz|
    ```

    At the start, of a `CouplingFlow`, it is the standard normal. The KL is a Monte
    Carlo estimate.

    When to use it: the codes of the data have a shape that few clusters do not
    describe, or the decoder's files must not hold the encoder (`VampPrior`). When not:
    one or two latent dimensions, on which couplings have little to hold; and where the
    standard normal is the point, as in disentanglement. Cost: one pass through the flow
    for each draw of z, and one for each sample.

    Args:
        flow: A flow of `keras_vae.layers` with an inverse, not built for a context;
            `None` for a `CouplingFlow()` with two hidden layers in each step.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: If the flow has no inverse in one pass, or takes a context.

    Example:

    >>> prior = FlowPrior()
    >>> prior.build((3,))
    >>> round(float(prior.log_prob(tf.zeros((1, 1, 3)))[0, 0]), 4)
    -2.7568
    >>> prior.sample([[7, 0], [7, 1]], (3,)).shape
    TensorShape([2, 3])

    Reference:
        Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP" (2017),
        equation 2; as a prior, Chen et al., "Variational Lossy Autoencoder" (2017),
        section 3.2.
    """

    def __init__(self, flow=None, **kwargs):
        super().__init__(**kwargs)
        if flow is None:
            flow = CouplingFlow(hidden_units=(64, 64))
        inverse = getattr(type(flow), "_inverse", None)
        if not isinstance(flow, Flow) or inverse is Flow._inverse:
            raise ValueError(
                "`flow` should be a flow with an inverse in one pass, such as "
                f"keras_vae.layers.CouplingFlow(). Received: flow={flow!r}"
            )
        if flow.built and flow.context_shape is not None:
            raise ValueError(
                "`flow` should take no context: a prior knows of no x. Received: "
                f"flow={flow!r}, built for one"
            )
        self.flow = flow
        self._base = StandardNormal()

    def build(self, latent_shape):
        if not self.flow.built:
            self.flow.build(tuple(latent_shape))
        super().build(latent_shape)

    def log_prob(self, z):
        start, log_det = self.flow.inverse(tf.convert_to_tensor(z))
        return self._base.log_prob(start) + log_det

    def sample(self, seed, latent_shape):
        return self.flow(noise.draws(seed, 1, tuple(latent_shape)))[0][0]

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {**super().get_config(), "flow": serialize(self.flow)}

    @classmethod
    def from_config(cls, config):
        flow = keras.saving.deserialize_keras_object(config["flow"])
        return cls(**{**config, "flow": flow})
