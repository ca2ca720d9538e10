"""Decompression of either kind."""

from keras_vae.applications import archive
from keras_vae.applications.compressor import Compressor
from keras_vae.applications.lossy_compressor import LossyCompressor


def decompress(vae, compressed):
    """The images of an archive, whichever compressor made it.

    Args:
        vae: The `keras_vae.VAE` that compressed.
        compressed: Bytes.

    Returns:
        uint8 array `(n, *data_shape)`: levels, as `Compressor.decompress` returns them,
        or of a lossy archive pixels from 0 to 255.

    Raises:
        ImportError: If the library `constriction` is not installed.
        ValueError: If the bytes are damaged, are no archive, are of another model or
            cannot be decompressed on this machine.

    Example:

    >>> import keras_vae, numpy as np
    >>> vae = keras_vae.VAE(*keras_vae.networks.dense((8,), 2, seed=0))
    >>> images = np.eye(8, dtype="uint8")
    >>> (decompress(vae, Compressor(vae).compress(images)) == images).all()
    np.True_
    """
    lossy = archive.read(compressed, None).mode == "lossy"
    return (LossyCompressor if lossy else Compressor)(vae).decompress(compressed)
