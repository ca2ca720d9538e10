"""Layers: what holds weights or random state."""

from keras_vae.layers.sampling import Sampling
from keras_vae.layers.standardize import Standardize
from keras_vae.layers.top_down import TopDown
from keras_vae.layers.vector_quantizer import VectorQuantizer

__all__ = ["Sampling", "Standardize", "TopDown", "VectorQuantizer"]
