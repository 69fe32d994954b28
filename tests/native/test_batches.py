"""Batches in a running ComfyUI: on the model that it has loaded, and unrolled into its own nodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from comfyui_graphs import demo_checkpoint, drawing
from comfyui_server import Server
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.models.registry import load_base
from random_adapters import random_adapter
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

SETTINGS = {
    "prompts": "an emoji of a red apple\nan emoji of a fox", "seed": 1, "seeds_per_prompt": 1, "steps": 4,
    "guidance": 3.0, "negative_prompt": "", "width": 64, "height": 64,
}  # fmt: skip


@pytest.fixture
def sweep(server: Server, demo_base: Path) -> dict:
    """Without adapter, and with one at two weights."""
    folder = server.folder / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    adapter = random_adapter(load_base(demo_base, device="cpu", precision="fp32"), "swept", 0, text=True, std=0.1)
    save_adapter(adapter, folder / "swept.safetensors", key_style="kohya")
    return demo_checkpoint() | in_api_format({
        "which": ("LW_Sweep", {
            "axis": "adapters", "values": "swept:0.5\nswept", "no_adapter": True, "adapter": "",
        }),
    })  # fmt: skip


def test_a_batch_on_the_loaded_model_goes_on_where_it_stopped(server: Server, sweep: dict) -> None:
    batch = {
        "batch": ("LW_GenerateBatch", {
            **SETTINGS, "base": ["demo", 3], "batch_size": 4, "name": "native", "jobs": ["which", 0],
        }),
        "grid": ("LW_BatchGrid", {"batch": ["batch", 1], "columns": "", "rows": "", "pages": ""}),
    }  # fmt: skip
    first = server.run(sweep | in_api_format(batch))
    folder = server.output / "batches" / "native"
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert first.report("batch")["drawn"] == len(lines) == 3 * 2
    assert len({(folder / line["file"]).read_bytes() for line in lines}) == len(lines)
    batch["batch"][1]["seeds_per_prompt"] = 2
    assert server.run(sweep | in_api_format(batch)).report("batch")["drawn"] == 3 * 2


def test_its_own_nodes_run_once_for_each_job(server: Server, sweep: dict) -> None:
    graph = sweep | drawing("carried", "carried") | in_api_format({
        "unroll": ("LW_UnrollJobs", {**SETTINGS, "jobs": ["which", 0]}),
        "carried": ("LW_ApplyStack", {"model": ["demo", 0], "clip": ["demo", 1], "stack": ["unroll", 7]}),
    })  # fmt: skip
    graph["carried positive"]["inputs"]["text"] = ["unroll", 0]
    graph["carried latent"]["inputs"] |= {"seed": ["unroll", 2], "steps": ["unroll", 3], "cfg": ["unroll", 4]}
    graph["carried file"]["inputs"]["filename_prefix"] = ["unroll", 9]
    drawn = server.run(graph).pixels("carried file")
    assert len(drawn) == 3 * 2
    for number, one in enumerate(drawn):
        assert all(np.abs(one - other).max() > 8 for other in drawn[number + 1 :])
