"""Evaluation: how good a trained VAE is, in numbers."""

from keras_vae.evaluation.calibration import calibration_error
from keras_vae.evaluation.collapse import active_units, describe_activity
from keras_vae.evaluation.disentanglement import (
    DCI,
    dci,
    disentanglement_scores,
    factor_vae_score,
    mig,
    modularity,
    sap,
)
from keras_vae.evaluation.features import Features, train_features
from keras_vae.evaluation.groups import MOST_EXAMPLES, evaluate_groups
from keras_vae.evaluation.information import kl_decomposition, log_aggregate_posterior
from keras_vae.evaluation.likelihood import (
    bits_per_dim,
    describe_reliability,
    importance_weighted,
    marginal_log_likelihood,
)
from keras_vae.evaluation.rate_distortion import rate_distortion
from keras_vae.evaluation.readout import linear_readout
from keras_vae.evaluation.samples import (
    density_coverage,
    frechet_distance,
    precision_recall,
    sample_quality,
)
from keras_vae.evaluation.summary import evaluate

__all__ = [
    "DCI",
    "MOST_EXAMPLES",
    "Features",
    "active_units",
    "bits_per_dim",
    "calibration_error",
    "dci",
    "density_coverage",
    "describe_activity",
    "describe_reliability",
    "disentanglement_scores",
    "evaluate",
    "evaluate_groups",
    "factor_vae_score",
    "frechet_distance",
    "importance_weighted",
    "kl_decomposition",
    "linear_readout",
    "log_aggregate_posterior",
    "marginal_log_likelihood",
    "mig",
    "modularity",
    "precision_recall",
    "rate_distortion",
    "sample_quality",
    "sap",
    "train_features",
]
