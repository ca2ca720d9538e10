"""A browser, and one tiny run of images to look at in it."""

import contextlib
import http.server
import shutil
import threading
from functools import partial
from pathlib import Path

import pytest

from keras_vae import applications, explorer, export
from tests.short_runs import digits_run

RUNTIME = Path(__file__).parents[2] / "site-runtime"


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    reason = "the explorer is tested in a browser: "
    api = pytest.importorskip(
        "playwright.sync_api", reason=f"{reason}pip install playwright"
    )
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"{reason}make browser")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A run on digits with its SavedModels, and a detector beside it."""
    path = tmp_path_factory.mktemp("explorer") / "digits"
    run = digits_run(path)
    detector = applications.AnomalyDetector(run.vae, level=0.1)
    detector.calibrate(run.dataset().validation.x).save(path / "anomaly")
    return run


@pytest.fixture(scope="session")
def detector(run):
    return applications.AnomalyDetector.load(run.directory / "anomaly")


@pytest.fixture(scope="session")
def measures(run, detector):
    return explorer.Measures(run.vae, detector)


@pytest.fixture(scope="session")
def shown(run):
    return explorer.latent_map(run)


@pytest.fixture(scope="session")
def rest(run, shown, measures):
    """The page's address, where a server answers it."""
    server = explorer.ExplorerServer(shown, run.directory / "export", measures)
    with server, server.running():
        yield server.url


@pytest.fixture(scope="session")
def site(run, shown, measures, tmp_path_factory):
    """The folder of a site of the run, which computes in the page."""
    if not (RUNTIME / "node_modules").is_dir():
        pytest.skip("no LiteRT.js to compute in the page with: make site-runtime")
    tflite = tmp_path_factory.mktemp("tflite")
    export.export_tflite(run.vae, tflite)
    folder = tmp_path_factory.mktemp("site")
    explorer.write_site(shown, tflite, folder, RUNTIME, measures)
    return folder


@pytest.fixture(scope="session")
def litert(site):
    """The page's address, where it computes by itself: files alone are served."""
    handler = partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Nothing."""


@pytest.fixture
def visit(browser):
    """Opens the page of an address; no error of ours may be in its console.

    What LiteRT.js says of itself, it says there as errors.
    """
    with contextlib.ExitStack() as stack:
        errors, asked = [], []

        def visit(url, **options):
            options = {"viewport": {"width": 1280, "height": 1000}, **options}
            context = browser.new_context(**options)
            stack.callback(context.close)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            page = context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda message: _note(message, errors))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(url)
            page.wait_for_selector("main:not([hidden])")
            page.evaluate("explorer.settled()")
            page.errors = errors
            assert all(a.startswith((url, "blob:", "data:")) for a in asked), asked
            return page

        yield visit
    assert not errors


def _note(message, errors):
    if message.type == "error" and "/litert/" not in message.location["url"]:
        errors.append(message.text)
