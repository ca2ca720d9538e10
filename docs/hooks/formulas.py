"""Sets formulas in MathML when the site is built: browsers draw it without a script."""

import html
import re

import latex2mathml.converter

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<latex>.*?)\\[)\]]</(?P=tag)>',
    re.DOTALL,
)


def on_page_content(content, page, config, files):
    """Replaces what pymdownx.arithmatex marked as formulas."""
    return FORMULA.sub(mathml, content)


def mathml(match):
    """One formula; a `div` stands alone on its line."""
    return latex2mathml.converter.convert(
        html.unescape(match["latex"]).strip(),
        display="block" if match["tag"] == "div" else "inline",
    )
