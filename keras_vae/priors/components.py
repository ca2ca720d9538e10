"""What mixtures have in common: the density of a weighted sum, and a draw of its terms.

The components are one posterior, an object as of `keras_vae.distributions`, with a
component in each row.
"""

import tensorflow as tf

from keras_vae import noise

# The second word of the counters of which a component is drawn: z is drawn from the
# same seed, and its counters end in 0.
_STREAM = int.from_bytes(b"p(k)", "big")


def mixture_log_prob(z, components, log_weights):
    """log sum_k weights_k p_k(z).

    Args:
        z: Tensor `(num_samples, batch, *latent_shape)`.
        components: Distribution of `num_components` rows.
        log_weights: Tensor `(num_components,)`, nats; the weights sum to 1.

    Returns:
        Tensor `(num_samples, batch)`, nats.

    Example:

    >>> from keras_vae.distributions import Normal
    >>> two = Normal([[0.0], [0.0]], [[0.0], [0.0]])
    >>> z = tf.zeros((1, 1, 1))
    >>> log_prob = mixture_log_prob(z, two, tf.math.log([0.3, 0.7]))
    >>> round(float(log_prob[0, 0]), 4)  # that of one
    -0.9189
    """
    shape = tf.shape(z)
    latent_shape = z.shape[2:]
    # Each z once for each component: draws are rows, and components what was the batch.
    each = tf.reshape(z, (-1, 1, *latent_shape))
    num_components = log_weights.shape[0]
    each = tf.broadcast_to(
        each, tf.concat([tf.shape(each)[:1], [num_components], latent_shape], axis=0)
    )
    log_probs = log_weights + components.log_prob(each)
    return tf.reshape(tf.reduce_logsumexp(log_probs, axis=-1), shape[:2])


def draw_component(seed, log_weights):
    """A component for each seed, with the probabilities of the weights.

    Args:
        seed: int32 tensor `(batch, 2)`; a row determines its draw alone. z may be
            drawn from the same.
        log_weights: Tensor `(num_components,)`, nats.

    Returns:
        int32 tensor `(batch,)`.

    Example:

    >>> draw_component([[7, 0], [7, 1]], tf.math.log([0.0, 1.0])).numpy().tolist()
    [1, 1]
    """
    uniform = noise.uniform(noise.threefry2x32(seed, [0, _STREAM]), 1)
    ends = tf.cumsum(tf.exp(log_weights))[:-1]
    # How many components end below: a comparison and a sum, of which every runtime has
    # an operator.
    return tf.reduce_sum(tf.cast(uniform > ends, tf.int32), axis=-1)
