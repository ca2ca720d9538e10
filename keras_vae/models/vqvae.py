"""The VAE with discrete codes."""

import keras
import numpy as np
import tensorflow as tf

from keras_vae.arguments import check_number
from keras_vae.distributions import Quantized
from keras_vae.layers.vector_quantizer import VectorQuantizer
from keras_vae.models import checks
from keras_vae.models.vae import VAE
from keras_vae.priors import AutoregressiveCodes


@keras.saving.register_keras_serializable(package="keras_vae")
class VQVAE(VAE):
    """VAE whose codes are discrete: at each position, a vector of a learned codebook.

    ```
    z    = e_k,  k = argmin_k |encoder(x) - e_k|^2        at each position
    loss = reconstruction_loss + beta kl_loss + commitment |encoder(x) - sg(z)|^2
                                (+ |sg(encoder(x)) - z|^2 for a codebook with gradients)
    kl_loss = -log P(codes)
    ```

    where sg stops gradients, and that of z goes to the encoder as if nothing were
    quantized. The posterior is one code, without entropy, so `kl_loss` is what the
    prior says of the codes, and `elbo` is a true bound of log p(x). It trains the prior
    alone: the rest of the model does not depend on it. It logs, beside what `VAE` logs,
    `perplexity`: how many codes have been in use lately (in training; it does not
    depend on the data that are evaluated).

    When to use it: for compression to integers, for codes that a sequence model is to
    be trained on, for sharp reconstructions. When not: where the latent space should be
    smooth (to interpolate or to traverse), for single vectors of few numbers, or where
    the likelihood of data counts: its bound is loose. What it costs: the distances to
    all codes at each position, and in training the prior's network at each position,
    beside encoder and decoder; `sample` takes one pass of that network for each
    position, one after another.

    `encode` gives `z`, the vectors, and `codes`, the integers that one stores:
    `vae.decode_codes(codes)` restores the data, as the exported decoder's endpoint of
    that name does on a server or a phone. `decode` takes vectors as they
    are, in the codebook or not: those between codes are not quantized.

    Args:
        encoder: Functional Keras model, `x` -> vectors `(batch, ..., code_dim)`.
        decoder: Keras model, vectors of that shape -> parameters of p(x|z).
        quantizer: A `keras_vae.layers.VectorQuantizer`, or the number of its codes.
        commitment: Number, how strongly the encoder is held to its codes.
        prior: A `keras_vae.priors.CodesPrior`; `None` stands for `AutoregressiveCodes`.
        **kwargs: Arguments of `VAE`, but `flow`.

    Attributes:
        quantizer: The `VectorQuantizer`.

    Raises:
        ValueError: If encoder, decoder, quantizer and prior do not fit one another, or
            an argument is out of its range.

    Example:

    >>> import keras_vae, numpy as np
    >>> networks = keras_vae.networks.quantized_convolutional((8, 8, 1), 4, seed=0)
    >>> vae = VQVAE(*networks, quantizer=16, seed=0)
    >>> vae.compile("adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 8, 8, 1)).astype("float32")
    >>> history = vae.fit(x, verbose=0)
    >>> z, codes = vae.encode(x)
    >>> z.shape, codes.shape
    ((64, 2, 2, 4), (64, 2, 2))
    >>> bool(np.allclose(vae.decode_codes(codes), vae.reconstruct(x), atol=1e-6))
    True
    >>> vae.sample(3, seed=0).shape
    (3, 8, 8, 1)

    Reference:
        van den Oord, Vinyals & Kavukcuoglu, "Neural Discrete Representation Learning"
        (2017), equations 1 to 3.
    """

    MEASURES = (*VAE.MEASURES, "perplexity")
    FIXED = (*VAE.FIXED, "quantizer")
    UNUSED = {
        "flow": "its codes are points, and a flow transforms a density",
        "capacity": "its KL is the length of the codes, which the prior alone learns",
        "free_bits": "its KL is the length of the codes, which the prior alone learns",
        "num_samples": "all draws of z would be the same",
    }

    def __init__(
        self,
        encoder,
        decoder,
        *,
        quantizer=512,
        commitment=0.25,
        prior=None,
        **kwargs,
    ):
        seed = kwargs.get("seed")
        if not isinstance(quantizer, VectorQuantizer):
            quantizer = VectorQuantizer(quantizer, seed=seed or 0)
        if prior is None:
            prior = AutoregressiveCodes(quantizer.num_codes, seed=seed)
        if getattr(prior, "num_codes", None) != quantizer.num_codes:
            raise ValueError(
                "`prior` should be a keras_vae.priors.CodesPrior over the "
                f"{quantizer.num_codes} codes of the quantizer. Received: "
                f"prior={prior!r}. Mend: leave it out, or "
                f"keras_vae.priors.UniformCodes({quantizer.num_codes})"
            )
        super().__init__(encoder, decoder, prior=prior, **kwargs)
        outputs = [tuple(output.shape[1:]) for output in encoder.outputs]
        if outputs != [self.latent_shape]:
            raise ValueError(
                "`encoder` should have one output, the vectors that are quantized, of "
                f"the shape {(None, *self.latent_shape)} that the decoder takes. "
                f"Received: {outputs}"
            )
        if not quantizer.built:
            quantizer.build((None, *self.latent_shape))
        self.quantizer = quantizer
        self.commitment = commitment

    def __setattr__(self, name, value):
        if name == "commitment":
            value = check_number("commitment", value, minimum=0.0)
        super().__setattr__(name, value)

    def posterior(self, inputs, training=False):
        encoded = self._interface.encoder(inputs, inputs, training)
        encoded = tf.cast(encoded, tf.float32)
        codes = self.quantizer(encoded, training=training)
        vectors = self.quantizer.vectors(codes)
        # The gradient of z is the encoder's; its value, to the bit, the codebook's.
        straight_through = encoded - tf.stop_gradient(encoded)
        z = tf.stop_gradient(vectors) + straight_through
        return Quantized(z, codes, encoded, vectors)

    def objective(self, terms):
        loss = super().objective(terms) + self.commitment * terms.q.commitment
        if self.quantizer.decay is None:
            loss += terms.q.codebook_loss
        return loss

    def terms_of_draws(self, q, inputs, target, noise, training=False):
        terms = super().terms_of_draws(q, inputs, target, noise, training)
        # A number of the model, not of the example: the same for all.
        perplexity = self.quantizer.perplexity() + tf.zeros_like(terms.elbo)
        return terms._replace(further={"perplexity": perplexity})

    def nearest_codes(self, z):
        """Codes of the vectors of the codebook that are nearest to others.

        Args:
            z: Tensor `(n, *latent_shape)`.

        Returns:
            int32 tensor `(n, *latent_shape[:-1])`.
        """
        return self.quantizer.nearest(z)

    def vectors(self, codes):
        """Vectors of codes: what `decode` takes.

        Args:
            codes: Integers `(n, *latent_shape[:-1])`, from 0 to `num_codes - 1`.

        Returns:
            float32 tensor `(n, *latent_shape)`.
        """
        return self.quantizer.vectors(tf.cast(codes, tf.int32))

    def decode_codes(self, codes, batch_size=128, **conditions):
        """Mean of p(x|z) for the z of given codes: what was stored, restored.

        Args:
            codes: Integers `(n, *latent_shape[:-1])`, from 0 to `num_codes - 1`, such
                as `encode(x)[1]`.
            batch_size: Examples computed at a time.
            **conditions: As of `decode`.

        Returns:
            `reconstruction`, NumPy array `(n, *data_shape)`, in the data's units.

        Raises:
            ValueError: If the codes have another shape, are no integers, or not in the
                codebook.
        """
        codes = checks.check_shape("codes", np.asarray(codes), self.latent_shape[:-1])
        highest = self.quantizer.num_codes - 1
        if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() > highest:
            raise ValueError(
                f"`codes` should be integers from 0 to {highest}. Received: dtype "
                f"{codes.dtype}, from {codes.min()} to {codes.max()}"
            )
        codebook = np.asarray(self.quantizer.codebook)
        return self.decode(codebook[codes], batch_size, **conditions)

    def get_config(self):
        return {
            **super().get_config(),
            "quantizer": keras.saving.serialize_keras_object(self.quantizer),
            "commitment": self.commitment,
        }
