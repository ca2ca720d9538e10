"""What TensorFlow Serving answers, from an export and in this process.

For development: the same models, versions, labels, forms and refusals, so that a client
that works with this works with the real one. It computes one request after another and
merges none into batches.
"""

import base64
import binascii
import threading
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from keras_vae.export import text_proto
from keras_vae.export.verify import versions

# As `models.config` says: the one before the newest stays, so that one can go back.
NUM_VERSIONS = 2
DEFAULT_SIGNATURE = "serving_default"


class Refused(Exception):
    """A request that is refused: `args` are the HTTP status and the reason."""


class ModelServer:
    """The models of an export, each in its two newest versions.

    A version is loaded when it is first asked for, and folders are looked at anew with
    each request: what is exported while this runs is served.

    Args:
        directory: Path of an export: a folder for each model, with its versions in it,
            and the labels in `models.config`.

    Attributes:
        names: Names of the models.

    Raises:
        FileNotFoundError: If there is no model in it.

    Example:

    >>> import tempfile
    >>> from keras_vae import VAE, export, networks
    >>> vae = VAE(*networks.dense((4,), 2, hidden_units=(8,)))
    >>> folder = tempfile.mkdtemp()
    >>> _ = export.export_saved_models(vae, folder)
    >>> server = ModelServer(folder)
    >>> server.names
    ['decoder', 'encoder']
    >>> answer = server.predict("encoder", "", {"instances": [[0.0, 0.0, 0.0, 0.0]]})
    >>> sorted(answer["predictions"][0])
    ['z_log_var', 'z_mean']

    Reference:
        https://www.tensorflow.org/tfx/serving/api_rest
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        self.names = sorted(
            path.name
            for path in self.directory.glob("*")
            if path.is_dir() and versions(path)
        )
        if not self.names:
            raise FileNotFoundError(
                f"{directory} should be an export, with a folder for each model and "
                "versions in it, such as encoder/1. Mend: keras-vae export"
            )
        self._loaded, self._one_at_a_time = {}, threading.Lock()

    def status(self, name, which=""):
        """The state of the versions of a model.

        Args:
            name: Name of the model.
            which: `""` for all that are served, `"/versions/2"` or `"/labels/stable"`.

        Returns:
            Dictionary for JSON.

        Raises:
            Refused: If there is no such model, version or label.
        """
        served = self._served(name)
        if not served:
            raise Refused(404, f"Could not find any versions of model {name}")
        if which:
            number = self._number(name, which)
            if number not in served:
                raise Refused(404, f"Could not find version {number} of model {name}")
            served = [number]
        states = []
        for number in served:
            error = self._error(name, number)
            states.append(
                {
                    "version": str(number),
                    "state": "END" if error else "AVAILABLE",
                    "status": {
                        "error_code": "UNKNOWN" if error else "OK",
                        "error_message": error,
                    },
                }
            )
        return {"model_version_status": states}

    def metadata(self, name, which=""):
        """The signatures of a version; arguments and errors are those of `status`."""
        number = self._available(name, which)
        path = self.directory / name / str(number) / "saved_model.pb"
        proto = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        signatures = {
            key: json_format.MessageToDict(
                signature,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for key, signature in proto.meta_graphs[0].signature_def.items()
        }
        spec = {"name": name, "signature_name": "", "version": str(number)}
        return {
            "model_spec": spec,
            "metadata": {"signature_def": {"signature_def": signatures}},
        }

    def predict(self, name, which, body):
        """The answer to a request.

        Args:
            name: Name of the model.
            which: As of `status`; `""` is the newest version.
            body: What JSON holds: `signature_name`, and `instances` (a list with an
                entry for each example) or `inputs` (a list for each input).

        Returns:
            Dictionary for JSON: `predictions` or `outputs`.

        Raises:
            Refused: If there is no such model, version, label or signature, or values
                have other types or shapes than the signature wants.
        """
        model = self._model(name, self._available(name, which))
        if not isinstance(body, dict):
            raise Refused(400, "Request should be a JSON object")
        key = body.get("signature_name") or DEFAULT_SIGNATURE
        if key not in model.signatures:
            words = f'Serving signature name: "{key}" not found in signature def'
            raise Refused(400, words)
        signature = model.signatures[key]
        specs = signature.structured_input_signature[1]
        by_row = "instances" in body
        if by_row == ("inputs" in body):
            many = "expecting only one of" if by_row else "Missing"
            raise Refused(400, f"{many} 'inputs' or 'instances' key")
        columns = _columns(body, specs, by_row)
        arrays = {key: _array(key, columns[key], specs[key]) for key in specs}
        if by_row and len({len(array) for array in arrays.values()}) > 1:
            raise Refused(400, "inputs have batches of different sizes")
        try:
            outputs = signature(**{k: tf.constant(v) for k, v in arrays.items()})
        except tf.errors.OpError as error:
            raise Refused(400, error.message) from error
        return _answer({k: v.numpy() for k, v in outputs.items()}, by_row)

    def _served(self, name):
        """Numbers of the versions that are served, the newest first."""
        if name not in self.names:
            return []
        return sorted(versions(self.directory / name), reverse=True)[:NUM_VERSIONS]

    def _number(self, name, which):
        """The number in `/versions/2`, or of the label in `/labels/stable`."""
        _, kind, value = which.split("/")
        if kind == "versions":
            return int(value)
        labels = _labels(self.directory / "models.config").get(name, {})
        if value not in labels:
            raise Refused(400, f"Unrecognized servable version label: {value}")
        return labels[value]

    def _available(self, name, which):
        """The version that answers."""
        served = self._served(name)
        number = self._number(name, which) if which and served else None
        if number is None:
            wanted, found = f"Latest({name})", served
        else:
            wanted, found = f"Specific({name}, {number})", {number} & {*served}
        for number in found:
            if not self._error(name, number):
                return number
        raise Refused(404, f"Servable not found for request: {wanted}")

    def _error(self, name, number):
        """Why a version cannot be loaded, or nothing."""
        try:
            self._model(name, number)
        except (OSError, ValueError, tf.errors.OpError) as error:
            return str(error)
        return ""

    def _model(self, name, number):
        path = self.directory / name / str(number)
        # A version that was exported anew under its old number is another one.
        key = name, number, (path / "saved_model.pb").stat().st_mtime_ns
        with self._one_at_a_time:
            if key not in self._loaded:
                for other in [k for k in self._loaded if k[:2] == key[:2]]:
                    del self._loaded[other]
                self._loaded[key] = tf.saved_model.load(path)
            return self._loaded[key]


def _labels(path):
    """The labels of each model in a `models.config`: `{name: {label: version}}`."""
    found = {}
    try:
        [models] = text_proto.parse(path.read_text())
        for entry in models.value:
            fields = [(field.name, field.value) for field in entry.value]
            name = next(_text(value) for key, value in fields if key == "name")
            found[name] = {
                _text(pair["key"]): int(pair["value"])
                for key, value in fields
                if key == "version_labels"
                for pair in [{field.name: field.value for field in value}]
            }
    except (OSError, ValueError, TypeError, KeyError, StopIteration) as error:
        raise Refused(400, f"no labels in {path.name}: {error}") from error
    return found


def _text(value):
    return value.strip("\"'")


def _columns(body, specs, by_row):
    """A value for each input, whatever the form of the request."""
    given = body["instances" if by_row else "inputs"]
    if not by_row:
        columns = given
        if not isinstance(given, dict) and len(specs) == 1:
            columns = {next(iter(specs)): given}  # a single input needs no name
    else:
        if not isinstance(given, list) or not given:
            raise Refused(400, "'instances' should be a list of examples, not empty")
        rows = given
        named = all(isinstance(row, dict) and {*row} == {*specs} for row in rows)
        if named:
            columns = {name: [row[name] for row in rows] for name in specs}
        elif len(specs) == 1:
            columns = {next(iter(specs)): rows}
        else:
            columns = {key for row in rows if isinstance(row, dict) for key in row}
    if not isinstance(columns, dict) or {*columns} != {*specs}:
        names = sorted(columns) if isinstance(columns, dict | set) else "no names"
        raise Refused(400, f"inputs {names}, where the signature has {sorted(specs)}")
    return columns


def _array(name, value, spec):
    """An input as an array of the type and shape that the signature wants."""
    try:
        if spec.dtype == tf.string:
            array = np.array(_decoded(value), object)
        else:
            _check_numbers(value, spec.dtype)
            array = np.array(value, spec.dtype.as_numpy_dtype)
    except (OverflowError, ValueError) as error:
        raise Refused(400, f"{name}: {error}") from error
    if not spec.shape.is_compatible_with(array.shape):
        words = f"{name} has shape {array.shape}, the signature wants {spec.shape}"
        raise Refused(400, words)
    return array


def _decoded(value):
    """Bytes of `{"b64": ...}`, in lists of lists."""
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict) and {*value} == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ValueError("Unable to base64 decode") from error
    if isinstance(value, str):
        return value.encode()
    raise ValueError(f"JSON Value: {value!r} not formatted correctly for base64 data")


def _check_numbers(value, dtype):
    """Raises a `ValueError` where a value is not a number of that type."""
    if isinstance(value, list):
        for item in value:
            _check_numbers(item, dtype)
        return
    kinds = (int, float) if dtype.is_floating else (int,)
    if type(value) not in kinds:
        raise ValueError(f"JSON Value: {value!r} is not of expected type: {dtype.name}")
    if not dtype.is_floating and not dtype.min <= value <= dtype.max:
        raise ValueError(f"JSON Value: {value!r} is out of the range of {dtype.name}")


def _answer(outputs, by_row):
    """What JSON holds; a single output has no name."""
    columns = {name: _jsonable(array) for name, array in outputs.items()}
    if len(columns) == 1:
        (value,) = columns.values()
        return {"predictions" if by_row else "outputs": value}
    if not by_row:
        return {"outputs": columns}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def _jsonable(array):
    """Lists; floats with nine digits, the fewest that give each float32 back."""
    if array.dtype == np.float32:
        flat = [float(f"{x:.9g}") for x in array.ravel().tolist()]
        return np.array(flat, object).reshape(array.shape).tolist()
    return array.tolist()
