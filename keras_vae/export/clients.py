"""Asking a running TensorFlow Serving, by its two public protocols."""

import base64
import urllib.parse

import numpy as np
import requests
import tensorflow as tf


class ServingError(Exception):
    """Why there is no answer, in words that begin with what is the matter."""


class RestClient:
    """TensorFlow Serving's REST interface.

    Args:
        url: Such as `"http://localhost:8501"`.
        timeout: Seconds to wait for an answer.

    Raises:
        ValueError: If `url` is not an address of this kind.

    Reference:
        https://www.tensorflow.org/tfx/serving/api_rest
    """

    name = "REST"

    def __init__(self, url, timeout):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                "`rest` should be the address of a server, such as "
                f"'http://localhost:8501'. Received: {url!r}"
            )
        self._url = url.rstrip("/")
        self._timeout = timeout

    def states(self, model):
        """State of each version of a model: `{version: (state, error message)}`.

        Raises:
            ServingError: If the server does not answer, or has no such model.
        """
        answer = self._ask(f"/v1/models/{model}")
        try:
            return {
                int(entry["version"]): (
                    entry["state"],
                    entry.get("status", {}).get("error_message", ""),
                )
                for entry in answer["model_version_status"]
            }
        except (KeyError, TypeError, ValueError) as error:
            raise ServingError(f"not TensorFlow Serving: it says {answer}") from error

    def predict(self, model, version, signature, inputs, output_names):
        """One request: by rows for a single example, by columns for several.

        Args:
            model: Name of the model.
            version: Integer.
            signature: Name of the signature.
            inputs: Array `(n, ...)` by name.
            output_names: Names of the outputs; the server leaves out a single one.

        Returns:
            NumPy array `(n, ...)` by name.

        Raises:
            ServingError: If there is none, in words.
        """
        columns = {name: [_json(row) for row in rows] for name, rows in inputs.items()}
        body = {"signature_name": signature}
        size = len(next(iter(columns.values())))
        if size > 1:
            body["inputs"] = columns
        elif len(columns) == 1:
            (body["instances"],) = columns.values()
        else:
            body["instances"] = [{name: rows[0] for name, rows in columns.items()}]
        path = f"/v1/models/{model}/versions/{version}:predict"
        answer = self._ask(path, body)
        try:
            if size > 1:
                outputs = answer["outputs"]
            else:
                rows = answer["predictions"]
                outputs = rows
                if isinstance(rows[0], dict):
                    outputs = {name: [row[name] for row in rows] for name in rows[0]}
        except (KeyError, IndexError, TypeError) as error:
            raise ServingError(f"not TensorFlow Serving: it says {answer}") from error
        if not isinstance(outputs, dict):
            (name,) = output_names
            outputs = {name: outputs}
        return {name: np.asarray(value) for name, value in outputs.items()}

    def _ask(self, path, body=None):
        """The server's answer to a request, as JSON."""
        method = "GET" if body is None else "POST"
        url = self._url + path
        try:
            response = requests.request(method, url, json=body, timeout=self._timeout)
        except requests.Timeout as error:
            words = f"slow: no answer from {self._url} within {self._timeout:g} s"
            raise ServingError(words) from error
        except requests.RequestException as error:
            raise ServingError(f"down: {self._url} ({_reason(error)})") from error
        try:
            answer = response.json()
            if response.ok:
                return answer
            message = answer["error"]
        except (KeyError, TypeError, ValueError) as error:
            if response.status_code != 503:
                words = f"not TensorFlow Serving: HTTP {response.status_code} at {url}"
                raise ServingError(words) from error
            message = response.reason
        words = {503: "still loading, or overloaded", 404: "not served"}
        words = words.get(response.status_code, "refused")
        raise ServingError(f"{words}: {message}")


def _reason(error):
    """What lies at the bottom of an exception of several layers."""
    while (cause := error.__context__ or error.__cause__) is not None:
        error = cause
    return error


def _json(value):
    """A row of an input as JSON has it: numbers, or a file as base64."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist()


class GrpcClient:
    """TensorFlow Serving's gRPC interface, with `tensorflow-serving-api`.

    Args:
        address: Such as `"localhost:8500"`.
        timeout: Seconds to wait for an answer.

    Raises:
        ImportError: If `tensorflow-serving-api` is not installed.
        ValueError: If `address` is not of this kind.
    """

    name = "gRPC"

    def __init__(self, address, timeout):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(
                "`grpc` should be host and port of a server, such as "
                f"'localhost:8500'. Received: {address!r}"
            )
        try:
            import grpc
            from tensorflow_serving.apis import (
                get_model_status_pb2,
                model_service_pb2_grpc,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise ImportError(
                "gRPC needs the package tensorflow-serving-api, an extra of keras-vae. "
                "Mend: pip install 'keras-vae[serving]'"
            ) from error
        self._grpc = grpc
        self._status_request = get_model_status_pb2.GetModelStatusRequest
        self._predict_request = predict_pb2.PredictRequest
        # A batch of images is more than the 4 MB that gRPC allows unless told.
        channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._address = address
        self._timeout = timeout

    def states(self, model):
        """State of each version of a model, as `RestClient.states` has it."""
        request = self._status_request()
        request.model_spec.name = model
        answer = self._ask(self._models.GetModelStatus, request)
        return {
            entry.version: (
                type(entry).State.Name(entry.state),
                entry.status.error_message,
            )
            for entry in answer.model_version_status
        }

    def predict(self, model, version, signature, inputs, output_names):
        """One request; arguments and answer as those of `RestClient.predict`."""
        request = self._predict_request()
        request.model_spec.name = model
        request.model_spec.version.value = version
        request.model_spec.signature_name = signature
        for name, rows in inputs.items():
            value = list(rows) if rows.dtype == object else rows
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._ask(self._predictions.Predict, request)
        return {name: tf.make_ndarray(proto) for name, proto in answer.outputs.items()}

    def _ask(self, method, request):
        try:
            return method(request, timeout=self._timeout)
        except self._grpc.RpcError as error:
            code = self._grpc.StatusCode
            words = {
                code.UNAVAILABLE: f"down: {self._address}",
                code.DEADLINE_EXCEEDED: (
                    f"slow: no answer from {self._address} within {self._timeout:g} s"
                ),
                code.NOT_FOUND: "not served",
                code.UNIMPLEMENTED: f"not TensorFlow Serving: {self._address}",
            }.get(error.code(), "refused")
            raise ServingError(f"{words} ({error.details()})") from error


def check_served(client, model, version):
    """Makes sure that a server has a version of a model ready.

    Args:
        client: `RestClient` or `GrpcClient`.
        model: Name of the model.
        version: Integer.

    Returns:
        Integer, the newest version that is ready: it answers whoever asks for none.

    Raises:
        ServingError: If it has not: it is down, slow, still loading, failed to load it,
            or serves other versions.
    """
    states = client.states(model)
    ready = sorted(key for key, (state, _) in states.items() if state == "AVAILABLE")
    state, message = states.get(version, ("absent", ""))
    if state == "AVAILABLE":
        return ready[-1]
    if state in ("START", "LOADING"):
        raise ServingError(f"still loading: version {version} of {model} ({state})")
    if message:
        raise ServingError(f"failed to load version {version} of {model}: {message}")
    if ready:
        served = ", ".join(map(str, ready))
        raise ServingError(
            f"another version: {model} {served} is served, not {version}"
        )
    raise ServingError(f"not served: version {version} of {model} ({state})")
