"""Layers: what holds weights or random state."""

from keras_vae.layers.reparameterize import Reparameterize
from keras_vae.layers.sampling import Sampling
from keras_vae.layers.standardize import Standardize
from keras_vae.layers.top_down import TopDown

__all__ = ["Reparameterize", "Sampling", "Standardize", "TopDown"]
