"""What a trained VAE answers: arrays of any size in, NumPy arrays out."""

import functools
import random

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.models import checks

_SEED_SPEC = tf.TensorSpec((None, 2), tf.int32)


class Answers:
    """The methods of a `VAE` that take and return arrays.

    Each works in batches, so that the data need not fit in memory at once, and is
    compiled once for batches of any size. They rest on the model's tensor methods,
    `posterior`, `reconstruction` and `elbo_terms`, and on its prior.
    """

    @functools.cached_property
    def _encode(self):
        return tf.function(self.posterior, input_signature=[self._data_spec])

    @functools.cached_property
    def _decode(self):
        spec = tf.TensorSpec((None, self.latent_dim), tf.float32)
        return tf.function(self.reconstruction, input_signature=[spec])

    @functools.cached_property
    def _reconstruct(self):
        return tf.function(self.call, input_signature=[self._data_spec])

    @functools.cached_property
    def _sample(self):
        def sample(seed):
            return self.reconstruction(self.prior.sample(seed, self.latent_dim))

        return tf.function(sample, input_signature=[_SEED_SPEC])

    @functools.cached_property
    def _elbo(self):
        def elbo(x, seed):
            terms = self.elbo_terms(x, x, seed=seed)
            return -(terms.reconstruction_loss + tf.reduce_sum(terms.kl, axis=-1))

        return tf.function(elbo, input_signature=[self._data_spec, _SEED_SPEC])

    @property
    def _data_spec(self):
        return tf.TensorSpec((None, *self.data_shape), tf.float32)

    def encode(self, x, batch_size=128):
        """Parameters of the posterior q(z|x).

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time.

        Returns:
            `z_mean` and `z_log_var`, NumPy arrays `(n, latent_dim)`.
        """
        batches = checks.batches_of("x", x, self, batch_size)
        return _concatenate([self._encode(batch) for batch in batches])

    def decode(self, z, batch_size=128):
        """Mean of p(x|z).

        Args:
            z: Array `(n, latent_dim)`.
            batch_size: Examples computed at a time.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.
        """
        z = checks.check_shape("z", np.asarray(z, "float32"), (self.latent_dim,))
        return _concatenate([self._decode(part) for part in _slices(z, batch_size)])

    def reconstruct(self, x, batch_size=128):
        """Decodes the mean of q(z|x): `decode(encode(x)[0])`.

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.
        """
        batches = checks.batches_of("x", x, self, batch_size)
        return _concatenate([self._reconstruct(batch) for batch in batches])

    def sample(self, num_samples, seed=None, batch_size=128):
        """New data: means of p(x|z) for draws z of the prior.

        Args:
            num_samples: Integer, how many.
            seed: Integer; sample `i` is drawn from `[seed, i]` alone, and is what the
                exported decoder's `sample` answers for it. `None`: new ones each call
                (`keras.utils.set_random_seed` makes those reproducible).
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(num_samples, *data_shape)`, in the data's units.
        """
        num_samples = checks.check_integer("num_samples", num_samples, minimum=1)
        seed = random.getrandbits(31) if seed is None else seed
        rows = noise.seed_rows(seed, 0, num_samples).numpy()
        return _concatenate([self._sample(part) for part in _slices(rows, batch_size)])

    def interpolate(self, x_a, x_b, num_steps=10, batch_size=128):
        """Decodes points on the line between the posterior means of two examples.

        ```
        z_t = (1 - t) * z_mean(x_a) + t * z_mean(x_b),     t = 0, ..., 1
        ```

        Args:
            x_a: Array `(n, *data_shape)`, where the lines begin.
            x_b: Array `(n, *data_shape)`, where they end.
            num_steps: Integer >= 2, points on each line, both ends included.
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(n, num_steps, *data_shape)`, in the data's units.
        """
        num_steps = checks.check_integer("num_steps", num_steps, minimum=2)
        z_a, z_b = self.encode(x_a, batch_size)[0], self.encode(x_b, batch_size)[0]
        if len(z_a) != len(z_b):
            raise ValueError(
                "`x_a` and `x_b` should hold equally many examples. Received: "
                f"{len(z_a)} and {len(z_b)}"
            )
        t = np.linspace(0.0, 1.0, num_steps, dtype="float32")[:, None]
        z = (1 - t) * z_a[:, None] + t * z_b[:, None]
        x = self.decode(z.reshape(-1, self.latent_dim), batch_size)
        return x.reshape(len(z_a), num_steps, *self.data_shape)

    def elbo(self, x, batch_size=128, seed=0):
        """Estimate of the ELBO of each example, a lower bound of log p(x).

        Args:
            x: Array `(n, *data_shape)`, or an iterable of batches.
            batch_size: Examples computed at a time; does not change the numbers.
            seed: Integer; example `i` gets its noise from `[seed, i]` alone. With
                0 the mean is what `evaluate` gives.

        Returns:
            NumPy array `(n,)`, nats; `-inf` outside the likelihood's support.
        """
        results, start = [], 0
        for batch in checks.batches_of("x", x, self, batch_size):
            rows = noise.seed_rows(seed, start, len(batch))
            results.append(self._elbo(batch, rows))
            start += len(batch)
        return _concatenate(results)


def _slices(array, batch_size):
    checks.check_integer("batch_size", batch_size, minimum=1)
    for start in range(0, len(array), batch_size):
        yield array[start : start + batch_size]


def _concatenate(results):
    """NumPy arrays of a list of batches of (tuples of) tensors."""
    if isinstance(results[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
    return np.concatenate(results)
