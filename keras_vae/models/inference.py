"""What a trained VAE is asked: arrays of any size in, NumPy arrays out."""

import random

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.models import checks

SEED_SPEC = tf.TensorSpec((None, 2), tf.int32, name="seed")
# Whatever is drawn of p(x|z) is independent of the z that was drawn from the same seed.
_DRAW_COUNTER = (0, 2)


class Inference:
    """The methods of a `VAE` that take and return arrays.

    Each works in batches, so that the data need not fit in memory at once, and is
    compiled once for batches of any size. They rest on the model's tensor methods and
    on its prior. Data are an array `(n, *data_shape)`, a dictionary of arrays where
    the model has conditions, or an iterable of batches.
    """

    @property
    def input_spec_structure(self):
        """`tf.TensorSpec` of x alone, or a dictionary where there are conditions."""
        specs = self.input_specs
        return specs if len(specs) > 1 else specs["x"]

    def graph(self, function, *specs, jit_compile=False):
        """`function(vae, *tensors)` as a graph, made once for this model.

        Args:
            function: Function of the model and of tensors; a plain function, not one
                made anew at each call.
            *specs: (Structures of) `tf.TensorSpec` of the tensors.
            jit_compile: Whether XLA compiles it, anew for each size of the tensors.

        Returns:
            The compiled function of the tensors. It is made again after a setting of
            the model was changed.
        """
        # In a dictionary of an object that Keras does not track.
        graphs, key = self._graphs.by_function, (function, jit_compile)
        if key not in graphs:
            # A concrete function: TensorFlow takes several models in one process for
            # one that is traced again and again, and warns.
            graphs[key] = tf.function(
                lambda *tensors: function(self, *tensors),
                input_signature=specs,
                autograph=False,
                jit_compile=jit_compile,
            ).get_concrete_function()
        return graphs[key]

    def _inputs_of(self, x, batch_size):
        support = checks.wants_support(self)
        return checks.batches_of("x", x, self, batch_size, support=support)

    def _code_spec(self):
        return tf.TensorSpec((None, *self.latent_shape), tf.float32, name="z")

    def _decoder_specs(self):
        return {name: self.conditions[name] for name in self.decoder_conditions}

    def encode(self, x, batch_size=128):
        """Parameters of the posterior q(z|x).

        Args:
            x: Data.
            batch_size: Examples computed at a time.

        Returns:
            A tuple of NumPy arrays `(n, ...)`, in the order of `q.parameters`: of a
            diagonal normal `z_mean` and `z_log_var`, `(n, *latent_shape)`.

        Raises:
            ValueError: If the data have another shape, are not finite or lie outside
                the likelihood's support (unless the model was trained to explain
                another target than x).
        """
        function = self.graph(_encode, self.input_spec_structure)
        return concatenate(function(batch) for batch in self._inputs_of(x, batch_size))

    def codes(self, x, batch_size=128):
        """Means of the posterior q(z|x): what is shown, interpolated and decoded.

        Args:
            x: Data.
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(n, *latent_shape)`.
        """
        function = self.graph(_codes, self.input_spec_structure)
        return concatenate(function(batch) for batch in self._inputs_of(x, batch_size))

    def decode(self, z, batch_size=128, **conditions):
        """Mean of p(x|z).

        Args:
            z: Array `(n, *latent_shape)`.
            batch_size: Examples computed at a time.
            **conditions: An array `(n, ...)`, or one row for all, of each condition.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.
        """
        z = checks.check_shape("z", np.asarray(z, "float32"), self.latent_shape)
        conditions = checks.check_conditions(conditions, self, len(z))
        function = self.graph(_decode, self._code_spec(), self._decoder_specs())
        return concatenate(
            function(z[rows], {name: c[rows] for name, c in conditions.items()})
            for rows in slices(len(z), batch_size)
        )

    def reconstruct(self, x, batch_size=128):
        """Decodes the mean of q(z|x).

        Args:
            x: Data.
            batch_size: Examples computed at a time.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.
        """
        function = self.graph(_reconstruct, self.input_spec_structure)
        return concatenate(function(batch) for batch in self._inputs_of(x, batch_size))

    def sample(
        self, num_samples, seed=None, batch_size=128, *, draws=False, **conditions
    ):
        """New data, from draws z of the prior.

        Args:
            num_samples: Integer, how many.
            seed: Integer from -2**31 to 2**32 - 1; sample `i` is drawn from
                `[seed, i]` alone, and is what the exported decoder's `sample` answers
                for it. `None`: new ones each call (`keras.utils.set_random_seed` makes
                those reproducible).
            batch_size: Examples computed at a time.
            draws: Whether to draw from p(x|z), as the data are by the model's own
                account, instead of taking its mean: binary instead of grey pixels, rows
                of a table with their noise.
            **conditions: An array `(num_samples, ...)`, or one row for all, of each
                condition.

        Returns:
            NumPy array `(num_samples, *data_shape)`, in the data's units.
        """
        return np.concatenate(
            [*self.sample_batches(num_samples, seed, batch_size, draws, **conditions)]
        )

    def sample_batches(
        self, num_samples, seed=None, batch_size=128, draws=False, **conditions
    ):
        """The samples of `sample`, a batch at a time: for more than memory holds.

        Arguments are those of `sample`.

        Returns:
            Iterator of NumPy arrays `(batch, *data_shape)`.
        """
        num_samples = check_integer("num_samples", num_samples, 1, 2**31 - 1)
        conditions = checks.check_conditions(conditions, self, num_samples)
        seed = random.getrandbits(31) if seed is None else checks.check_seed(seed)
        function = self.graph(
            _draw if draws else _sample, SEED_SPEC, self._decoder_specs()
        )
        return (
            function(
                noise.example_seeds(seed, rows.start, rows.stop - rows.start),
                {name: c[rows] for name, c in conditions.items()},
            ).numpy()
            for rows in slices(num_samples, batch_size)
        )

    def interpolate(self, x_a, x_b, num_steps=10, batch_size=128):
        """Decodes points on the line between the posterior means of two examples.

        ```
        z_t = (1 - t) * z_mean(x_a) + t * z_mean(x_b),     t = 0, ..., 1
        ```

        Args:
            x_a: Data, where the lines begin; conditions are those of `x_a`.
            x_b: Data, where they end.
            num_steps: Integer >= 2, points on each line, both ends included.
            batch_size: Examples computed at a time.

        Returns:
            NumPy array `(n, num_steps, *data_shape)`, in the data's units.
        """
        num_steps = check_integer("num_steps", num_steps, minimum=2)
        if self.decoder_conditions and not isinstance(x_a, dict):
            raise ValueError(
                "`x_a` should be a dictionary of arrays, with the conditions under "
                f"which to decode. Received: {type(x_a).__name__}"
            )
        z_a, z_b = self.codes(x_a, batch_size), self.codes(x_b, batch_size)
        if len(z_a) != len(z_b):
            raise ValueError(
                "`x_a` and `x_b` should hold equally many examples. Received: "
                f"{len(z_a)} and {len(z_b)}"
            )
        t = np.linspace(0.0, 1.0, num_steps, dtype="float32")
        t = t.reshape(-1, *[1] * len(self.latent_shape))
        z = (1 - t) * z_a[:, None] + t * z_b[:, None]
        conditions = {
            name: np.repeat(np.asarray(x_a[name]), num_steps, axis=0)
            for name in self.decoder_conditions
        }
        x = self.decode(z.reshape(-1, *self.latent_shape), batch_size, **conditions)
        return x.reshape(len(z_a), num_steps, *self.data_shape)

    def score(self, x, batch_size=128, seed=0):
        """The ELBO of each example, a lower bound of log p(x), and its parts.

        Args:
            x: Data.
            batch_size: Examples computed at a time; does not change the numbers, but
                for those that are statistics of a batch (a `total_correlation`).
            seed: Integer; example `i` gets its noise from `[seed, i]` alone. With 0
                the means are what `evaluate` gives.

        Returns:
            A dictionary of NumPy arrays `(n,)`, nats: `elbo` (`-inf` outside the
            likelihood's support), `reconstruction_loss`, `kl_loss`; of another model
            what it has in its `MEASURES`.
        """
        seed = checks.check_seed(seed)
        function = self.graph(_score, self.input_spec_structure, SEED_SPEC)
        parts, start = [], 0
        for batch in checks.batches_of("x", x, self, batch_size):
            size = num_rows(batch)
            parts.append(function(batch, noise.example_seeds(seed, start, size)))
            start += size
        return {name: concatenate(part[name] for part in parts) for name in parts[0]}

    def elbo(self, x, batch_size=128, seed=0):
        """Estimate of the ELBO of each example: `score(x)["elbo"]`.

        Args:
            x: Data.
            batch_size: Examples computed at a time; does not change the numbers.
            seed: Integer; example `i` gets its noise from `[seed, i]` alone.

        Returns:
            NumPy array `(n,)`, nats; `-inf` outside the likelihood's support.

        Raises:
            ValueError: If the model has no ELBO.
        """
        checks.check_density(self)
        return self.score(x, batch_size, seed)["elbo"]


