"""The variational autoencoder."""

import functools
import inspect

import keras
import tensorflow as tf

from keras_vae import likelihoods, priors, schedules
from keras_vae.arguments import check_integer, check_number
from keras_vae.distributions import Normal, Transformed, for_each_draw
from keras_vae.layers.sampling import Sampling
from keras_vae.models import checks, interface, network_checks
from keras_vae.models.elbo_terms import ElboTerms
from keras_vae.models.inference import Inference
from keras_vae.models.saving import Saving
from keras_vae.models.trainer import Trainer


@keras.saving.register_keras_serializable(package="keras_vae")
class VAE(Inference, Saving, Trainer):
    """Variational autoencoder: an encoder and a decoder trained to maximise the ELBO.

    ```
    elbo(x) = E_q(z|x)[log p(x|z)] - KL(q(z|x) || p(z))  <=  log p(x)
    loss    = reconstruction_loss + beta * kl_loss       (free_bits = 0, no capacity)
    loss    = reconstruction_loss + beta * |kl_loss - capacity|
    ```

    A `keras.Model` like any other: `compile`, `fit`, `evaluate`, `predict`, callbacks
    and `.keras` files. `fit` takes `x`; `(x, target)` to encode `x` and explain
    `target` (a denoising VAE); and `sample_weight`. It logs, as means over the epoch,
    `loss` and, in nats per example, `reconstruction_loss`, `kl_loss` (never weighted)
    and `elbo` (always at beta 1). `evaluate` draws its noise from fixed seeds: the
    same data give the same numbers, with any batch size.

    Networks with further inputs make a conditional model: each input beside the data
    (of the encoder) or the code (of the decoder) is a condition, by its name, and
    `fit`, `encode`, ... take `{"x": x, "condition": c}`, `sample` and `decode` an
    argument `condition`.

    When to use it: first, and as what the rest of the family is measured against: for
    codes, samples and an ELBO in one model. When not: where only log p(x) counts (an
    `IWAE`, a `VampPrior`, a `HierarchicalVAE` explain the data better), or only the
    reconstruction does (`Autoencoder`), or codes have to be integers (`VQVAE`). What it
    costs: a pass through encoder and decoder for each example, with `num_samples` as
    many through the decoder; samples of images are blurred, and dimensions of z that
    say less than they cost are switched off.

    A variant overrides one of the tensor methods and nothing else: `posterior` for
    another q(z|x), `decode_parameters` for another p(x|z), `objective` for another
    bound, rarely `elbo_terms`.

    Args:
        encoder: Functional Keras model, `x` -> `[z_mean, z_log_var]` (or a dictionary
            of these); a third output, `context`, is for `flow`.
        decoder: Functional or sequential Keras model, `z` -> parameters of p(x|z),
            shape `(batch, *likelihood.parameter_shape(data_shape))`, unconstrained.
        likelihood: Name or instance of a `keras_vae.likelihoods.Likelihood`.
        prior: Name or instance of a `keras_vae.priors.Prior`.
        flow: `None` or a flow of `keras_vae.layers` that the draws of q(z|x) go
            through: another posterior than the diagonal normal.
        beta: Weight of the KL: a number, a schedule (`keras_vae.schedules`, or of
            Keras) or a function of the step.
        capacity: Target of the KL in nats: as `beta`, or `None`.
        free_bits: Floor, in nats, in the loss under the KL of each group of latent
            dimensions, averaged over the batch (of a replica): under each dimension's,
            where that is in closed form; with another prior or a flow under the whole.
        num_samples: Draws of z for each example over which the ELBO is averaged.
        standardize: `None` or a `keras_vae.layers.Standardize`: data go in and come
            out in their own units, while encoder, decoder and likelihood see
            (and all nats are of) standardised data.
        seed: Integer seed of the noise in training; `None` draws one.
        **kwargs: `name`, `trainable`, `dtype` of `keras.Model`.

    `beta`, `capacity`, `free_bits` and `num_samples` may be assigned at any time, by a
    callback say: they are converted as here, and the next step uses them.

    Attributes:
        data_shape: Tuple, shape of one example.
        latent_shape: Tuple, shape of one code: that of the decoder's input.
        latent_dim: Integer, numbers in a code.
        conditions: `tf.TensorSpec` of each input beside x, by name.
        encoder_conditions: Names of those that the encoder takes.
        decoder_conditions: Names of those that the decoder takes.
        sampling: The `Sampling` layer.
        step: Batches trained on so far: the position in the schedules, saved with the
            model.

    Raises:
        ValueError: If encoder, decoder and likelihood do not fit one another, or an
            argument is out of its range.

    Example:

    >>> import keras_vae, numpy as np
    >>> encoder, decoder = keras_vae.networks.dense((4,), 2, hidden_units=(8,))
    >>> vae = keras_vae.VAE(encoder, decoder, beta=1.0, seed=0)
    >>> vae.compile(optimizer="adam")
    >>> x = np.random.default_rng(0).uniform(size=(64, 4)).astype("float32")
    >>> history = vae.fit(x, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['elbo', 'kl_loss', 'loss', 'reconstruction_loss']
    >>> vae.sample(3, seed=0).shape
    (3, 4)

    Reference:
        Kingma & Welling, "Auto-Encoding Variational Bayes" (2014), equation 7; Higgins
        et al., "beta-VAE" (2017), equation 4; Burgess et al., "Understanding
        disentangling in beta-VAE" (2018), equation 8; Kingma et al., "Improving
        Variational Inference with Inverse Autoregressive Flow" (2016), equation 15.
    """

    # Arguments that make the model what it is; the others may be assigned later.
    FIXED = ("encoder", "decoder", "likelihood", "prior", "flow", "standardize", "seed")
    # Arguments that a subclass has no use for, each with the reason.
    UNUSED = {}

    def __init__(
        self,
        encoder,
        decoder,
        *,
        likelihood="bernoulli",
        prior="standard_normal",
        flow=None,
        beta=1.0,
        capacity=None,
        free_bits=0.0,
        num_samples=1,
        standardize=None,
        seed=None,
        **kwargs,
    ):
        # The parts cast for themselves: x must not become a float16 on its way in.
        super().__init__(autocast=False, **kwargs)
        likelihood = likelihoods.get(likelihood)
        self._interface = interface.read(encoder, decoder)
        if type(self).posterior is VAE.posterior:
            network_checks.check_encoder(encoder, self.latent_shape, flow is not None)
        if type(self).decode_parameters is VAE.decode_parameters:
            network_checks.check_decoder(decoder, likelihood, self.data_shape)
        if standardize is not None and not callable(
            getattr(standardize, "inverse", None)
        ):
            raise ValueError(
                "`standardize` should be a keras_vae.layers.Standardize or None. "
                f"Received: standardize={standardize!r}"
            )
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.prior = priors.get(prior)
        self.flow = flow
        if flow is not None and not flow.built:
            context = network_checks.named_outputs(encoder.output).get("context")
            shape = None if context is None else tuple(context.shape[1:])
            flow.build(self.latent_shape, shape)
        self.beta = beta
        self.capacity = capacity
        self.free_bits = free_bits
        self.num_samples = num_samples
        self.standardize = standardize
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0)
        self.sampling = Sampling(seed=self.seed, name="sampling")
        self.prior.connect(self)
        if not self.prior.built:
            self.prior.build(self.latent_shape)
        self.built = True

    @property
    def data_shape(self):
        return self._interface.data_shape

    @property
    def latent_shape(self):
        return self._interface.latent_shape

    @property
    def latent_dim(self):
        return self._interface.latent_dim

    @property
    def conditions(self):
        return dict(self._interface.conditions)

    @property
    def encoder_conditions(self):
        return self._interface.encoder.conditions

    @property
    def decoder_conditions(self):
        return self._interface.decoder.conditions

    @property
    def input_specs(self):
        """`tf.TensorSpec` of everything that `fit` is given, by name: x and conditions.

        A model with a use for more (labels, say) overrides it and finds it in `inputs`.
        """
        x = tf.TensorSpec((None, *self.data_shape), tf.float32, name="x")
        return {"x": x, **self.conditions}

    def __setattr__(self, name, value):
        if name in self.FIXED and name in self.__dict__:
            raise AttributeError(
                f"`{name}` is a part of this model and stays. Mend: build another "
                "model around the same networks, "
                f"{type(self).__name__}(vae.encoder, vae.decoder, {name}=...)"
            )
        if name in self.UNUSED:
            default = inspect.signature(VAE).parameters[name].default
            checks.check_unused(self, name, value, default)
        if name == "beta" or (name == "capacity" and value is not None):
            value = schedules.get(value, name)
            old = getattr(self, name, None)
            if isinstance(value, schedules.Constant):
                if isinstance(old, schedules.Constant):
                    old.value = value.value  # the graphs read it: none is made anew
                    return
                value = schedules.Constant(value.value)  # not somebody else's
        elif name == "free_bits":
            value = check_number("free_bits", value, minimum=0.0)
        elif name == "num_samples":
            value = check_integer("num_samples", value, minimum=1)
        super().__setattr__(name, value)
        if name in self._arguments() and getattr(self, "built", False):
            self._forget_graphs()

    @classmethod
    @functools.cache
    def _arguments(cls):
        """Names of the constructor's arguments, those of the bases among them."""
        bases = [base for base in cls.__mro__ if issubclass(base, VAE)]
        return {n for base in bases for n in inspect.signature(base).parameters}

    # Tensors in, tensors out: what training, the methods and the export are made of.

    def prepare(self, inputs):
        """What `fit` is given, as the tensor methods take it: checked, float32.

        Args:
            inputs: Tensor `(batch, *data_shape)` in the data's units, or a dictionary
                `{"x": ..., ...}` with what else the model takes.

        Returns:
            The tensor, or the dictionary where the model takes more than x. Of a model
            that standardises, x is standardised.
        """
        prepared = checks.check_inputs(inputs, self.input_specs)
        if self.standardize is not None:
            prepared["x"] = self.standardize(prepared["x"])
        return prepared if len(prepared) > 1 else prepared["x"]

    def posterior(self, inputs, training=False):
        """q(z|x): the method that another posterior overrides.

        Args:
            inputs: As `prepare` returns them.
            training: Whether the encoder runs in training mode.

        Returns:
            A posterior, here `keras_vae.distributions.Normal`, and with a flow
            `Transformed`.
        """
        outputs = self._interface.encoder(inputs, inputs, training)
        outputs = network_checks.named_outputs(outputs)
        q = Normal(outputs["z_mean"], outputs["z_log_var"])
        if self.flow is None:
            return q
        context = outputs.get("context")
        return Transformed(q, lambda z: self.flow(z, context))

    def decode_parameters(self, z, inputs=None, training=False):
        """Parameters of p(x|z): the method that another decoder overrides.

        Args:
            z: Tensor `(n, *latent_shape)`.
            inputs: As `prepare` returns them, a row for each z; where new data are
                made the conditions alone, or `None`.
            training: Whether the decoder runs in training mode.

        Returns:
            Tensor `(n, *likelihood.parameter_shape(data_shape))`.
        """
        return self._interface.decoder(z, inputs, training)

    def reconstruction(self, z, inputs=None, training=False):
        """Mean of p(x|z), as a tensor.

        Args:
            z: Tensor `(n, *latent_shape)`.
            inputs: As for `decode_parameters`.
            training: Whether the decoder runs in training mode.

        Returns:
            float32 tensor `(n, *data_shape)`, in the data's units.
        """
        return self._in_data_units(
            self.likelihood.mean(self.decode_parameters(z, inputs, training))
        )

    def draw(self, z, seed, inputs=None):
        """One draw of p(x|z) for each z, as a tensor.

        Args:
            z: Tensor `(n, *latent_shape)`.
            seed: int32 tensor `(n, 2)`; a row determines its draw alone.
            inputs: As for `decode_parameters`.

        Returns:
            float32 tensor `(n, *data_shape)`, in the data's units.
        """
        return self._in_data_units(
            self.likelihood.sample(self.decode_parameters(z, inputs), seed)
        )

    def check_condition(self, name, values):
        """Raises unless arrays of a condition have values that it can have.

        A model that knows which those are overrides it.

        Args:
            name: The condition's name.
            values: Array `(n, ...)`.
        """

    def _in_data_units(self, x):
        return x if self.standardize is None else self.standardize.inverse(x)

    def call(self, inputs, training=False):
        """Reconstruction of x, decoded from the mean of the posterior."""
        inputs = self.prepare(inputs)
        z = self.posterior(inputs, training=training).mean
        return self.reconstruction(z, inputs, training=training)

    def elbo_terms(self, inputs, target, noise, training=False):
        """The parts of the ELBO for one batch.

        Args:
            inputs: What is encoded, as `prepare` returns it.
            target: Tensor `(batch, *data_shape)`: what is explained, in the same units.
            noise: Standard normal, `(num_samples, batch, *latent_shape)`.
            training: Whether encoder and decoder run in training mode.

        Returns:
            `ElboTerms`.
        """
        q = self.posterior(inputs, training=training)
        return self.terms_of_draws(q, inputs, target, noise, training)

    def terms_of_draws(self, q, inputs, target, noise, training=False):
        """The parts of the ELBO for new draws of a posterior that is at hand.

        Args:
            q: What `posterior` returns for the inputs.
            inputs: As for `elbo_terms`, and so are the others.
            target: Tensor `(batch, *data_shape)`.
            noise: Standard normal, `(num_samples, batch, *latent_shape)`.
            training: Whether the decoder runs in training mode.

        Returns:
            `ElboTerms`.
        """
        z = q.sample(noise)
        log_likelihood = self.log_likelihood(inputs, target, z, training)
        log_q = q.log_prob(z)
        log_prior, kl = self.prior.log_prob_and_kl(q, z, log_q)
        # A prior or a posterior of somebody's own may compute in less than float32.
        log_ratio = tf.cast(log_prior - log_q, tf.float32)
        kl = tf.cast(kl, tf.float32)
        return ElboTerms(q, z, log_likelihood, kl, log_likelihood + log_ratio)

    def log_likelihood(self, inputs, target, z, training=False):
        """log p(target|z) for several draws of z for each example, as a tensor.

        Args:
            inputs: As `prepare` returns them.
            target: Tensor `(batch, *data_shape)`, in the same units.
            z: Tensor `(num_samples, batch, *latent_shape)`.
            training: Whether the decoder runs in training mode.

        Returns:
            float32 tensor `(num_samples, batch)`, nats.
        """
        num_samples = z.shape[0]
        inputs, target = for_each_draw((inputs, target), num_samples)
        parameters = self.decode_parameters(
            tf.reshape(z, (-1, *self.latent_shape)), inputs, training
        )
        log_prob = self.likelihood.log_prob(target, parameters, training=training)
        return tf.reshape(log_prob, (num_samples, -1))

    def objective(self, terms):
        """What is minimised, per example: the method that a new objective overrides.

        Args:
            terms: `ElboTerms` of a batch.

        Returns:
            Tensor `(batch,)`; its mean over the batch is `loss` (to which the model
            adds the losses of its layers).
        """
        kl = terms.kl
        if self.free_bits > 0:
            # Kingma et al. (2016), equation 15: the floor is under the batch's mean.
            # Where it holds, each example contributes the floor itself: the same mean
            # and no gradient.
            above = tf.reduce_mean(kl, axis=0) > self.free_bits
            kl = tf.where(above, kl, self.free_bits)
        kl = tf.reduce_sum(kl, axis=-1)
        if self.capacity is not None:
            kl = tf.abs(kl - self.capacity(self.step))
        return terms.reconstruction_loss + self.beta(self.step) * kl
