"""The explorer, live on the page about it, where `make explorer-site` has made one."""

import shutil
from pathlib import Path

FOLDER = Path("explorer-site")
MARK = "<!-- live -->"
LIVE = """\
<iframe src="live/" class="explorer" title="The latent space of letters"
loading="lazy"></iframe>

*The model of `make demo`, computing in your browser:
<a href="live/">a page of its own</a>.*
"""


def on_page_markdown(markdown, page, **_):
    if page.file.src_uri != "explorer.md" or not FOLDER.is_dir():
        return markdown
    return markdown.replace(MARK, LIVE)


def on_post_build(config, **_):
    if FOLDER.is_dir():
        place = Path(config.site_dir, "explorer", "live")
        shutil.copytree(FOLDER, place, dirs_exist_ok=True)
