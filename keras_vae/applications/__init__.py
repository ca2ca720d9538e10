"""Answers that a VAE gives: anomalies, labels, codes, fewer bytes, synthetic rows."""

from keras_vae.applications.anomaly_detector import AnomalyDetector, Detection
from keras_vae.applications.codecs import compressed_sizes
from keras_vae.applications.compressor import Compressor
from keras_vae.applications.conformal import benjamini_hochberg, conformal_p_values
from keras_vae.applications.decompression import decompress
from keras_vae.applications.labeler import Labeler
from keras_vae.applications.lossy_compressor import LossyCompressor
from keras_vae.applications.outlier_estimator import VAEOutlierDetector
from keras_vae.applications.scorer import scorer
from keras_vae.applications.table_rows import (
    condition_probability,
    row_batches,
    sample_rows,
)
from keras_vae.applications.table_synthesizer import TableSynthesizer
from keras_vae.applications.transformer import VAETransformer

__all__ = [
    "AnomalyDetector",
    "Compressor",
    "Detection",
    "Labeler",
    "LossyCompressor",
    "TableSynthesizer",
    "VAEOutlierDetector",
    "VAETransformer",
    "benjamini_hochberg",
    "compressed_sizes",
    "condition_probability",
    "conformal_p_values",
    "decompress",
    "row_batches",
    "sample_rows",
    "scorer",
]
