"""What the package says, in the words of the command line."""

import pytest

from keras_vae_cli.export_run import export, verify
from keras_vae_cli.inference import interpolate, sample
from keras_vae_cli.measure import evaluate
from keras_vae_cli.train import train
from keras_vae_cli.words import in_options


@pytest.mark.parametrize(
    ("command", "message", "expected"),
    [
        (
            train,
            "Images of different sizes need `image_size=(height, width)`. Received: "
            "image_size=None",
            "Images of different sizes need --image-size HEIGHTxWIDTH. Received: "
            "--image-size None",
        ),
        (
            train,
            "`output` r holds a run. Go on with it (--resume, resume=True), replace it "
            "(--overwrite, overwrite=True), or choose another.",
            "--output r holds a run. Go on with it (--resume), replace it "
            "(--overwrite), or choose another.",
        ),
        (
            train,
            "`hidden_units` should be positive. Received: hidden_units=[8, 0]",
            "--hidden-units should be positive. Received: --hidden-units 8,0",
        ),
        (
            evaluate,
            "`x` should lie in [0, 1]. Received: values from 0 to 255",
            "The data should lie in [0, 1]. Received: values from 0 to 255",
        ),
        (
            export,
            "`version` should be new. Received: version=2. Mend: version=3, or none",
            "--model-version should be new. Received: --model-version 2. Mend: "
            "--model-version 3, or none",
        ),
        (
            verify,
            "There is no a/parity.npz. Mend: keras_vae.export.write_parity(vae, path, "
            "version=...)",
            "There is no a/parity.npz. Mend: keras-vae export",
        ),
        # What the command has no option for stays as it is.
        (
            sample,
            "`free_bits` is odd: free_bits=-1",
            "`free_bits` is odd: free_bits=-1",
        ),
        # What TensorFlow says of where it was is left out.
        (
            sample,
            'in user code:\n\n    File "a.py", line 3, in f  *\n        g(x)\n\n'
            "    ValueError: `seed` should be whole.\n    Received: 1.5\n",
            "--seed should be whole. Received: 1.5",
        ),
        (interpolate, "two\n  lines", "Two lines"),
        (
            interpolate,
            "many.npz should hold one array",
            "many.npz should hold one array",
        ),
        (interpolate, "runs/a should be a run", "runs/a should be a run"),
        (
            train,
            "choose another by `array=NAME`, or say `kind='series'`.",
            "Choose another by --array NAME, or say --kind series.",
        ),
        (interpolate, "", ""),
    ],
)
def test_arguments_become_options(command, message, expected):
    assert in_options(message, command) == expected
