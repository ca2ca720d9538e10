"""Training on several devices or machines: who takes part, and who writes."""

from typing import NamedTuple

import tensorflow as tf

from keras_vae.runs import tf_config


class Team(NamedTuple):
    """The devices that train together, as one of their processes sees them.

    Attributes:
        strategy: `tf.distribute.Strategy`.
        is_chief: Whether this process writes the run. The others compute the same
            epochs with their parts of each batch, and keep nothing.
    """

    strategy: tf.distribute.Strategy
    is_chief: bool

    def scope(self):
        """The context in which the model is made."""
        return self.strategy.scope()

    def share(self, batches):
        """Batches of which each process takes its part, whatever files they are in.

        Left to itself, TensorFlow would give each process files of its own.

        Args:
            batches: `tf.data.Dataset`, or `None`.
        """
        if batches is None:
            return None
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        return batches.with_options(options)


def gather(strategy):
    """The `Team` of a strategy.

    Args:
        strategy: `None`, `"mirrored"` (all GPUs of this machine), `"multi-worker"` (the
            processes that `TF_CONFIG` names) or a `tf.distribute.Strategy`.

    Raises:
        ValueError: If there is no such strategy, or no `TF_CONFIG`.
        RuntimeError: If TensorFlow was in use before the other processes were found.
    """
    if strategy is None:
        strategy = tf.distribute.get_strategy()
    elif strategy == "mirrored":
        strategy = tf.distribute.MirroredStrategy()
    elif strategy == "multi-worker":
        tf_config.check()
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise RuntimeError(
                "Processes find one another before TensorFlow has computed anything "
                f"({error}). Mend: train(..., strategy='multi-worker') comes first in "
                "the program"
            ) from error
    elif not isinstance(strategy, tf.distribute.Strategy):
        raise ValueError(
            "`strategy` should be None, 'mirrored', 'multi-worker' or a "
            f"tf.distribute.Strategy. Received: {strategy!r}"
        )
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or resolver.task_type is None:
        return Team(strategy, True)
    has_chief = "chief" in resolver.cluster_spec().jobs
    first = ("chief" if has_chief else "worker", 0)
    return Team(strategy, (resolver.task_type, resolver.task_id) == first)
