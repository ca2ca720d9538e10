"""The files of the page, the same for a server and for a site."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
MAP, THUMBNAILS = "latent_map.json", "thumbnails.png"


def policy(webassembly=False):
    """The page's Content-Security-Policy: nothing from elsewhere, nothing inline.

    Args:
        webassembly: Whether it compiles WebAssembly, as LiteRT.js does.

    Example:

    >>> "wasm" in policy()
    False
    """
    scripts = "'self' 'wasm-unsafe-eval'" if webassembly else "'self'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; "
        "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'"
    )


def files(about, thumbnails):
    """The page and what it shows: bytes by name.

    Args:
        about: Dictionary, `LatentMap.about` and who answers.
        thumbnails: Bytes of a PNG, or `None`.

    Returns:
        Dictionary from names, such as `"index.html"`, to bytes.
    """
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
    found[MAP] = json.dumps(about, allow_nan=False).encode()
    if thumbnails is not None:
        found[THUMBNAILS] = thumbnails
    return found
