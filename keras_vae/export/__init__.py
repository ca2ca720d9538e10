"""Export: a trained VAE as files that run where there is no Keras."""

from keras_vae.export.endpoints import (
    Endpoint,
    decoder_endpoints,
    encoder_endpoints,
)
from keras_vae.export.onnx import export_onnx
from keras_vae.export.parity import read_parity, write_parity
from keras_vae.export.saved_model import export_saved_models
from keras_vae.export.tflite import export_tflite
from keras_vae.export.tflite_report import format_report
from keras_vae.export.verify import format_results, verify
from keras_vae.models.float32 import float32_copy

__all__ = [
    "Endpoint",
    "decoder_endpoints",
    "encoder_endpoints",
    "export_onnx",
    "export_saved_models",
    "export_tflite",
    "float32_copy",
    "format_report",
    "format_results",
    "read_parity",
    "verify",
    "write_parity",
]
