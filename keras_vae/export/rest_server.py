"""TensorFlow Serving's REST interface, on this machine alone."""

import contextlib
import http.server
import json
import os
import re
import threading

from keras_vae.export.model_server import ModelServer, Refused

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?P<which>/versions/\d+|/labels/[^/:]+)?"
    r"(?P<what>/metadata|:predict)?"
)

# A request of more is refused: ten thousand images of 28 x 28 as text are about 100 MB.
MAX_BYTES = 2**30


class RestHandler(http.server.BaseHTTPRequestHandler):
    """One connection to a `RestServer`."""

    protocol_version = "HTTP/1.1"  # connections are kept: most of a small request
    # An answer leaves whole and at once: in two parts, the second of which waits until
    # the first is acknowledged, it takes 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def do_OPTIONS(self):
        self._reply(204 if self.server.cors else 405, None)

    def _get(self, models, found):
        if found["what"] == ":predict":
            raise Refused(400, f"Malformed request: GET {self.path}")
        ask = models.metadata if found["what"] else models.status
        return ask(found["name"], found["which"] or "")

    def _post(self, models, found):
        body = self._body()
        if found["what"] != ":predict":
            raise Refused(400, f"Malformed request: POST {self.path}")
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Refused(400, f"JSON Parse error: {error}") from error
        return models.predict(found["name"], found["which"] or "", content)

    def _body(self):
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal():
            self.close_connection = True  # where the body ends is not known
            raise Refused(411, "Content-Length is missing")
        if int(size) > MAX_BYTES:
            self.close_connection = True
            raise Refused(413, f"The request is larger than {MAX_BYTES} bytes")
        return self.rfile.read(int(size))

    def _answer(self, ask):
        found = _PATH.fullmatch(self.path)
        try:
            if found is None:
                if self.command == "POST":
                    self._body()
                raise Refused(400, f"Malformed request: {self.command} {self.path}")
            status, content = 200, ask(self.server.models, found)
        except Refused as error:
            status, message = error.args
            content = {"error": message}
        self._reply(status, content)

    def _reply(self, status, content):
        # Line breaks are for people: of many numbers they would take most of the time.
        indent = 1 if self.command == "GET" else None
        body = b"" if content is None else json.dumps(content, indent=indent).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.server.cors:
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
            self.send_header("Access-Control-Allow-Headers", "Content-Type")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Nothing: who serves prints what was asked, if at all."""


class RestServer(http.server.ThreadingHTTPServer):
    """Answers TensorFlow Serving's REST protocol from an export, for development.

    The address is one of this machine alone, and nothing is encrypted. For production
    there is TensorFlow Serving; see `export/README.md`.

    Args:
        models: Path of an export, a `ModelServer`, or what answers as it does.
        port: Integer; 0 takes a free one.
        cors: Whether pages of other addresses may ask, as with
            `--rest_api_enable_cors_support`.

    Attributes:
        models: The `ModelServer`.
        url: Such as `"http://127.0.0.1:8501"`.

    Raises:
        FileNotFoundError: If there is no model in the folder.
        OSError: If the port is in use.

    Example:

    >>> import json, tempfile, urllib.request
    >>> from keras_vae import VAE, export, networks
    >>> vae = VAE(*networks.dense((4,), 2, hidden_units=(8,)))
    >>> folder = tempfile.mkdtemp()
    >>> _ = export.export_saved_models(vae, folder)
    >>> with RestServer(folder, port=0) as server, server.running():
    ...     answer = urllib.request.urlopen(f"{server.url}/v1/models/encoder").read()
    >>> json.loads(answer)["model_version_status"][0]["state"]
    'AVAILABLE'

    Reference:
        https://www.tensorflow.org/tfx/serving/api_rest
    """

    daemon_threads = True
    handler = RestHandler

    def __init__(self, models, port=8501, *, cors=False):
        if isinstance(models, str | os.PathLike):
            models = ModelServer(models)
        self.models, self.cors = models, cors
        super().__init__(("127.0.0.1", port), self.handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    @contextlib.contextmanager
    def running(self):
        """Answers, in a thread, while the block runs."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
