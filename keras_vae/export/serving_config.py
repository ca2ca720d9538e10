"""The configuration files of TensorFlow Serving, with their reasons in comments."""

import contextlib
import json
import re
from pathlib import Path
from typing import NamedTuple

from keras_vae import files
from keras_vae.export import text_proto
from keras_vae.export.verify import versions

# In a comment at the top of each file of ours.
MARK = "keras_vae wrote this file"

# Beside the warm-up requests of a SavedModel: a server leaves this folder to others.
METADATA = "assets.extra/keras_vae.json"


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
    directory,
    version,
    *,
    models=("encoder", "decoder"),
    model_base_path="/models",
    max_batch_size=128,
):
    """Writes `models.config`, `batching.config` and `monitoring.config`.

    Each appears whole or not at all. In a `models.config` that is there already the
    entries of these models are changed or added, and all else is kept byte for byte.
    The other two are replaced if they are ours, and left as they are if they are not.

    A server refuses a version of which a warm-up request is larger than the largest
    batch. That of `batching.config` is therefore the largest that any of the versions
    needs that `directory` holds, as their `assets.extra/keras_vae.json` says; where one
    does not say it, that of the `batching.config` that is there counts too.

    Args:
        directory: Path of the folder to write to, beside the models' folders; it must
            exist.
        version: Integer, the version that the label `stable` names.
        models: Names of the models.
        model_base_path: Where the server finds the models' folders: an absolute path
            or a URI.
        max_batch_size: Integer, the most examples that are computed at a time, or more
            where a version that is there needs it.

    Returns:
        `(ServingConfig, notes)`: the paths, and a list of strings that say which files
        were left as they are, and whether a server that runs has to be started anew.

    Raises:
        FileExistsError: If `models.config` is no model configuration, or names one of
            the models with another base path and is not ours.
        ValueError: If `model_base_path` is relative, which the server refuses.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> config, notes = write_serving_config(folder, version=1)
    >>> sorted(path.name for path in folder.iterdir())
    ['batching.config', 'models.config', 'monitoring.config']

    Reference:
        https://www.tensorflow.org/tfx/serving/serving_config
    """
    config, contents, notes = plan_serving_config(
        directory, version, models, model_base_path, max_batch_size
    )
    for path, content in contents.items():
        with files.atomic(path) as temporary:
            temporary.write_bytes(content.encode())
    return config, notes


def plan_serving_config(directory, version, models, model_base_path, max_batch_size):
    """What `write_serving_config` would write, or why it would not.

    Returns:
        `(ServingConfig, {path: content}, notes)`.
    """
    if not re.match(r"/|[a-z][a-z0-9+.-]*://", str(model_base_path)):
        raise ValueError(
            "`model_base_path` should be an absolute path or a URI, as the server sees "
            f"it. Received: model_base_path={str(model_base_path)!r}"
        )
    base = str(model_base_path).rstrip("/")
    base_paths = {name: f"{base}/{name}" for name in models}
    config = ServingConfig(
        *(Path(directory) / f"{name}.config" for name in ServingConfig._fields)
    )
    present = _batch_size(config.batching)
    max_batch_size = max(
        max_batch_size, *_needed_batch_sizes(directory, models, present or 1)
    )
    contents = {
        config.monitoring: _MONITORING.format(mark=MARK),
        config.batching: _BATCHING.format(
            mark=MARK,
            max_batch_size=max_batch_size,
            allowed="\n".join(
                f"allowed_batch_sizes: {size}"
                for size in _allowed_batch_sizes(max_batch_size)
            ),
        ),
    }
    notes = []
    for path in list(contents):
        if path.exists() and not _is_ours(path):
            del contents[path]
            notes.append(f"{path} is not of keras_vae and was left as it is")
            if path == config.batching:
                notes[-1] += (
                    f"; its max_batch_size has to be {max_batch_size} or more, or the "
                    "server refuses the warm-up requests"
                )
    if config.batching in contents and present and present < max_batch_size:
        notes.append(
            f"max_batch_size in {config.batching} was {present} and is "
            f"{max_batch_size}. A server reads it only when it starts: start one that "
            f"runs anew, or it refuses versions with larger warm-up requests"
        )
    # The file that names the version comes last.
    contents[config.models] = _models_config(config.models, base_paths, version)
    return config, contents, notes


def _is_ours(path):
    if not path.is_file():  # opening a FIFO would wait for ever
        return False
    with path.open(errors="replace") as file:
        return MARK in file.readline()


def _batch_size(path):
    """`max_batch_size` in a `batching.config` of ours; `None` where there is none."""
    if path.exists() and _is_ours(path):
        with contextlib.suppress(ValueError, TypeError, IndexError):
            for field in text_proto.parse(path.read_text()):
                if field.name == "max_batch_size" and isinstance(field.value, list):
                    return int(field.value[0].value)
    return None


