"""Lossless compression by a trained model: bits back."""

import math

import numpy as np

from keras_vae.applications import archive
from keras_vae.applications.bit_stack import BitStack, check_coder, random_words
from keras_vae.applications.latents import (
    Passes,
    check_bits_back,
    check_fingerprint,
    fingerprint,
)
from keras_vae.applications.pixels import pixels_of
from keras_vae.arguments import check_integer

# Words that stay below what is used of the initial bits: the coder's state and one.
MARGIN = 3


class Compressor:
    """Compresses data without loss by a trained VAE: bits back, with ANS.

    To send x the sender pops z off a stack of bits by q(z|x), which takes bits away,
    and pushes x by p(x|z) and z by p(z). Per example the stack grows by

    ```
    -log2 p(x|z) - log2 p(z) + log2 q(z|x)  =  -elbo(x) / log(2) bits     (on average)
    ```

    and the receiver undoes it, x and z first, and pushes z by q(z|x) to have the bits
    back. z lies in bins of equal mass of the prior, of each latent as many as the
    model's own draws show to be needed. Only the first examples cost more: what their z
    are popped of.

    When to use it: for many examples of what the model was trained on; the bytes follow
    the ELBO. When not: for a few (the first z costs up to some hundred bytes, and the
    file's head about 110), for other data than the model knows, or where the reader may
    have another machine.

    What can be compressed: images of a finite number of values (likelihoods
    `"bernoulli"`: 0 and 1; `"discretized_logistic"`, and its mixture for grey images;
    `"categorical"`: one-hot), by any model with a diagonal normal posterior and the
    prior N(0, I), and by a `HierarchicalVAE`. Of a hierarchy each level's posterior is
    given the levels above it and x, from the top down: Bit-Swap (Kingma 2019), which
    pushes a level before the next is popped, needs the other direction. All levels are
    popped before x is pushed, so that the initial bits are those of all codes.
    Conditions, flows and other priors are refused.

    Floating point: to decompress, encoder and decoder have to compute the same numbers
    as they did, nearly to the last digit. The same machine, libraries and number of
    threads do. Parameters are rounded to a grid before they are used, which forgives
    most small differences, but not all of those in a large file. The file holds a
    fingerprint of what was computed and a checksum of the data: where decompression
    fails it says so. Never does it return other data. Keep the originals of what has to
    be read elsewhere, or for years.

    Args:
        vae: Trained `keras_vae.VAE`.
        batch_size: Integer up to 65,535, examples coded at once. The first ones are
            coded in smaller batches: a batch pops all its z before it pushes anything.

    Raises:
        ImportError: If the library `constriction` is not installed.
        ValueError: If the model is of another kind.

    Example:

    >>> import keras_vae
    >>> networks = keras_vae.networks.dense((8,), 2, hidden_units=(16,), seed=0)
    >>> vae = keras_vae.VAE(*networks, seed=0)
    >>> images = np.random.default_rng(0).integers(0, 2, (100, 8)).astype("uint8")
    >>> compressor = Compressor(vae)
    >>> compressed = compressor.compress(images)
    >>> (compressor.decompress(compressed) == images).all()
    np.True_

    Reference:
        Townsend, Bird & Barber, "Practical Lossless Compression with Latent Variables
        using Bits Back Coding" (2019); Kingma, Abbeel & Ho, "Bit-Swap: Recursive
        Bits-Back Coding for Lossless Compression with Hierarchical Latent Variables"
        (2019).
    """

    def __init__(self, vae, *, batch_size=64):
        check_coder()
        self.batch_size = check_integer("batch_size", batch_size, 1, 65535)
        check_bits_back(vae)
        self.vae = vae
        self._passes = Passes(vae)
        self.pixels = pixels_of(vae.likelihood, vae.data_shape)

    def compress(self, images):
        """Compresses images.

        Args:
            images: uint8 array `(n, *data_shape)` (0 and 1 of a binary model, levels of
                a grey one, one-hot vectors of a categorical one), or floating-point
                ones in the units of the model.

        Returns:
            Bytes: an `Archive`, which tells its form.

        Raises:
            ValueError: If the images have another shape or other values.
        """
        symbols = self.pixels.to_symbols(images)
        bins = self._passes.bins()
        growth = self._growth(symbols, bins)
        groups = _groups(len(symbols), self.batch_size, growth)
        num_words = 64 + bins.bits // 8
        while True:
            stack = BitStack(random_words(num_words), seal=True)
            for rows in groups:
                self._push(stack, symbols[rows], bins)
            if stack.fewest_words > MARGIN:
                break
            num_words *= 4  # Too few: nothing was left of them.
        return archive.Archive(
            mode="lossless",
            data_shape=self.vae.data_shape,
            num_examples=len(symbols),
            batch_size=self.batch_size,
            growth=growth,
            model=fingerprint(self.vae),
            machine=bins.fingerprint,
            data=archive.digest(self.pixels.to_images(symbols).tobytes()),
            extra=b"",
            words=stack.to_bytes(stack.fewest_words - MARGIN),
        ).to_bytes()

    def decompress(self, compressed):
        """The images of an archive.

        Args:
            compressed: Bytes, as `compress` returned them.

        Returns:
            uint8 array `(n, *data_shape)`, equal to the images' levels.

        Raises:
            ValueError: If the bytes are damaged, are no archive, are of another model,
                or of a machine that computes other numbers.
        """
        content = archive.read(compressed, "lossless")
        check_fingerprint(self.vae, content)
        bins = self._passes.bins()
        groups = _groups(content.num_examples, content.batch_size, content.growth)
        stack = BitStack.from_bytes(content.words)
        sizes = [rows.stop - rows.start for rows in reversed(groups)]
        parts = [self._pop(stack, size, bins) for size in sizes]
        images = self.pixels.to_images(np.concatenate(parts[::-1]))
        if archive.digest(images.tobytes()) != content.data:
            raise ValueError(_failure(content, bins))
        return images

    def expected_bits(self, images):
        """The bits that images take by the model, the file's head and start left out.

        Args:
            images: As for `compress`.

        Returns:
            Float: the sum of -elbo / log(2), with one draw of z for each image.

        Raises:
            ValueError: If the images have another shape or other values.
        """
        symbols = self.pixels.to_symbols(images)
        elbo = self.vae.elbo(self.pixels.to_x(symbols), self.batch_size)
        return -float(np.sum(elbo, dtype="float64")) / math.log(2)

    def _push(self, stack, symbols, bins):
        """Puts a group of examples on the stack."""
        x, codes = self.pixels.to_x(symbols), []

        def draw(level, q):
            codes.append(bins.pop(stack, level, q, len(x)))
            return bins.centres(level, codes[level])

        self._passes.infer(x, draw)
        cdf = self._cdf(bins, codes)
        stack.push(symbols.reshape(-1), cdf, self.pixels.size)
        for level in reversed(range(bins.num_levels)):
            bins.push(stack, level, None, codes[level])

    def _pop(self, stack, num_examples, bins):
        """Takes a group of examples off the stack."""
        levels = range(bins.num_levels)
        codes = [bins.pop(stack, level, None, num_examples) for level in levels]
        num_symbols = num_examples * self.pixels.num_symbols
        symbols = stack.pop(self._cdf(bins, codes), self.pixels.size, num_symbols)
        symbols = symbols.reshape(num_examples, -1)
        posteriors = []

        def draw(level, q):
            posteriors.append(q)
            return bins.centres(level, codes[level])

        self._passes.infer(self.pixels.to_x(symbols), draw)
        for level in reversed(levels):
            bins.push(stack, level, posteriors[level], codes[level])
        return symbols

    def _cdf(self, bins, codes):
        """p(x|z) of a group of examples, as distribution function of their symbols."""
        z = [bins.centres(level, part) for level, part in enumerate(codes)]
        return self.pixels.cdf(self._passes.decode(np.concatenate(z, axis=-1)))

    def _growth(self, symbols, bins):
        """How many examples have to be on the stack for each that is coded at once."""
        x = self.pixels.to_x(symbols[: self.batch_size])
        mean, deviation = self._passes.posterior(x)
        kl = 0.5 * (mean**2 + deviation**2 - 1) - np.log(deviation)
        log_prob = self.vae.likelihood.log_prob(
            x, self._passes.decode(mean.astype("float32"))
        )
        nats = kl.sum(axis=-1) - np.maximum(log_prob, -1e6)
        bits = float(nats.mean()) / math.log(2)
        return min(max(math.ceil(1.2 * bins.bits / max(bits, 1.0)), 1), 65535)


def _groups(num_examples, batch_size, growth):
    """Slices of the examples that are coded at once: few first, then more."""
    groups, start = [], 0
    while start < num_examples:
        size = min(max(start // growth, 1), batch_size, num_examples - start)
        groups.append(slice(start, start + size))
        start += size
    return groups


def _failure(content, bins):
    machine = (
        "This machine computes other numbers with the model than the one that "
        "compressed: another processor, TensorFlow, or number of threads"
        if content.machine != bins.fingerprint
        else "What was computed differs from what was computed to compress"
    )
    return (
        f"The data cannot be decompressed here: what came out has another checksum. "
        f"{machine}. Decompress where it was compressed"
    )
