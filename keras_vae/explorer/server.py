"""A server for one page, on this machine alone, and the models that it asks."""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import keras
import requests

from keras_vae.explorer import web_page
from keras_vae.export.endpoints import exported_models
from keras_vae.export.model_server import ModelServer, Refused
from keras_vae.export.rest_server import RestHandler, RestServer

TIMEOUT = 60  # seconds, for a server that is asked in turn

HEADERS = {
    "Content-Security-Policy": f"{web_page.policy()}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOCAL = ("127.0.0.1", "localhost")


class _Handler(RestHandler):
    def do_GET(self):
        name = urlsplit(self.path).path.removeprefix("/") or "index.html"
        body = self.server.files.get(name)
        # By a name that somebody else's page has made point here, that page could read
        # what is shown.
        if body is None or urlsplit(f"//{self.headers['Host']}").hostname not in LOCAL:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", web_page.TYPES[Path(name).suffix])
        self.send_header("Content-Length", str(len(body)))
        for header in HEADERS.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)


class ExplorerServer(RestServer):
    """Serves the page that shows a latent space, and TF Serving's REST to it.

    It computes what no export has (`Measures`), and leaves the rest to the models of an
    export, or to a server that runs already. For the page all of it has one address, so
    that no server needs CORS.

    Args:
        latent_map: `LatentMap` of the run.
        export: Path of the export to answer from, or the URL of a TF Serving.
        measures: `Measures` of the model.
        port: Integer; 0 takes a free one.

    Attributes:
        url: The page's address.

    Raises:
        FileNotFoundError: If there is no model in the export.
        ValueError: If its server does not answer, or has no model `decoder`.
        OSError: If the port is in use.

    Example:

    >>> import keras_vae
    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> shown, measures = latent_map(run), Measures(run.vae)  # doctest: +SKIP
    >>> export = "runs/digits/export"  # doctest: +SKIP
    >>> server = ExplorerServer(shown, export, measures)  # doctest: +SKIP
    >>> server.serve_forever()  # doctest: +SKIP

    Reference:
        https://www.tensorflow.org/tfx/serving/api_rest
    """

    handler = _Handler

    def __init__(self, latent_map, export, measures, port=0):
        is_url = urlsplit(str(export)).scheme in ("http", "https")
        others = _Remote(str(export)) if is_url else ModelServer(export)
        try:
            others.status("decoder")
        except Refused as error:
            raise ValueError(
                f"{export} should have the models of the run. Received: {error.args[1]}"
            ) from error
        self._folder = tempfile.TemporaryDirectory(prefix="keras_vae-")
        own = _saved(measures, Path(self._folder.name))
        about = {
            **latent_map.about,
            **measures.about,
            "inference": "rest",
            "server": str(export).rstrip("/") if is_url else None,
        }
        self.files = web_page.files(about, latent_map.thumbnails)
        super().__init__(_Models(own, others), port)

    def server_close(self):
        super().server_close()
        self._folder.cleanup()


class _Models:
    """Answers as a `ModelServer` does: some models itself, the others by another."""

    def __init__(self, own, others):
        self._own, self._others = own, others

    def _who(self, name):
        return self._own if name in self._own.names else self._others

    def status(self, name, which=""):
        return self._who(name).status(name, which)

    def metadata(self, name, which=""):
        return self._who(name).metadata(name, which)

    def predict(self, name, which, body):
        return self._who(name).predict(name, which, body)


class _Remote:
    """Answers as a `ModelServer` does: by asking a server at another address."""

    def __init__(self, url):
        self._url = url.rstrip("/")

    def status(self, name, which=""):
        return self._ask("GET", f"{name}{which}")

    def metadata(self, name, which=""):
        return self._ask("GET", f"{name}{which}/metadata")

    def predict(self, name, which, body):
        return self._ask("POST", f"{name}{which}:predict", body)

    def _ask(self, method, path, body=None):
        url = f"{self._url}/v1/models/{path}"
        try:
            answer = requests.request(method, url, json=body, timeout=TIMEOUT)
            content = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Refused(502, f"No TF Serving answers at {self._url}") from error
        if not answer.ok:
            raise Refused(answer.status_code, content.get("error", answer.reason))
        return content


def _saved(measures, folder):
    """A `ModelServer` of models that are in no export."""
    for name, endpoints in exported_models(measures).items():
        archive = keras.export.ExportArchive()
        for end in endpoints.values():
            archive.add_endpoint(end.name, end.function, [end.inputs])
        archive.write_out(str(folder / name / "1"), verbose=False)
    return ModelServer(folder)
