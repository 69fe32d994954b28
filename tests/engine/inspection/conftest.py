"""Photographs, and the scripts of assets/make that say what can go wrong with them."""

from __future__ import annotations

import sys
from pathlib import Path

import lora_workbench
import pytest
from PIL import Image

ROOT = Path(lora_workbench.__file__).parent
sys.path.append(str(ROOT / "assets" / "make"))


@pytest.fixture(scope="session")
def photographs() -> dict[str, Image.Image]:
    """Name -> one of the photographs in ``tests/photographs``, RGB."""
    found = {}
    for path in sorted((ROOT / "tests" / "photographs").glob("*.jpg")):
        with Image.open(path) as opened:
            found[path.stem] = opened.convert("RGB")
    return found