def _encode(vae, inputs):
    return tuple(vae.posterior(vae.prepare(inputs)).parameters.values())


def _codes(vae, inputs):
    return vae.posterior(vae.prepare(inputs)).mean


def _reconstruct(vae, inputs):
    return vae.call(inputs)


def _decode(vae, z, conditions):
    return vae.reconstruction(z, conditions or None)


def _sample(vae, seed, conditions):
    return _decode(vae, vae.prior.sample(seed, vae.latent_shape), conditions)


def _draw(vae, seed, conditions):
    z = vae.prior.sample(seed, vae.latent_shape)
    seed = noise.threefry2x32(seed, tf.constant(_DRAW_COUNTER))
    return vae.draw(z, seed, conditions or None)


def _score(vae, inputs, seed):
    terms = vae.deterministic_terms(inputs, seed)
    measures = dict(zip(vae.MEASURES, vae.measures(terms), strict=True))
    return {name: measures[name] for name in sorted(measures, key="elbo".__ne__)}


def num_rows(batch):
    """Examples in a batch, an array or a dictionary of arrays."""
    return len(batch["x"] if isinstance(batch, dict) else batch)


def slices(num_rows, batch_size):
    """The slices of rows that make batches."""
    batch_size = check_integer("batch_size", batch_size, minimum=1)
    for start in range(0, num_rows, batch_size):
        yield slice(start, min(start + batch_size, num_rows))


def concatenate(results):
    """NumPy arrays of batches of (tuples of) tensors."""
    results = list(results)
    if isinstance(results[0], tuple | list):
        return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
    return np.concatenate(results)
