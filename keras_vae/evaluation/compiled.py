"""Graph functions of a VAE, compiled once for each VAE and not once for each call."""

import functools
import weakref

import tensorflow as tf


def compiled_for_each_vae(*more_specs):
    """Compiles `function(vae, x, seed, ...)` when a VAE first comes by.

    A VAE is not kept alive by its compiled functions.

    Args:
        *more_specs: `tf.TensorSpec` of each argument after `seed`.

    Returns:
        A decorator.
    """

    def decorate(function):
        functions = weakref.WeakKeyDictionary()

        @functools.wraps(function)
        def call(vae, *arguments):
            if vae not in functions:
                functions[vae] = _compile(function, vae, more_specs)
            return functions[vae](*arguments)

        return call

    return decorate


def _compile(function, vae, more_specs):
    signature = [
        tf.TensorSpec((None, *vae.data_shape), tf.float32),
        tf.TensorSpec((None, 2), tf.int32),
        *more_specs,
    ]
    reference = weakref.ref(vae)

    @tf.function(input_signature=signature)
    def compiled(*arguments):
        return function(reference(), *arguments)

    return compiled
