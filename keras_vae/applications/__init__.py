"""Answers that a trained VAE gives."""

from keras_vae.applications.anomaly_detector import AnomalyDetector, Detection
from keras_vae.applications.conformal import benjamini_hochberg, conformal_p_values
from keras_vae.applications.outlier_estimator import VAEOutlierDetector
from keras_vae.applications.scorer import scorer

__all__ = [
    "AnomalyDetector",
    "Detection",
    "VAEOutlierDetector",
    "benjamini_hochberg",
    "conformal_p_values",
    "scorer",
]
