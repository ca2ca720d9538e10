"""Export: a trained VAE as files that run where there is no Keras."""

from keras_vae.export.endpoints import Endpoint, exported_models
from keras_vae.export.onnx import export_onnx
from keras_vae.export.parity import write_parity
from keras_vae.export.rest_server import RestServer
from keras_vae.export.saved_model import export_saved_models
from keras_vae.export.tables import format_report, format_results
from keras_vae.export.tflite import export_tflite
from keras_vae.export.verify import verify

__all__ = [
    "Endpoint",
    "RestServer",
    "export_onnx",
    "export_saved_models",
    "export_tflite",
    "exported_models",
    "format_report",
    "format_results",
    "verify",
    "write_parity",
]
