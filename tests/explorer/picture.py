"""The picture of the explorer in the documents, of a model of letters.

    python -m tests.explorer.picture runs/letters docs/explorer.png

An example is chosen, and another one is the other end of an interpolation.
"""

import io
import shutil
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

from keras_vae import explorer, runs

SIZE = {"width": 1280, "height": 960}
FROM, TO = 2, 11  # numbers of test examples


def main(directory, output):
    run = runs.Run(directory)
    shown, measures = explorer.latent_map(run), explorer.Measures(run.vae)
    server = explorer.ExplorerServer(shown, run.directory / "export", measures)
    with server, server.running(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox"],
        )
        page = browser.new_page(viewport=SIZE)
        page.goto(server.url)
        page.wait_for_selector("main:not([hidden])")
        for example, end in ((TO, "#to"), (FROM, "#from")):
            page.evaluate("i => explorer.choose(i)", example)
            page.evaluate("explorer.settled()")
            page.click(end)
        page.evaluate("explorer.settled()")
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        browser.close()
    picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
