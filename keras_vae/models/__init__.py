"""Models: `VAE` and its relatives, one class a file."""

from keras_vae.models.autoencoder import Autoencoder
from keras_vae.models.beta_tc_vae import BetaTCVAE
from keras_vae.models.conditional_vae import ConditionalVAE
from keras_vae.models.dip_vae import DIPVAE
from keras_vae.models.elbo_terms import ElboTerms
from keras_vae.models.factor_vae import FactorVAE
from keras_vae.models.hierarchical_vae import HierarchicalVAE
from keras_vae.models.info_vae import InfoVAE
from keras_vae.models.iwae import IWAE
from keras_vae.models.semi_supervised_vae import SemiSupervisedVAE
from keras_vae.models.vae import VAE
from keras_vae.models.vqvae import VQVAE

__all__ = [
    "DIPVAE",
    "IWAE",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "BetaTCVAE",
    "ConditionalVAE",
    "ElboTerms",
    "FactorVAE",
    "HierarchicalVAE",
    "InfoVAE",
    "SemiSupervisedVAE",
]
