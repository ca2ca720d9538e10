"""Layers: what holds weights or random state."""

from keras_vae.layers.sampling import Sampling
from keras_vae.layers.standardize import Standardize

__all__ = ["Sampling", "Standardize"]
