"""Laws that hold for every member of a family: one call for each new member."""

from tests.contracts.likelihood import check_likelihood
from tests.contracts.prior import check_prior
from tests.contracts.vae import check_vae, put_back, two_devices

__all__ = ["check_likelihood", "check_prior", "check_vae", "put_back", "two_devices"]
