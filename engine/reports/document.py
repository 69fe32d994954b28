"""The report of a run as one HTML file, which needs nothing else: no network, no fonts, no other file."""

from __future__ import annotations

from .grid import grid_section
from .markup import Markup, content_policy, element, joined
from .page import RunPage
from .samples import samples_section
from .script import SCRIPT
from .sections import (
    facts_section,
    graph_section,
    header,
    loss_section,
    measures_section,
    notes_section,
    pictures_section,
    recipe_section,
    verdict_section,
)
from .style import STYLE

_SECTIONS = (
    verdict_section,
    loss_section,
    measures_section,
    grid_section,
    samples_section,
    pictures_section,
    recipe_section,
    notes_section,
    facts_section,
    graph_section,
)
"""From top to bottom. Each gives its part of the page, or nothing."""


def document(page: RunPage) -> str:
    """The page as HTML. Equal pages give equal texts.

    Every text is escaped, and a content security policy forbids browsers to fetch anything, and to run any script but
    the page's own.
    """
    body = joined(header(page), *(section(page) for section in _SECTIONS))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=content_policy(SCRIPT, pictures="data:")),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{page.title} · run report"),
        element("style", Markup(STYLE)),
    )
    parts = element("body", element("main", body), element("script", Markup(SCRIPT)))
    return f"<!DOCTYPE html>\n{element('html', head, parts, lang='en')}\n"
