"""Sliders on ComfyUI's models: trained as on diffusers' ones, and used at negative weights by its own loader."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_graphs import demo_checkpoint, drawing, our_stack, stock_loader
from comfyui_process import run_inside
from comfyui_server import Server
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

SCRIPT = Path(__file__).resolve().parent / "inside_sliders.py"


def test_both_backbones_train_alike_and_a_negative_weight_reverses_the_slider(tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "trained", folder=tmp_path)
    assert found["losses_apart"] < 1e-4
    assert found["predictions_apart"] < 1e-3
    assert found["moved"] > 0.01
    assert found["opposite"] < -0.8
    assert not found["changed"], "the model that came in is another one afterwards"


def test_the_node_trains_and_the_stock_loader_draws_the_same_at_negative_weights(server: Server) -> None:
    training = demo_checkpoint() | in_api_format({
        "train": ("LW_TrainSlider", {
            "base": ["demo", 3], "positive": "an emoji of a thing on a black background",
            "negative": "an emoji of a thing on a white background", "neutral": "an emoji of a red apple",
            "preserve": "", "guidance": 0.7, "pictures": 2, "seed": 0, "name": "dark", "strip_prompts": "",
            "strip_weights": "-1, 0, 1", "settings": "steps = 8; batch_size = 2; warmup_steps = 0",
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "dark_slider", "dtype": "float32"}),
        "strip": ("SaveImage", {"images": ["train", 1], "filename_prefix": "strip"}),
    })  # fmt: skip
    ended = server.run(training)
    report = ended.report("train")
    assert (report["steps"], report["weights"]) == (8, [-1.0, 0.0, 1.0])
    adapter = Path(ended.report("save")["path"]).name
    ways = {"minus": our_stack("minus", adapter, -1.0), "loader": stock_loader("loader", adapter, -1.0), "demo": {}}
    graph = demo_checkpoint()
    for name, nodes in ways.items():
        graph |= nodes | drawing(f"{name} slid", name)
    ended = server.run(graph)
    stack, loader, plain = (ended.pixels(f"{name} slid file") for name in ways)
    assert abs(stack - loader).max() <= 1
    assert abs(stack - plain).max() > 10
    assert "lora key not loaded" not in server.log.read_text()
