"""Answers that a trained model gives: data in fewer bytes."""

from keras_vae.applications.codecs import compressed_sizes
from keras_vae.applications.compressor import Compressor
from keras_vae.applications.decompression import decompress
from keras_vae.applications.lossy_compressor import LossyCompressor

__all__ = [
    "Compressor",
    "LossyCompressor",
    "compressed_sizes",
    "decompress",
]
