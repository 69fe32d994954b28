"""Whatever the documentation links to is there, and its pictures can be opened."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LARGEST_PICTURE = 60_000
"""Bytes, of a help page's picture."""


def test_links_and_pictures(root: Path):
    pages = [
        root / "README.md",
        root / "CONTRIBUTING.md",
        *(root / "docs").rglob("*.md"),
        root / "assets" / "demo_base" / "README.md",
    ]
    linked = {(page.parent / target).resolve() for page in pages for target in LINK.findall(page.read_text("utf-8"))}
    assert len(linked) > 10
    assert not [path for path in linked if not path.exists()]
    pictures = {*linked, *(root / "workflows").iterdir()}
    for path in [path for path in pictures if path.suffix in (".png", ".jpg")]:
        with Image.open(path) as image:
            image.load()


def test_pictures_of_help_pages_are_there_and_small(root: Path):
    """ComfyUI serves them beside the pages, with the scripts."""
    folder = root / "js" / "docs"
    shown = [picture for page in folder.glob("*.md") for picture in PICTURE.findall(page.read_text("utf-8"))]
    linked = {(folder / target).resolve() for _, target in shown}
    assert linked == {path.resolve() for path in (folder / "images").iterdir()}
    for path in linked:
        assert path.stat().st_size < LARGEST_PICTURE
        with Image.open(path) as image:
            image.load()
            assert image.format == "WEBP" and image.width <= 760
    assert all(text.strip() for text, _ in shown)
