"""Layers: what holds weights or random state."""

from keras_vae.layers.autoregressive_network import AutoregressiveNetwork
from keras_vae.layers.column_features import ColumnFeatures
from keras_vae.layers.coupling_flow import CouplingFlow
from keras_vae.layers.flow import Flow
from keras_vae.layers.inverse_autoregressive_flow import InverseAutoregressiveFlow
from keras_vae.layers.masked_dense import MaskedDense
from keras_vae.layers.sampling import Sampling
from keras_vae.layers.standardize import Standardize
from keras_vae.layers.top_down import TopDown
from keras_vae.layers.vector_quantizer import VectorQuantizer

__all__ = [
    "AutoregressiveNetwork",
    "ColumnFeatures",
    "CouplingFlow",
    "Flow",
    "InverseAutoregressiveFlow",
    "MaskedDense",
    "Sampling",
    "Standardize",
    "TopDown",
    "VectorQuantizer",
]
