"""A page that is one file: a template with its styles and scripts; it needs nothing but a browser.

    html = render_page("report.template.html", ("report.css",), ("plot.js",), run=data)

The template extends `page.template.html`; what it shows is cleaned and escaped. The page's own
policy, by the hashes of styles and scripts, lets nothing else run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from executor.text.outside_text import clean_text
from ideator_rl.report.formats import amount, duration, money, number, share, signed, words

LONGEST_TEXT = 100_000


def render_page(
    template: str, styles: Sequence[str], scripts: Sequence[str], **context: Any
) -> str:
    """The whole page; names are those of files beside this one."""
    package = files(__package__)
    css, js = ("".join((package / name).read_text() for name in part) for part in (styles, scripts))
    allowed = "".join(
        f"{kind}-src 'sha256-{_digest(inline)}'; "
        for kind, inline in (("script", js), ("style", css))
        if inline
    )
    policy = f"default-src 'none'; {allowed}img-src data:; base-uri 'none'; form-action 'none'"
    page = _environment().get_template(template)
    return page.render(policy=policy, css=Markup(css), js=Markup(js), **context)


@cache
def _environment() -> jinja2.Environment:
    """One for all pages: a template is compiled once."""
    package = files(__package__)
    environment = jinja2.Environment(
        autoescape=True,
        finalize=_shown,
        loader=jinja2.FunctionLoader(lambda name: (package / name).read_text()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (number, signed, duration, share, words, amount, money)
    environment.filters |= {function.__name__: function for function in filters}
    return environment


def _shown(value: object) -> object:
    """What a template is to show; its own styles, scripts and pictures are Markup."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean_text(value, LONGEST_TEXT)
    return value


def _digest(inline: str) -> str:
    return base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
