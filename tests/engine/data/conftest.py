"""Small pictures and folders of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

Encode = Callable[..., bytes]
Write = Callable[[Mapping[str, bytes | str]], Path]


def encode_picture(image: Image.Image | str = "red", file_format: str = "PNG", **options: Any) -> bytes:
    """An encoded picture; a color's name stands for a plain picture of 24 x 16 pixels."""
    picture = Image.new("RGB", (24, 16), image) if isinstance(image, str) else image
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def encode() -> Encode:
    return encode_picture


@pytest.fixture
def write_folder(tmp_path: Path) -> Write:
    """Write files (relative name -> content) into a folder called ``pictures``."""

    def write(files: Mapping[str, bytes | str]) -> Path:
        root = tmp_path / "pictures"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return write


@pytest.fixture
def write_zip(tmp_path: Path) -> Write:
    """Pack files (member name as it stands -> content) into an archive called ``pictures.zip``."""

    def write(files: Mapping[str, bytes | str]) -> Path:
        path = tmp_path / "pictures.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path

    return write
