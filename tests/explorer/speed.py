"""How many decodings a second the explorer's page does, at 28 x 28.

    python -m tests.explorer.speed [FOLDER]

by TF Serving's REST protocol, and by LiteRT.js from the folder that npm installed it to
(`make site-runtime`, site-runtime/ unless given). The model has the layers of `make
demo`; what they have learned does not change how long they take. Each decoding moves
the cross on the map, the sliders and the picture, as the mouse does. On a machine that
does other things at the same time, the processor time that this process (for REST the
server) takes for each says more.
"""

import http.server
import os
import shutil
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from playwright.sync_api import sync_playwright

from keras_vae import VAE, datasets, explorer, export, networks

SECONDS = 3
GOAL = 60

COUNT = """async (seconds) => {
  const {model} = explorer, begin = performance.now(), before = model.decodings;
  const z = Float32Array.from(explorer.z);
  let now = begin;
  while (now - begin < 1000 * seconds) {
    z[0] = 2 * Math.sin(now / 300);
    z[1] = 2 * Math.cos(now / 300);
    await explorer.show(z);
    now = performance.now();
  }
  return (model.decodings - before) / ((now - begin) / 1000);
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Nothing."""


def measure(browser, url):
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector("main:not([hidden])")
    page.evaluate("explorer.settled()")
    page.evaluate(COUNT, 0.5)  # what is slow at first only
    before = time.process_time()
    rate = page.evaluate(COUNT, SECONDS)
    return rate, 1000 * (time.process_time() - before) / (rate * SECONDS)


def main(runtime="site-runtime"):
    data = datasets.load("letters")
    built = networks.dense(data.data_shape, 16, hidden_units=(512, 256), seed=0)
    vae = VAE(*built, likelihood="bernoulli", seed=0)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    found = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = Path(folder)
        run = SimpleNamespace(
            vae=vae, directory=folder, config={"binarize": "none"}, batch_arguments={}
        )
        shown, measures = explorer.latent_map(run, data), explorer.Measures(vae)
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        export.export_saved_models(vae, folder / "export")
        server = explorer.ExplorerServer(shown, folder / "export", measures)
        with server, server.running():
            found["REST"] = measure(browser, server.url)
        if Path(runtime).is_dir():
            export.export_tflite(vae, folder / "tflite")
            site = folder / "site"
            explorer.write_site(shown, folder / "tflite", site, runtime, measures)
            handler = partial(_Quiet, directory=site)
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
                threading.Thread(target=server.serve_forever).start()
                url = f"http://127.0.0.1:{server.server_port}"
                found["LiteRT.js"] = measure(browser, url)
                server.shutdown()
        browser.close()
    load = os.getloadavg()[0]
    for name, (rate, cost) in found.items():
        words = "reached" if rate >= GOAL else "missed"
        sys.stdout.write(
            f"{name}: {rate:.0f} decodings a second, goal of {GOAL} {words}; "
            f"{cost:.1f} ms of this process each "
            f"({os.cpu_count()} cores, load {load:.1f})\n"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
