"""Lossy compression by a trained model: its codes, rounded."""

import zlib

import numpy as np
from scipy.special import ndtr

from keras_vae.applications import archive
from keras_vae.applications.bit_stack import BitStack, check_coder
from keras_vae.applications.latents import (
    Passes,
    check_fingerprint,
    check_unconditional,
    fingerprint,
)
from keras_vae.arguments import check_number
from keras_vae.models import VQVAE, checks

# Of each dimension, in the extra settings of the file.
_TABLE = np.dtype([("step", "<f4"), ("low", "<i4"), ("num", "<u4"),
                   ("mean", "<f2"), ("deviation", "<f2")])  # fmt: skip


class LossyCompressor:
    """Compresses images to their codes, rounded: small, and not what they were.

    ```
    k = round(z_mean / (step * sigma)),     image = mean of p(x|z = k * step * sigma)
    ```

    where sigma, of each latent dimension, is the typical deviation of q(z|x) among the
    images: with a step of 1 what is rounded off is about as much as the model does not
    know of z anyway. The k are entropy-coded by a normal distribution of each dimension
    that is fitted to them and stored beside them; a dimension of which all k are equal
    takes no bits. Of a hierarchy each level's mean is taken given the rounded levels
    above it.

    When to use it: for small images that the model knows, where a likeness is enough:
    far fewer bytes than JPEG or WebP at the same error, which are made for large
    pictures. When not: where each pixel counts (`Compressor`), or for other images than
    those it was trained on: they come back as what the model knows.

    Any model but a conditional one or a `VQVAE` is taken, an `Autoencoder` too (there
    sigma is 1: choose the step by the scale of its codes). The file depends on no
    machine: the k are decoded exactly everywhere, and the images up to the rounding of
    the decoder's arithmetic.

    Args:
        vae: Trained `keras_vae.VAE`.
        step: Number above 0, the quality: larger is coarser.

    Raises:
        ImportError: If the library `constriction` is not installed.
        ValueError: If the model takes conditions or has a codebook, or for a step that
            is not above 0.

    Example:

    >>> import keras_vae
    >>> networks = keras_vae.networks.dense((8,), 2, hidden_units=(16,), seed=0)
    >>> vae = keras_vae.VAE(*networks, seed=0)
    >>> images = np.random.default_rng(0).integers(0, 256, (100, 8)).astype("uint8")
    >>> compressor = LossyCompressor(vae, step=0.5)
    >>> compressor.decompress(compressor.compress(images)).shape
    (100, 8)

    Reference:
        Ballé, Laparra & Simoncelli, "End-to-end Optimized Image Compression" (2017),
        where the rounding is trained with; Theis et al., "Lossy Image Compression with
        Compressive Autoencoders" (2017).
    """

    def __init__(self, vae, *, step=1.0):
        check_coder()
        check_unconditional(vae)
        if isinstance(vae, VQVAE):
            raise ValueError(
                "A VQVAE has integer codes already: nothing of them can be rounded. "
                "Received: a VQVAE"
            )
        self.vae = vae
        self.step = check_number("step", step)
        if self.step <= 0:
            raise ValueError(f"`step` should be above 0. Received: step={step!r}")
        self._passes = Passes(vae)

    def compress(self, images, batch_size=128):
        """Compresses images.

        Args:
            images: uint8 array `(n, *data_shape)` from 0 to 255, or a floating-point
                one in the units of the model.
            batch_size: Examples computed at a time.

        Returns:
            Bytes: an `Archive`, of which the extra settings are, compressed by zlib, 16
            bytes for each dimension of z: step times sigma (float32), the lowest k
            (int32), how many k there are from there on (uint32), mean and deviation of
            k (float16 each). Its checksum of the data is that of the k, int32.

        Raises:
            ValueError: If the images have another shape or type, or there are none.
        """
        x = self._to_x(images)
        deviation = self._deviations(x, batch_size)
        steps = (self.step * deviation).astype("float32")
        parts = [
            self._round(x[start : start + batch_size], steps)
            for start in range(0, len(x), batch_size)
        ]
        codes = np.concatenate(parts)
        table = np.zeros(codes.shape[1], _TABLE)
        table["step"] = steps
        table["low"] = codes.min(axis=0)
        table["num"] = codes.max(axis=0) - codes.min(axis=0) + 1
        table["mean"] = np.clip(codes.mean(axis=0), -6e4, 6e4)
        table["deviation"] = np.clip(codes.std(axis=0), 0.1, 6e4)
        # Of a dimension that takes no bits nothing but its one k is needed.
        idle = (table["num"] == 1) & (table["low"] == 0)
        table[idle] = (0, 0, 1, 0, 1)
        stack = BitStack(np.zeros(0, "uint32"))
        for dimension in reversed(range(len(table))):
            stack.push(*self._coded(table[dimension], codes[:, dimension]))
        return archive.Archive(
            mode="lossy",
            data_shape=self.vae.data_shape,
            num_examples=len(x),
            batch_size=0,
            growth=0,
            model=fingerprint(self.vae),
            machine=bytes(archive.DIGEST),
            data=archive.digest(codes.astype("<i4").tobytes()),
            extra=zlib.compress(table.tobytes(), 9),
            words=stack.to_bytes(),
        ).to_bytes()

    def decompress(self, compressed, batch_size=128):
        """The images of an archive, as well as they were kept.

        Args:
            compressed: Bytes, as `compress` returned them, with any step.
            batch_size: Examples computed at a time.

        Returns:
            uint8 array `(n, *data_shape)`: the means of p(x|z), times 255.

        Raises:
            ValueError: If the bytes are damaged, are no archive or are of another
                model.
        """
        z = self.codes(compressed).reshape(-1, *self.vae.latent_shape)
        images = self.vae.decode(z, batch_size=batch_size)
        return np.rint(255.0 * np.clip(images, 0.0, 1.0)).astype("uint8")

    def codes(self, compressed):
        """The z that an archive holds.

        Args:
            compressed: Bytes, as `compress` returned them.

        Returns:
            float32 array `(n, latent_dim)`.

        Raises:
            ValueError: If the bytes are damaged, are no archive or are of another
                model.
        """
        content = archive.read(compressed, "lossy")
        check_fingerprint(self.vae, content)
        table = np.frombuffer(zlib.decompress(content.extra), _TABLE)
        stack = BitStack.from_bytes(content.words)
        codes = np.empty((content.num_examples, len(table)), "int64")
        for dimension, row in enumerate(table):
            # What of `_coded` does not depend on the codes.
            _, cdf, size = self._coded(row, codes[:, dimension])
            codes[:, dimension] = row["low"] + stack.pop(cdf, size, len(codes))
        if archive.digest(codes.astype("<i4").tobytes()) != content.data:
            raise ValueError(
                "The data cannot be decompressed here: what came out has another "
                "checksum. Decompress where it was compressed"
            )
        return (codes * table["step"]).astype("float32")

    def _to_x(self, images):
        images = np.asarray(images)
        if images.dtype == np.uint8:
            images = images.astype("float32") / 255
        if images.dtype.kind not in "biuf" or len(images) == 0:
            raise ValueError(
                "`images` should be at least one image, uint8 from 0 to 255 or "
                f"floating-point. Received: {images.dtype} of shape {images.shape}"
            )
        x = checks.check_data("images", images, self.vae, support=False)
        return np.asarray(x, "float32")

    def _deviations(self, x, batch_size):
        """Typical deviation of q(z|x) of each dimension."""
        total = 0.0
        for start in range(0, len(x), batch_size):
            _, deviation = self._passes.posterior(x[start : start + batch_size])
            total = total + np.log(deviation).sum(axis=0)
        return np.exp(total / len(x))

    def _round(self, x, steps):
        """The integers of a batch, `(n, latent_dim)`."""
        codes, levels = [], np.split(steps, np.cumsum(self._passes.sizes)[:-1])

        def draw(level, q):
            codes.append(np.rint(q.mean / levels[level]).astype("int64"))
            return (codes[level] * levels[level]).astype("float32")

        self._passes.infer(x, draw)
        return np.concatenate(codes, axis=-1)

    def _coded(self, row, codes):
        """Symbols from 0 on of one dimension, their distribution function and size."""
        low, mean, deviation = (float(row[n]) for n in ("low", "mean", "deviation"))
        return (
            codes - int(row["low"]),
            lambda edges: ndtr((edges + low - 0.5 - mean) / deviation),
            int(row["num"]),
        )
