"""Posteriors q(z|x) as objects: what an encoder says about z.

A posterior is any object with these four members. `latent_shape` is that of one code,
a vector or a map:

    parameters          {name: tensor (batch, ...)}; the names of the export's
    mean                (batch, *latent_shape): the code to show, and to decode
    sample(noise)       noise (num_samples, batch, *latent_shape) -> z of that shape
    log_prob(z)         (num_samples, batch), nats

A posterior may know the density of its own draws alone (a flow that is not inverted):
it then keeps the draw that `sample` made last, as `Normal` does for the sake of digits.
"""

from keras_vae.distributions.hierarchical import Hierarchical, for_each_draw
from keras_vae.distributions.normal import LOG_VAR_RANGE, Normal, reparameterize
from keras_vae.distributions.points import Delta, Quantized
from keras_vae.distributions.transformed import Transformed

__all__ = [
    "LOG_VAR_RANGE",
    "Delta",
    "Hierarchical",
    "Normal",
    "Quantized",
    "Transformed",
    "for_each_draw",
    "reparameterize",
]
