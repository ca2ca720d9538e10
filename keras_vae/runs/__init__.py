"""Runs: a data set in, a directory with a trained model and its results out."""

from keras_vae.runs.detector import fit_detector
from keras_vae.runs.export import convert_run, examples
from keras_vae.runs.label import Labelled, label
from keras_vae.runs.run import Run, load
from keras_vae.runs.train import train

__all__ = [
    "Labelled",
    "Run",
    "convert_run",
    "examples",
    "fit_detector",
    "label",
    "load",
    "train",
]
