"""Models: `VAE` and its relatives, one class a file."""

from keras_vae.models.elbo_terms import ElboTerms
from keras_vae.models.hierarchical_vae import HierarchicalVAE
from keras_vae.models.vae import VAE
from keras_vae.models.vqvae import VQVAE

__all__ = ["VAE", "VQVAE", "ElboTerms", "HierarchicalVAE"]
