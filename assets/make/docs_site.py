"""What MkDocs doesn't do by itself for the site that ``mkdocs.yml`` describes.

Pages are written for GitHub, so here they are read as it reads them: pages outside ``docs/`` are added, links to files
of the repository that aren't pages go to GitHub, lists and tables begin where they do there, and formulas are shown.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert as latex_to_mathml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
ADDED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "assets/SOURCES.md": "sources.md",
    "assets/demo_base/README.md": "demo-base.md",
    "assets/demo_base/samples.png": "samples.png",
    **{
        path.relative_to(ROOT).as_posix(): f"nodes/{path.relative_to(ROOT / 'js/docs').as_posix()}"
        for path in (ROOT / "js" / "docs").rglob("*.*")
    },
}
"""File of the repository outside ``docs/`` -> where it is in the site."""
FROM = {there: here for here, there in ADDED.items()}

BADGE = re.compile(r"\[!\[([^\]]*)\]\(https:[^)]*\)\]")
CODE = re.compile(r"`[^`]*`")
CODE_LINK_OR_FORMULA = re.compile(
    rf"{CODE.pattern}|(?<=\]\()(?P<link>[^)\s]+)|\$(?P<formula>[^$\s](?:[^$]*[^$\s])?)\$(?!\d)"
)
FENCE = re.compile(r" *```")
ITEM = re.compile(r" *([-*+]|\d+\.) ")

Nav = list[Any]
"""As in ``mkdocs.yml``: paths, and titles with a path or a list each."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is outside ``docs/``, and name every page in ``nav``."""
    for here, there in ADDED.items():
        files.append(File.generated(config, there, abs_src_path=str(ROOT / here)))
    pages = [file.src_uri for file in files.documentation_pages(inclusion=InclusionLevel.is_included)]
    pages.sort(key=lambda page: (not page.endswith(("index.md", "README.md")), page[:-3]))
    named: set[str] = set()
    config["nav"] = resolved(config["nav"], pages, named)
    if rest := [page for page in pages if page not in named]:
        config["nav"].append({"More": rest})
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A page as GitHub would read it."""
    source = page.file.src_uri
    here = FROM.get(source, f"docs/{source}")
    if page.parent is None:  # beside it there would be an empty column
        page.meta["hide"] = ["navigation"]

    def changed(found: re.Match[str]) -> str:
        if found["link"]:
            return _target(found["link"], here, source, config, files)
        return latex_to_mathml(found["formula"]) if found["formula"] else found[0]

    markdown = BADGE.sub(r"[\1]", markdown)  # pages load nothing from elsewhere
    lines = [CODE_LINK_OR_FORMULA.sub(changed, line) if is_text else line for line, is_text in as_on_github(markdown)]
    return "\n".join(lines)


def resolved(nav: Nav, pages: list[str], named: set[str]) -> Nav:
    """``nav`` with each pattern replaced by the pages that it matches, and without sections that are empty."""
    entries = []
    for entry in nav:
        title, value = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        if isinstance(value, list):
            below = resolved(value, pages, named)
        elif "*" in value:
            below = [page for page in fnmatch.filter(pages, value) if page not in named]
        else:
            entries.append(entry)
            named.add(value)
            continue
        named.update(page for page in below if isinstance(page, str))
        if below:
            entries += [{title: below}] if title else below
    return entries


def as_on_github(markdown: str) -> Iterator[tuple[str, bool]]:
    """The lines of a page as Python-Markdown has to get them to read what GitHub reads, and whether each is no code.

    Python-Markdown wants four spaces for each level of a list, an empty line before a list or a table, and no backslash
    before pipes in a table's code.
    """
    in_code, moved, block = False, 0, ""
    for line in markdown.splitlines():
        fence = FENCE.match(line)
        if fence or not in_code:  # the lines of a block of code move with its fence
            indent = len(line) - len(line.lstrip(" "))
            moved = indent // 2 * 4 - indent
        in_code = in_code != bool(fence)
        if in_code or fence:
            yield " " * moved + line, False
            block = ""
            continue
        before, block = block, _block(line, block)
        if before and block not in ("", before):
            yield "", True
        if block == "table":
            line = CODE.sub(lambda code: code[0].replace(r"\|", "|"), line)
        yield " " * moved + line, True


def _block(line: str, before: str) -> str:
    """The kind of block that a line belongs to, nothing for a heading or an empty line."""
    if not line.strip() or line.startswith("#"):
        return ""
    if line.startswith("|"):
        return "table"
    return "list" if ITEM.match(line) else before or "paragraph"


def _target(link: str, here: str, source: str, config: MkDocsConfig, files: Files) -> str:
    """Where a link of a page leads in the site.

    Args:
        link: as it is written.
        here: the page's path in the repository.
        source: the page's path in the site.
    """
    repository = config.extra["repository"]
    own = re.match(rf"{re.escape(repository)}/(?:blob|tree)/main/", link)
    path, mark, anchor = link.partition("#")
    if not path or ("://" in link and not own) or link.startswith("mailto:"):
        return link
    wanted = path[own.end() :] if own else posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
    if (ROOT / wanted / "README.md").exists():
        wanted += "/README.md"
    there = ADDED.get(wanted) or wanted.removeprefix("docs/")
    if (wanted in ADDED or wanted.startswith("docs/")) and files.get_file_from_path(there):
        return posixpath.relpath(there, posixpath.dirname(source) or ".") + mark + anchor
    if (ROOT / wanted).exists():
        kind = "tree" if (ROOT / wanted).is_dir() else "blob"
        return f"{repository}/{kind}/main/{wanted}{mark}{anchor}"
    return link  # MkDocs will say that it leads nowhere
