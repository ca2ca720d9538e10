"""Figures of a VAE, made without a display and without pyplot.

Every function returns a figure that a notebook shows, and leaves matplotlib's global
state alone. Data of shape (height, width) or (height, width, 1, 3 or 4) are drawn as
images, all others, series of up to 4 channels too, as values over their features.
"""

from keras_vae.plots.analogies import analogies
from keras_vae.plots.anomalies import anomalies
from keras_vae.plots.comparison import comparison
from keras_vae.plots.compression_rates import compression_rates
from keras_vae.plots.figure import Figure, save
from keras_vae.plots.interpolation import interpolation
from keras_vae.plots.latent_space import latent_space
from keras_vae.plots.rate_distortion import rate_distortion
from keras_vae.plots.reconstructions import reconstructions
from keras_vae.plots.samples import samples
from keras_vae.plots.training_curves import training_curves
from keras_vae.plots.traversals import Traversal, traversals, traverse

__all__ = [
    "Figure",
    "Traversal",
    "analogies",
    "anomalies",
    "comparison",
    "compression_rates",
    "interpolation",
    "latent_space",
    "rate_distortion",
    "reconstructions",
    "samples",
    "save",
    "training_curves",
    "traversals",
    "traverse",
]
