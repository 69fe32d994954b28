"""Chromium, looking at a real ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import chromium
from comfyui_server import Server, serve
from stock_nodes import CHECKPOINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ComfyUI that has the extension, and the files that the workflows name: empty, as none of them is run."""
    folder = tmp_path_factory.mktemp("comfyui")
    (folder / "output" / "loras").mkdir(parents=True)
    for name in ("fox", "riso", "my-subject", "my-style"):
        (folder / "output" / "loras" / f"{name}.safetensors").touch()
    (folder / "models" / "checkpoints").mkdir(parents=True)
    (folder / "models" / "checkpoints" / CHECKPOINT).touch()
    with serve(root, folder) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(params=[False, True], ids=["canvas", "vue"])
def front_end(request: pytest.FixtureRequest, server: Server, browser: Browser) -> Iterator[Page]:
    """A page with the front end, ready for a workflow: nodes drawn on a canvas, then made of Vue components."""
    settings = {"Comfy.VueNodes.Enabled": request.param, "Comfy.TutorialCompleted": True}
    server.post("/api/settings", settings)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(server.url)
    page.wait_for_load_state("networkidle")
    page.wait_for_function("window.app?.rootGraph && 'LW_TrainLoRA' in (window.LiteGraph?.registered_node_types ?? {})")
    yield page
    page.close()
