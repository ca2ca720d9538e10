"""The configuration files of TensorFlow Serving, with their reasons in comments."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from keras_vae import files


class ServingConfig(NamedTuple):
    """Paths of the files that `write_serving_config` writes.

    Attributes:
        models: For `--model_config_file`.
        batching: For `--batching_parameters_file`, with `--enable_batching`.
        monitoring: For `--monitoring_config_file`.

    Reference:
        https://www.tensorflow.org/tfx/serving/serving_config
    """

    models: Path
    batching: Path
    monitoring: Path


def write_serving_config(
    directory, version, *, model_base_path="/models", max_batch_size=128
):
    """Writes `models.config`, `batching.config` and `monitoring.config`.

    Each appears whole or not at all. Files of these names are replaced: one that a
    person has changed is best kept somewhere else.

    Args:
        directory: Path of the folder to write to; it must exist.
        version: Integer, the version that the label `stable` names.
        model_base_path: Where the server finds the folders `encoder` and `decoder`: an
            absolute path or a URI.
        max_batch_size: Integer, the most examples that are computed at a time.

    Returns:
        `ServingConfig`.

    Raises:
        ValueError: If `model_base_path` is relative, which the server refuses.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> config = write_serving_config(folder, version=1)
    >>> sorted(path.name for path in folder.iterdir())
    ['batching.config', 'models.config', 'monitoring.config']

    Reference:
        https://www.tensorflow.org/tfx/serving/serving_config
    """
    base = str(model_base_path).rstrip("/")
    if not re.match(r"/|[a-z][a-z0-9+.-]*://", str(model_base_path)):
        raise ValueError(
            "`model_base_path` should be an absolute path or a URI, as the server sees "
            f"it. Received: model_base_path={str(model_base_path)!r}"
        )
    models = "".join(
        _MODEL.format(
            name=name, base_path=json.dumps(f"{base}/{name}"), version=version
        )
        for name in ("encoder", "decoder")
    )
    config = ServingConfig(
        *(Path(directory) / f"{name}.config" for name in ServingConfig._fields)
    )
    # The file that names the version comes last.
    contents = {
        config.monitoring: _MONITORING,
        config.batching: _BATCHING.format(
            max_batch_size=max_batch_size,
            allowed="\n".join(
                f"allowed_batch_sizes: {size}"
                for size in _allowed_batch_sizes(max_batch_size)
            ),
        ),
        config.models: _MODELS.format(models=models),
    }
    for path, content in contents.items():
        with files.atomic(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return config


def _allowed_batch_sizes(max_batch_size):
    """Powers of two below the largest size, and that."""
    sizes = [2**i for i in range(max_batch_size.bit_length())]
    return sizes if sizes[-1] == max_batch_size else [*sizes, max_batch_size]


# Braces are doubled where they are not for str.format.

_MODELS = """\
# The models of one VAE, for TensorFlow Serving. Written anew by each export.
#
#   tensorflow_model_server --model_config_file=models.config \\
#       --model_config_file_poll_wait_seconds=60 \\
#       --allow_version_labels_for_unavailable_models=true
#
# The last flag is needed: at the start no version is loaded yet, and without it the
# server takes the labels below for an error and stops.
model_config_list {{
{models}}}
"""

_MODEL = """\
  config {{
    name: "{name}"
    base_path: {base_path}
    model_platform: "tensorflow"
    # The two newest versions are loaded. Requests that name none get the newest; the
    # one before stays loaded, so that going back is a change of the label and no wait.
    model_version_policy {{ latest {{ num_versions: 2 }} }}
    # Clients that ask for the label (/v1/models/{name}/labels/stable:predict) change
    # version when this number does. Encoder and decoder of one version belong together:
    # change both numbers, and keep to versions that are loaded.
    version_labels {{ key: "stable" value: {version} }}
  }}
"""

_BATCHING = """\
# How TensorFlow Serving merges requests into batches:
#
#   tensorflow_model_server --enable_batching=true \\
#       --batching_parameters_file=batching.config
#
# Requests to one signature that arrive together are computed together. They also fail
# together: a damaged image for encode_bytes is an error for each request in its batch.
# Where images come from strangers, do without batching, or let clients repeat alone
# what was refused.

# A request of more examples than this is refused. The warm-up requests go up to it:
# with a smaller number here the server refuses them, and does not load the version.
max_batch_size {{ value: {max_batch_size} }}

# How long a request waits for others to share its batch. More of it trades latency for
# throughput; with 0 a batch is what has come while the threads were busy.
batch_timeout_micros {{ value: 1000 }}

# Batches computed at a time, by all models together. As many as the server has cores;
# 1 or 2 where there is a GPU.
num_batch_threads {{ value: 4 }}

# Batches that may wait, for each signature. Beyond it requests are refused at once
# (UNAVAILABLE), which is better than an answer that comes too late.
max_enqueued_batches {{ value: 64 }}

# Batches are filled up to one of these sizes, so that kernels are made for few shapes.
# The last has to be max_batch_size.
{allowed}
"""

_MONITORING = """\
# Metrics for Prometheus, on the port of the REST interface:
#
#   tensorflow_model_server --rest_api_port=8501 \\
#       --monitoring_config_file=monitoring.config
#   curl http://localhost:8501/monitoring/prometheus/metrics
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""
