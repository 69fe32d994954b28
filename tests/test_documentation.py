"""Whatever the documentation links to is there, and its pictures can be opened."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from links import broken, links
from PIL import Image

PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LARGEST_PICTURE = 60_000
"""Bytes, of a help page's picture."""


@pytest.fixture(scope="module")
def pages(root: Path) -> list[Path]:
    assets = [root / "assets" / "SOURCES.md", *(root / "assets").rglob("README.md")]
    return [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "js" / "docs").glob("*.md"), *assets]


def test_links_lead_somewhere(root: Path, pages: list[Path]):
    assert len(pages) > 70
    found = {page: broken(page.read_text("utf-8"), page.parent, root, page) for page in pages}
    assert {page.relative_to(root).as_posix(): bad for page, bad in found.items() if bad} == {}


def test_links_of_notes_on_canvases_lead_somewhere(root: Path):
    """They have no folder, so they name files as they are on GitHub."""
    files = [*(root / "workflows").glob("*.json"), *(root / "subgraphs").glob("*.json")]
    notes = [(path.name, note) for path in files for note in _notes(json.loads(path.read_text("utf-8")))]
    assert len(notes) > 20
    assert [(name, bad) for name, note in notes if (bad := broken(note, Path("/nowhere"), root))] == []


def _notes(part: object) -> Iterator[str]:
    """The texts of notes, in subgraphs too."""
    if isinstance(part, dict):
        if part.get("type") in ("MarkdownNote", "Note"):
            yield part["widgets_values"][0]
        part = list(part.values())
    for each in part if isinstance(part, list) else []:
        yield from _notes(each)


@pytest.mark.parametrize(
    "link",
    [
        "gone.md", "README.md#gone", "#gone", "../outside.md", "http://example.com", "https://nohost/page",
        "https://github.com/lora-workbench/ComfyUI-LoRA-Workbench/blob/main/docs/gone.md",
        "https://github.com/lora-workbench/ComfyUI-LoRA-Workbench/blob/main/docs/training.md#gone",
    ],
)  # fmt: skip
def test_broken_links_are_found(root: Path, link: str):
    page = root / "README.md"
    assert broken(f"see [this]({link})", root, root, page)
    assert not broken(f"see `[this]({link})`", root, root, page)


def test_pictures_can_be_opened(root: Path, pages: list[Path]):
    linked = {(page.parent / link).resolve() for page in pages for link in links(page.read_text("utf-8"))}
    pictures = {path for path in (*linked, *(root / "workflows").iterdir()) if path.suffix in (".png", ".jpg")}
    assert len(pictures) > 20
    for path in pictures:
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
