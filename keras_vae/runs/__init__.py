"""Runs: a data set in, a directory with a trained model and its results out."""

from keras_vae.runs.directory import Run, load_vae
from keras_vae.runs.ship import examples, ship, tflite
from keras_vae.runs.train import train

__all__ = ["Run", "examples", "load_vae", "ship", "tflite", "train"]
