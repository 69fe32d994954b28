"""Links in Markdown as GitHub reads it, looked up in the tree; nothing is asked of a network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]*)[^)]*\)|<(https?:[^>\s]*)>|\b(?:href|src)=\"([^\"]*)\"")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
HIDDEN = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[`*]")
"""What of a heading isn't text, but for the text of links."""
OWN = re.compile(r"https://github\.com/lora-workbench/ComfyUI-LoRA-Workbench/(?:blob|tree|raw)/main/")
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def links(text: str) -> Iterator[str]:
    """Where the links and pictures of a text lead, as they are written."""
    for found in LINK.finditer(CODE.sub("`", text)):
        yield next(target for target in found.groups() if target is not None)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What links may name after ``#``."""
    seen: Counter[str] = Counter()
    names = []
    for heading in HEADING.findall(re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text("utf-8"))):
        shown = HIDDEN.sub(lambda found: found[1] or "", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.append(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(names)


def broken(text: str, folder: Path, root: Path, page: Path | None = None) -> list[str]:
    """The links of a text that lead nowhere.

    Links to the web are looked at in form only, but those to the project's own files on GitHub as those files.

    Args:
        folder: from where relative links start.
        root: of the repository.
        page: the text's own file, if links may lead to its headings.
    """
    return [link for link in links(text) if not _leads(link, folder, root, page)]


def _leads(link: str, folder: Path, root: Path, page: Path | None) -> bool:
    own = OWN.match(link)
    if "://" in link and not own:
        parts = urlsplit(link)
        return parts.scheme == "https" and bool(HOST.fullmatch(parts.netloc))
    path, mark, anchor = link.partition("#")
    start = root if own else folder
    file = start / unquote(OWN.sub("", path)) if path else page
    if file is None or not file.exists() or not file.resolve().is_relative_to(root.resolve()):
        return False
    return not mark or file.suffix != ".md" or anchor in anchors(file)
