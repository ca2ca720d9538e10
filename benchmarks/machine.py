"""What a number was measured with: the machine and the versions."""

import os
import platform
from importlib.metadata import version


def machine():
    """A dict for JSON."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "keras_vae": version_of_the_package(),
    }


def version_of_the_package():
    from keras_vae.version import __version__

    return __version__
