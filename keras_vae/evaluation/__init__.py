"""Evaluation: how good a trained VAE is, in numbers."""

from keras_vae.evaluation.collapse import active_units, describe_activity
from keras_vae.evaluation.likelihood import bits_per_dim, marginal_log_likelihood
from keras_vae.evaluation.summary import evaluate

__all__ = [
    "active_units",
    "bits_per_dim",
    "describe_activity",
    "evaluate",
    "marginal_log_likelihood",
]
