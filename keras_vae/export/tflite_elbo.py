"""The ELBO through a pair of .tflite files: what quantization costs, in nats."""

import numpy as np
import tensorflow as tf

from keras_vae import noise
from keras_vae.distributions import Normal
from keras_vae.export.litert import LiteRTModel
from keras_vae.export.tflite_report import run

# A file to measure with: the decoder short of its last step, the mean, from which the
# likelihood cannot be had.
PARAMETERS = "parameters"


def parameters_endpoint(vae, models):
    """The endpoint from `z` to the parameters of p(x|z), if an ELBO can be had of it.

    Args:
        vae: A `keras_vae.VAE` in float32.
        models: What is converted, `{model: {endpoint: Endpoint}}`.

    Returns:
        Endpoints by name, or `None` where the posterior is no diagonal normal: of
        another one, what its parameters mean is not known here.
    """
    if not {"encoder", "decoder"} <= set(models):
        return None
    zeros = {
        name: tf.zeros((1, *spec.shape[1:]), spec.dtype)
        for name, spec in vae.input_specs.items()
    }
    if type(vae.posterior(vae.prepare(zeros))) is not Normal:
        return None
    decode = models["decoder"]["decode"]

    def parameters(inputs):
        given = {name: inputs[name] for name in vae.decoder_conditions}
        answer = vae.decode_parameters(inputs["z"], given or None)
        return {"parameters": tf.cast(answer, tf.float32)}

    return {PARAMETERS: decode._replace(name=PARAMETERS, function=parameters)}


def measure_elbo(vae, encoder, parameters, data, seed=0):
    """The mean ELBO through a pair of .tflite files, one draw for each example.

    Args:
        vae: The `keras_vae.VAE` in float32, for its likelihood and prior.
        encoder: Bytes of a file with the signature `encode`.
        parameters: Bytes of a file with the endpoint of `parameters_endpoint`.
        data: Dictionary of arrays `(n, ...)`: `x` and the model's conditions.
        seed: Integer, of the draws: the same for every pair.

    Returns:
        Float, nats.
    """
    x = data["x"]
    inputs = {name: data[name] for name in ("x", *vae.encoder_conditions)}
    q = Normal(**run(LiteRTModel(encoder), "encode", inputs))
    z = q.sample(noise.draws(noise.example_seeds(seed, 0, len(x)), 1, vae.latent_shape))
    inputs = {name: data[name] for name in vae.decoder_conditions}
    inputs["z"] = z[0].numpy()
    answer = run(LiteRTModel(parameters), PARAMETERS, inputs)[PARAMETERS]
    target = x if vae.standardize is None else vae.standardize(x)
    log_prob = vae.likelihood.log_prob(target, answer)
    return float(np.mean(log_prob - tf.reduce_sum(vae.prior.kl(q, z), axis=-1)))
