"""Answers that a trained model gives: data in fewer bytes."""

from keras_vae.applications.compressor import Compressor

__all__ = [
    "Compressor",
]
