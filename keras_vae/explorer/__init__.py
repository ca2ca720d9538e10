"""Explorer: the latent space of a run in a web page, served or written as a site."""

from keras_vae.explorer.latent_map import LatentMap, check_model, latent_map
from keras_vae.explorer.measures import Measures
from keras_vae.explorer.server import ExplorerServer
from keras_vae.explorer.site import write_site

__all__ = [
    "ExplorerServer",
    "LatentMap",
    "Measures",
    "check_model",
    "latent_map",
    "write_site",
]
