"""The documentation as a site: pages as GitHub shows them, each of them listed, and nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs isn't installed")

from docs_site import as_on_github, resolved

LOADED = re.compile(r'<(?:script|img|iframe)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\brel="(?:stylesheet|icon)"[^>]*>')


def changed(markdown: str) -> str:
    return "\n".join(line for line, _ in as_on_github(markdown))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("text:\n- a\n- b", "text:\n\n- a\n- b"),
        ("text:\n1. a", "text:\n\n1. a"),
        ("text\n| a |\n|---|", "text\n\n| a |\n|---|"),
        ("# title\n- a\n  goes on\n- b", "# title\n- a\n    goes on\n- b"),
        ("- a\n  - b\n    - c", "- a\n    - b\n        - c"),
        ("- a\n\n  more\n- b", "- a\n\n    more\n\n- b"),
        ("1. a\n   - b", "1. a\n    - b"),
        ("- a\n  ```\n  x\n    y\n  ```", "- a\n    ```\n    x\n      y\n    ```"),
        ("```\ntext\n- a\n  b\n```", "```\ntext\n- a\n  b\n```"),
        (r"| `a\|b` | c\|d |", r"| `a|b` | c\|d |"),
        ("text\n- not `code", "text\n\n- not `code"),
    ],
)
def test_markdown_is_read_as_on_github(written: str, read: str):
    assert changed(written) == read


def test_patterns_of_the_navigation():
    pages = ["index.md", "nodes/a.md", "nodes/b.md", "use/x.md", "use/y.md", "late.md"]
    named: set[str] = set()
    nav = [
        {"Start": "index.md"},
        {"Nodes": [{"A": "nodes/a.md"}, "nodes/*.md"]},
        {"Use": "use/*.md"},
        {"None": "gone/*.md"},
    ]
    assert resolved(nav, pages, named) == [
        {"Start": "index.md"},
        {"Nodes": [{"A": "nodes/a.md"}, "nodes/b.md"]},
        {"Use": ["use/x.md", "use/y.md"]},
    ]
    assert set(pages) - named == {"late.md"}


def test_the_site(root: Path, tmp_path: Path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    run = subprocess.run(
        command, cwd=root, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*.html")}
    assert pages.keys() >= {
        "index.html",
        "changes.html",
        "contributing.html",
        "training.html",
        "nodes/LW_TrainLoRA.html",
    }
    assert "<h1" in pages["index.html"] and 'src="images/grid.png"' in pages["index.html"]
    assert "<math" in pages["adapters.html"]
    for name, page in pages.items():
        loaded = [found[0] for found in LOADED.finditer(page)]
        assert loaded
        assert not [tag for tag in loaded if "//" in tag], name
