"""A ComfyUI for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_server import Server, serve


@pytest.fixture(scope="session")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(root, tmp_path_factory.mktemp("comfyui")) as running:
        yield running
