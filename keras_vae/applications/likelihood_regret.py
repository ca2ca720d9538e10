"""Likelihood regret: how much better a posterior of its own explains an item."""

import tensorflow as tf

from keras_vae.distributions import Normal
from keras_vae.models import checks

# Adam of all items at once: each has its own parameters, gradients and moments.
NUM_STEPS = 100
LEARNING_RATE = 0.05
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


def likelihood_regret(vae, inputs, draws):
    """The gain in ELBO from optimising q for one item, nats.

    ```
    regret(x) = max_q elbo(x; q) - elbo(x; q(z|x) of the encoder)  >=  0
    ```

    Of an item like those of the training the encoder's posterior is nearly the best
    there is; of another it is not, though its ELBO may be higher (as that of simple
    images is). Here q is optimised as its mean and log variance, from the encoder's on,
    by 100 steps of Adam, on the same draws before and after; the best step counts.

    Args:
        vae: A `keras_vae.VAE` whose posterior is a diagonal normal.
        inputs: As `vae.prepare` returns them.
        draws: Standard normal, `(num_samples, batch, *latent_shape)`.

    Returns:
        float32 tensor `(batch,)`.

    Raises:
        ValueError: If the posterior is of another kind.

    Reference:
        Xiao, Yan & Amit, "Likelihood Regret: An Out-of-Distribution Detection Score For
        Variational Auto-encoder" (2020), equation 6.
    """
    target = inputs["x"] if isinstance(inputs, dict) else inputs
    q = checks.check_normal(vae, vae.posterior(inputs))

    def elbo(parameters):
        return vae.terms_of_draws(Normal(*parameters), inputs, target, draws).elbo

    def gradients(parameters):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            values = elbo(parameters)
        return values, tape.gradient(values, parameters)

    def step(i, parameters, first, second, best):
        values, slopes = gradients(parameters)
        t = tf.cast(i + 1, tf.float32)
        rate = LEARNING_RATE * tf.sqrt(1 - _BETA_2**t) / (1 - _BETA_1**t)
        moved, firsts, seconds = [], [], []
        for p, m, v, g in zip(parameters, first, second, slopes, strict=True):
            m = _BETA_1 * m + (1 - _BETA_1) * g
            v = _BETA_2 * v + (1 - _BETA_2) * tf.square(g)
            moved.append(p + rate * m / (tf.sqrt(v) + _EPSILON))
            firsts.append(m)
            seconds.append(v)
        return i + 1, moved, firsts, seconds, tf.maximum(best, values)

    begin = [q.mean, q.log_var]
    zeros = [tf.zeros_like(p) for p in begin]
    before = elbo(begin)
    state = (tf.constant(0), begin, zeros, list(zeros), before)
    _, found, _, _, best = tf.while_loop(
        lambda i, *_: i < NUM_STEPS, step, state, parallel_iterations=1
    )
    regret = tf.maximum(best, elbo(found)) - before
    # What the likelihood cannot produce at all no posterior explains.
    return tf.where(tf.math.is_finite(before), regret, float("inf"))
