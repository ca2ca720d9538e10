"""The explorer as a folder of files, which any web server hosts.

Inference is LiteRT.js on the `.tflite` files of the run, in the page: what one sees is
what a phone computes.
"""

import json
import shutil
import tempfile
from pathlib import Path

from keras_vae import files
from keras_vae.explorer import web_page
from keras_vae.export import export_tflite

MODELS = ("encoder", "decoder")
# Of LiteRT.js' variants the two that need no special headers: with and without the
# instructions that older browsers lack.
RUNTIME = (
    "litert_wasm_internal.js",
    "litert_wasm_internal.wasm",
    "litert_wasm_compat_internal.js",
    "litert_wasm_compat_internal.wasm",
)
MEND = "Mend: make site-runtime, or npm install @litertjs/core in that folder"


def write_site(latent_map, tflite, directory, runtime, measures):
    """Writes a folder with the page, the models and LiteRT.js.

    Args:
        latent_map: `LatentMap` of the run.
        tflite: Path of the folder with the run's `encoder.tflite` and `decoder.tflite`.
        directory: Path of the folder to write: new, empty, or an earlier site, which it
            replaces.
        runtime: Path of the folder into which npm installed `@litertjs/core`.
        measures: `Measures` of the model, which become further `.tflite` files.

    Returns:
        List of the paths of all files.

    Raises:
        FileExistsError: If the folder holds something else.
        FileNotFoundError: If there is no LiteRT.js, or no `.tflite` file.

    Example:

    >>> import keras_vae
    >>> run = keras_vae.runs.Run("runs/digits")  # doctest: +SKIP
    >>> shown, measures = latent_map(run), Measures(run.vae)  # doctest: +SKIP
    >>> tflite = "runs/digits/export/tflite"  # doctest: +SKIP
    >>> write_site(shown, tflite, "site", "runtime", measures)  # doctest: +SKIP

    Reference:
        https://ai.google.dev/edge/litert/web
    """
    directory, tflite = Path(directory), Path(tflite)
    check_directory(directory)
    packages = find_runtime(runtime)
    for model in MODELS:
        if not (tflite / f"{model}.tflite").is_file():
            raise FileNotFoundError(
                f"There is no {model}.tflite in {tflite}. Mend: keras-vae convert"
            )
    with files.staged(directory, replace=True) as staging:
        for model in MODELS:
            shutil.copy(tflite / f"{model}.tflite", staging)
        _convert(measures, staging)
        about = {**latent_map.about, **measures.about, "inference": "litert"}
        about["path"] = about["name"]  # where it is here is nobody's business
        page = web_page.files(about, latent_map.thumbnails)
        page["index.html"] = _with_policy(page["index.html"])
        for name, content in page.items():
            (staging / name).write_bytes(content)
        _copy_runtime(packages, staging / "litert")
    return [directory / path for path in files.inside(directory)]


def check_directory(directory):
    """Raises a `FileExistsError` where a site would replace something else."""
    directory = Path(directory)
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    try:
        is_ours = "keras_vae" in json.loads((directory / web_page.MAP).read_text())
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        raise FileExistsError(
            "`directory` should be new, empty, or an earlier site. Received: "
            f"{str(directory)!r}, which holds something else"
        )


def find_runtime(folder):
    """The folder `@litertjs` of npm's packages in or below a folder."""
    for packages in (Path(folder), Path(folder, "node_modules")):
        if (packages / "@litertjs" / "core" / "dist" / "index.js").is_file():
            return packages / "@litertjs"
    raise FileNotFoundError(
        f"`runtime` should be the folder of npm's packages with @litertjs/core. "
        f"Received: {str(folder)!r}, which has none. {MEND}"
    )


def _convert(measures, folder):
    with tempfile.TemporaryDirectory(prefix="keras_vae-") as place:
        export_tflite(measures, Path(place, "tflite"))
        for path in Path(place, "tflite").glob("*.tflite"):
            shutil.copy(path, folder)


def _copy_runtime(packages, folder):
    folder.mkdir()
    for name in RUNTIME:
        shutil.copy(packages / "core" / "wasm" / name, folder)
    shutil.copy(packages / "core" / "package.json", folder)  # whose it is, and terms
    shutil.copy(packages / "wasm-utils" / "dist" / "index.js", folder / "wasm-utils.js")
    # A browser knows no packages: the one import of one is of the file beside it.
    source = (packages / "core" / "dist" / "index.js").read_text()
    place = '"./wasm-utils.js"'
    source = source.replace('"@litertjs/wasm-utils"', place)
    if place not in source:
        raise FileNotFoundError(
            f"{packages} should hold a @litertjs/core that imports "
            "@litertjs/wasm-utils, as 2.5.3 does. Received: another one"
        )
    (folder / "index.js").write_text(source)


def _with_policy(page):
    """The page with its policy in itself: who hosts a site may set no headers."""
    policy = web_page.policy(webassembly=True)
    line = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page.replace(b"<head>", f"<head>\n  {line}".encode(), 1)
