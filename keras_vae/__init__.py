"""Variational autoencoders for Keras: build, train, measure, export."""

import os

if (os.environ.get("KERAS_BACKEND") or "tensorflow") != "tensorflow":
    raise ImportError(
        "keras_vae runs on Keras with the TensorFlow backend. Received: "
        f"KERAS_BACKEND={os.environ['KERAS_BACKEND']!r}. Unset it, or set "
        "KERAS_BACKEND=tensorflow."
    )

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_vae runs on Keras with the TensorFlow backend. Received: backend "
        f"{keras.backend.backend()!r}, from Keras' configuration file. Set "
        "KERAS_BACKEND=tensorflow in the environment."
    )

from keras_vae import (
    applications,
    callbacks,
    datasets,
    distributions,
    divergences,
    evaluation,
    explorer,
    export,
    files,
    layers,
    likelihoods,
    models,
    networks,
    noise,
    plots,
    priors,
    runs,
    schedules,
)
from keras_vae.export import export_saved_models, export_tflite
from keras_vae.layers import Sampling
from keras_vae.models import (
    DIPVAE,
    IWAE,
    VAE,
    VQVAE,
    Autoencoder,
    BetaTCVAE,
    ConditionalVAE,
    FactorVAE,
    HierarchicalVAE,
    InfoVAE,
    SemiSupervisedVAE,
)
from keras_vae.runs import load
from keras_vae.version import __version__

__all__ = [
    "DIPVAE",
    "IWAE",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "BetaTCVAE",
    "ConditionalVAE",
    "FactorVAE",
    "HierarchicalVAE",
    "InfoVAE",
    "Sampling",
    "SemiSupervisedVAE",
    "__version__",
    "applications",
    "callbacks",
    "datasets",
    "distributions",
    "divergences",
    "evaluation",
    "explorer",
    "export",
    "export_saved_models",
    "export_tflite",
    "files",
    "layers",
    "likelihoods",
    "load",
    "models",
    "networks",
    "noise",
    "plots",
    "priors",
    "runs",
    "schedules",
]