def _needed_batch_sizes(directory, models, unknown):
    """What each version of the models needs, `unknown` where it does not say; and 1."""
    yield 1
    for name in models:
        folder = Path(directory) / name
        for version in versions(folder):
            try:
                about = json.loads((folder / str(version) / METADATA).read_text())
                yield int(about["max_batch_size"])
            except (OSError, ValueError, TypeError, KeyError):
                yield unknown


def _models_config(path, base_paths, version):
    """The new content of `models.config`."""
    entries = {
        name: _MODEL.format(
            name=json.dumps(name, ensure_ascii=False),
            label=name,
            base_path=json.dumps(base_path, ensure_ascii=False),
            version=version,
        )
        for name, base_path in base_paths.items()
    }
    if not path.exists():
        return _MODELS.format(mark=MARK, entries="".join(entries.values()))
    try:
        text = path.read_bytes().decode() if path.is_file() else "?"
        fields = text_proto.parse(text)
        wrong = {field.name for field in fields} - {"model_config_list"}
        if wrong or len(fields) > 1 or (fields and not _is_list(fields[0])):
            raise ValueError(f"{', '.join(wrong) or 'no list'} of models")
    except ValueError as error:
        raise FileExistsError(
            f"{path} should be a model configuration of TensorFlow Serving, to add the "
            f"models {', '.join(base_paths)} to it. Received: another kind of file "
            f"({error}). Mend: mv {path} {path}.old"
        ) from error
    if not fields:
        text += "" if text.endswith("\n") or not text else "\n"
        return text + _MODEL_LIST.format(entries="".join(entries.values()))
    edits = []
    for entry in fields[0].value:
        given = {f.name: f.value for f in entry.value if isinstance(f.value, str)}
        name, base_path = given.get("name"), given.get("base_path", "")
        if name not in base_paths:
            continue
        if base_path.rstrip("/") != base_paths[name] and not _is_ours(path):
            raise FileExistsError(
                f"{path} should have no other model called {name!r}. Received: one "
                f"with base_path {base_path!r}, where this is {base_paths[name]!r}. "
                "Mend: export to another directory, or with the model_base_path that "
                "the server finds this one by"
            )
        edits.append((entry.begin, entry.end, entries.pop(name, "").strip()))
    place = fields[0].end - 1  # before the bracket that closes the list
    added = "".join(entries.values())
    if added and not text[:place].endswith("\n"):
        added = f"\n{added}"
    edits.append((place, place, added))
    # From the last to the first, so that the places before stay what they are.
    for begin, end, block in reversed(edits):
        text = text[:begin] + block + text[end:]
    return text


def _is_list(field):
    """Whether a field is a list of models, as this file takes it."""
    return isinstance(field.value, list) and all(
        entry.name == "config" and isinstance(entry.value, list)
        for entry in field.value
    )


def _allowed_batch_sizes(max_batch_size):
    """Powers of two below the largest size, and that."""
    sizes = [2**i for i in range(max_batch_size.bit_length())]
    return sizes if sizes[-1] == max_batch_size else [*sizes, max_batch_size]


# Braces are doubled where they are not for str.format.

_MODELS = """\
# {mark}; each export writes its own entries in it anew.
#
#   tensorflow_model_server --model_config_file=models.config \\
#       --model_config_file_poll_wait_seconds=60 \\
#       --allow_version_labels_for_unavailable_models=true
#
# The last flag is needed: at the start no version is loaded yet, and without it the
# server takes the labels below for an error and stops.
"""

_MODEL_LIST = """\
model_config_list {{
{entries}}}
"""

_MODELS += _MODEL_LIST

_MODEL = """\
  config {{
    name: {name}
    base_path: {base_path}
    model_platform: "tensorflow"
    # The two newest versions are loaded. Requests that name none get the newest; the
    # one before stays loaded, so that going back is a change of the label and no wait.
    model_version_policy {{ latest {{ num_versions: 2 }} }}
    # Clients that ask for the label (/v1/models/{label}/labels/stable:predict) change
    # version when this number does. The models of one version belong together:
    # change all numbers, and keep to versions that are loaded.
    version_labels {{ key: "stable" value: {version} }}
  }}
"""

_BATCHING = """\
# {mark}: each export replaces it, unless this line is gone.
#
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
# {mark}: each export replaces it, unless this line is gone.
#
# Metrics for Prometheus, on the port of the REST interface:
#
#   tensorflow_model_server --rest_api_port=8501 \\
#       --monitoring_config_file=monitoring.config
#   curl http://localhost:8501/monitoring/prometheus/metrics
prometheus_config {{
  enable: true
  path: "/monitoring/prometheus/metrics"
}}
"""
