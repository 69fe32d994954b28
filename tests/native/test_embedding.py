"""Embeddings on ComfyUI's models: trained as on diffusers' ones, and read by its own prompts."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_graphs import demo_checkpoint
from comfyui_process import run_inside
from comfyui_server import Server
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

SCRIPT = Path(__file__).resolve().parent / "inside_embedding.py"


def test_both_backbones_train_alike_and_the_word_means_the_same_in_stock_prompts(tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "trained", folder=tmp_path)
    assert found["losses_apart"] < 1e-4
    assert found["vectors_apart"] < 1e-3 < found["moved"]
    assert found["stock_apart"] < 1e-5 < found["plain_apart"]
    assert found["hosts_apart"] < 1e-3
    assert not found["changed"], "the model that came in is another one afterwards"


def test_a_word_of_two_text_encoders(tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "of_sdxl", tmp_path, folder=tmp_path)
    assert found["encoders"] == ["text_encoder", "text_encoder_2"] and found["gradients"] == [True, True]
    assert found["stock_apart"] < 1e-4 < found["plain_apart"]
    assert found["pooled_apart"] < 1e-4


def test_the_nodes_train_save_and_load(server: Server) -> None:
    training = demo_checkpoint() | in_api_format({
        "data": ("LW_LoadDataset", {"path": "assets/datasets/fox", "on_unreadable": "skip"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "animal", "template": "a {trigger} {class}",
            "mode": "replace",
        }),
        "recipe": ("LW_Recipe", {
            "dataset": ["captions", 0], "base": ["demo", 3], "goal": "subject", "quality": "draft",
            "settings": "steps = 4; batch_size = 2",
        }),
        "train": ("LW_TrainEmbedding", {
            "base": ["demo", 3], "dataset": ["captions", 0], "recipe": ["recipe", 0], "vectors": 2, "begins_as": "",
            "learning_rate": 0.02, "seed": 1, "name": "",
        }),
        "save": ("LW_SaveEmbedding", {"embedding": ["train", 0], "filename": ""}),
    })  # fmt: skip
    ended = server.run(training)
    assert ended.report("train")["vectors"] == 2 and ended.report("save")["file"] == "zwx.safetensors"
    encoding = demo_checkpoint() | in_api_format({
        "load": ("LW_LoadEmbedding", {"base": ["demo", 3], "embedding": "zwx.safetensors", "word": ""}),
        "draw": ("LW_Generate", {
            "base": ["load", 0], "prompts": "a zwx animal", "seed": 1, "seeds_per_prompt": 1, "steps": 2,
            "guidance": 1.0, "negative_prompt": "", "width": 0, "height": 0, "batch_size": 1,
        }),
        "save": ("LW_SaveImages", {"images": ["draw", 0], "filename_prefix": "zwx"}),
    })  # fmt: skip
    server.run(encoding)
