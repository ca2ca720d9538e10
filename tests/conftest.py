"""What holds for every test: one seed, one float type, no display."""

import gc
import os
import signal
import subprocess
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"  # before matplotlib is imported
# What is tested of XLA are our graphs. To make the best machine code of each takes
# longer than to run it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import hypothesis
import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

# The same examples in every run, kept nowhere; and no deadline, since the first call
# of a graph function takes what compiling takes.
hypothesis.settings.register_profile(
    "keras_vae", derandomize=True, database=None, deadline=None
)
hypothesis.settings.load_profile("keras_vae")

# Two devices on one processor, for what runs on several replicas; before TensorFlow
# starts, since afterwards it is too late.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would
# the processes that they start to be interrupted.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Graphs are many objects, few of them garbage: to look for it all the time takes a
# tenth of the time. What was imported stays.
gc.freeze()
gc.set_threshold(100_000, 50, 100)


# The contracts of the family and the notebooks: by far the longest files.
LONGEST = ("tests/models/test_family.py", "tests/test_notebooks.py")


def pytest_collection_modifyitems(items):
    """What takes longest comes first."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """To each process a file, for its fixtures; of the longest a test."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return nodeid if file in LONGEST else file

    return Scheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def nothing_stays():
    """The graphs of one file are gone in the next: a process of gigabytes is slow to
    copy, and several of them are more than a machine has."""
    yield
    # Each step of a Keras optimizer has a gradient of its own, which TensorFlow
    # registers for good, and the graph with it.
    registered = ops.gradient_registry._registry
    for name in [name for name in registered if name.startswith("CustomGradient-")]:
        del registered[name]
    gc.collect()


@pytest.fixture(autouse=True)
def same_start():
    """Each test starts from one seed and float32, whatever ran before it."""
    import keras

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


def pytest_runtest_setup(item):
    """Skips the tests on the real MNIST where it is not."""
    folder = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    if item.get_closest_marker("mnist") and not (folder / "mnist").is_dir():
        pytest.skip(f"no MNIST in {folder}: prepare it there, or set TFDS_DATA_DIR")


@pytest.fixture(scope="session")
def project_files():
    """All files that git keeps or would keep: those not yet committed too."""
    house = Path(__file__).parent.parent
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=house,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        pytest.skip("not a git checkout, so nothing tells the project's files apart")
    names = sorted({name for name in listing.stdout.split("\0") if name})
    return [house / name for name in names if (house / name).is_file()]
