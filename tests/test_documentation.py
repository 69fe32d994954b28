"""Whatever the documentation links to is there, and its pictures can be opened."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")


def test_links_and_pictures(root: Path):
    pages = [
        root / "README.md",
        root / "CONTRIBUTING.md",
        *(root / "docs").glob("*.md"),
        root / "assets" / "demo_base" / "README.md",
    ]
    linked = {(page.parent / target).resolve() for page in pages for target in LINK.findall(page.read_text("utf-8"))}
    assert len(linked) > 10
    assert not [path for path in linked if not path.exists()]
    pictures = {*linked, *(root / "workflows").iterdir()}
    for path in [path for path in pictures if path.suffix in (".png", ".jpg")]:
        with Image.open(path) as image:
            image.load()
