"""An agent runs a use case as a tool: a catalogue in, an adapter and pictures of its products out."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import mcp_types as types
import pytest
from agents_server import done, end_worker, images_of, in_thread, links_of, over_stdio, path_of, refused, text_of
from lora_workbench.engine.adapters.files import load_adapter
from PIL import Image

CALL = {
    "products_values": "balloon, present", "scenes_values": "a yellow background, a blue background",
    "formats_values": "64x64, 96x64", "set": {"recipe.settings": "steps = 2", "draw all of it.steps": 2},
}  # fmt: skip
"""A short one."""


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "out"
    folder.mkdir()
    yield folder
    end_worker(folder)


@pytest.mark.proofs
def test_an_agent_makes_brand_assets(output: Path, root: Path) -> None:
    async def campaign() -> tuple[types.Tool, types.CallToolResult, str]:
        async with over_stdio(output, "--workflow", str(root / "workflows" / "brand-assets.json")) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            problem = await refused(client, "run_brand_assets", formats_value="64x64")
            return tools["run_brand_assets"], await done(client, "run_brand_assets", **CALL), problem

    tool, result, problem = in_thread(campaign())
    arguments = tool.input_schema["properties"]
    assert arguments["trigger_word"]["default"] == "nvo"
    assert "products" in arguments["products_values"]["description"]
    assert "did you mean formats_values?" in problem
    assert load_adapter(output / "loras" / "brand.safetensors").trigger == "nvo product"
    files = [path_of(link) for link in links_of(result)]
    sizes = []
    for path in (path for path in files if "batches" in path.parts):
        with Image.open(path) as picture:
            sizes.append(picture.size)
    assert sorted(sizes) == 4 * [(64, 64)] + 4 * [(96, 64)]
    assert "sheet_00001.png" in [path.name for path in files], text_of(result)
    for shown in images_of(result):
        Image.open(io.BytesIO(base64.b64decode(shown.data))).load()
    assert images_of(result)
