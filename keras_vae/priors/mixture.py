"""The mixture of Gaussians as a prior."""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.arguments import check_integer
from keras_vae.distributions import LOG_VAR_RANGE, Normal
from keras_vae.priors.base import Prior
from keras_vae.priors.components import draw_component, mixture_log_prob

# Of several components, the standard deviation of the initial means; what is left of
# the variance is the components' own, so that all of it is near N(0, I).
INITIAL_SPREAD = 0.5


@keras.saving.register_keras_serializable(package="keras_vae")
class MixturePrior(Prior):
    """A mixture of diagonal normals with trained means, variances and weights.

    ```
    p(z) = sum_k softmax(logits)_k N(z; means_k, exp(log_vars_k))
    ```

    At the start it is near the standard normal, and with one component it is that. The
    KL is a Monte Carlo estimate.

    When to use it: codes come in clusters; a prior that fits the codes is wanted and
    pseudo-inputs (`VampPrior`) are too dear. `fit_mixture` makes one after training, as
    a sampler. When not: to learn clusters as such, for which no member of this family
    is meant; with few data, which the components may learn by heart one by one: watch
    the validation loss. Cost: for each draw of z the density of every component,
    `num_components * latent_dim` numbers; as many twice as weights.

    Args:
        num_components: Integer.
        seed: Integer: the same seed gives the same initial means.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        means: Weight `(num_components, *latent_shape)`.
        log_vars: Weight of the same shape.
        logits: Weight `(num_components,)`.

    Raises:
        ValueError: If an argument is out of its range.

    Example:

    >>> prior = MixturePrior(num_components=1)
    >>> prior.build((3,))
    >>> round(float(prior.log_prob(tf.zeros((1, 1, 3)))[0, 0]), 4)
    -2.7568
    >>> prior.sample([[7, 0], [7, 1]], (3,)).shape
    TensorShape([2, 3])

    Reference:
        Bishop, "Pattern Recognition and Machine Learning" (2006), equation 2.188; as a
        prior, Tomczak & Welling, "VAE with a VampPrior" (2018), where it is the MoG.
    """

    def __init__(self, num_components=10, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.num_components = check_integer("num_components", num_components, minimum=1)
        self.seed = seed if seed is None else check_integer("seed", seed, minimum=0)

    def build(self, latent_shape):
        shape = (self.num_components, *latent_shape)
        spread = INITIAL_SPREAD if self.num_components > 1 else 0.0
        normal = keras.initializers.RandomNormal(stddev=spread, seed=self.seed)
        log_var = keras.initializers.Constant(math.log(1.0 - spread**2))
        # autocast=False: float32 inside a model of mixed precision too.
        self.means = self.add_weight(
            name="means", shape=shape, initializer=normal, autocast=False
        )
        self.log_vars = self.add_weight(
            name="log_vars", shape=shape, initializer=log_var, autocast=False
        )
        self.logits = self.add_weight(
            name="logits",
            shape=(self.num_components,),
            initializer="zeros",
            autocast=False,
        )
        super().build(latent_shape)

    def log_prob(self, z):
        components = Normal(self.means, self.log_vars)
        z = tf.convert_to_tensor(z)
        return mixture_log_prob(z, components, tf.nn.log_softmax(self.logits))

    def sample(self, seed, latent_shape):
        index = draw_component(seed, tf.nn.log_softmax(self.logits))
        components = Normal(
            tf.gather(self.means, index), tf.gather(self.log_vars, index)
        )
        return components.sample(noise.draws(seed, 1, tuple(latent_shape)))[0]

    def get_config(self):
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "seed": self.seed,
        }


def fit_mixture(codes, num_components=10, seed=0):
    """A mixture of Gaussians fitted to codes after training: another sampler.

    Draws of the standard normal fall between the codes of data too, where no decoder
    was trained; draws of this mixture fall where the codes are. It is a `MixturePrior`,
    so a model around the same networks samples from it, and is saved and exported:

    ```
    fitted = priors.fit_mixture(vae.codes(x_train), num_components=50)
    sampler = type(vae)(
        vae.encoder, vae.decoder, likelihood=vae.likelihood, prior=fitted)
    sampler.sample(16, seed=0)
    ```

    with all else (`standardize=`, `flow=`) as `vae` has it. Training `sampler` on goes
    on with this prior. When to use it: samples that look wrong while reconstructions
    look right, of an `Autoencoder` too, whose codes have no prior at all. When not: to
    compare `marginal_log_likelihood`, unless codes of draws of q(z|x), and not its
    means, were fitted: means lie closer together than what the decoder was trained on.
    Cost: seconds; the choice of `num_components` by the likelihood of held-out codes.

    Args:
        codes: Array `(n, *latent_shape)`, as `vae.codes` returns them.
        num_components: Integer, at most n.
        seed: Integer, of scikit-learn's initial components.

    Returns:
        A `MixturePrior`, built, of `num_components` components.

    Raises:
        ValueError: If there are fewer codes than components, or codes are not finite.

    Example:

    >>> import keras_vae
    >>> networks = keras_vae.networks.dense((4,), 2, hidden_units=(8,), seed=0)
    >>> vae = keras_vae.VAE(*networks, seed=0)
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> fitted = fit_mixture(vae.codes(x), num_components=3)
    >>> sampler = keras_vae.VAE(vae.encoder, vae.decoder, prior=fitted)
    >>> sampler.sample(5, seed=0).shape
    (5, 4)

    Reference:
        Ghosh et al., "From Variational to Deterministic Autoencoders" (2020), section
        4: ex-post density estimation; scikit-learn's `GaussianMixture`, diagonal.
    """
    from sklearn.mixture import GaussianMixture  # a second to import, and only here

    codes = np.asarray(codes, "float64")
    num_components = check_integer("num_components", num_components, minimum=1)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    if codes.ndim < 2 or not np.isfinite(codes).all() or len(codes) < num_components:
        raise ValueError(
            "`codes` should be an array (n, *latent_shape) of finite numbers with at "
            f"least num_components={num_components} rows. Received: shape "
            f"{codes.shape}" + ("" if np.isfinite(codes).all() else ", not all finite")
        )
    latent_shape = codes.shape[1:]
    mixture = GaussianMixture(
        num_components, covariance_type="diag", random_state=seed, max_iter=500
    )
    mixture.fit(codes.reshape(len(codes), -1))
    prior = MixturePrior(num_components)
    prior.build(latent_shape)
    prior.means.assign(mixture.means_.reshape(-1, *latent_shape))
    log_vars = np.clip(np.log(mixture.covariances_), *LOG_VAR_RANGE)
    prior.log_vars.assign(log_vars.reshape(-1, *latent_shape))
    prior.logits.assign(np.log(mixture.weights_))
    return prior
