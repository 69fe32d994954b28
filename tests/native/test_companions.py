"""Companions on ComfyUI's models: as on diffusers' ones, on fused layers too, and off in pictures."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import pytest
from comfyui_graphs import demo_training
from comfyui_process import run_inside
from comfyui_server import Server
from lora_workbench.engine.adapters.files import load_adapter
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

SCRIPT = Path(__file__).resolve().parent / "inside_companions.py"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.mark.parametrize("action", ["with_text_encoder", "without_text_encoder"])
def test_both_backbones_train_alike_beside_companions(action: str, tmp_path: Path) -> None:
    found = run_inside(SCRIPT, action, folder=tmp_path)
    moved = median(found["moved"])
    assert moved > 1e-4, f"companions change the losses of steps: {found['moved']}"
    assert found["losses_apart"] < moved / 10
    assert found["factors_apart"] < 1e-2
    assert not found["names_differ"]
    assert not found["changed"], "the model that came in is another one afterwards"


def test_sample_pictures_have_what_was_learned_and_the_context_alone(tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "samples", folder=tmp_path)
    for text_encoder in ("frozen", "trained"):
        alone, beside, within = (found[f"{text_encoder} {role}".strip()] for role in ("", "training_only", "context"))
        assert alone["alone"] <= 1
        assert beside["alone"] <= 1 < beside["with"]
        assert within["with"] <= 1 < within["alone"]
    assert min(found[name]["not learned"] for name in ("trained", "trained context")) > 5
    assert found["frozen"]["base"] <= 1


@pytest.mark.parametrize("family", ["sd15", "flux_dev"])
def test_a_companion_computes_as_comfyui_patches(family: str, checkpoints: Path, tmp_path: Path) -> None:
    found = run_inside(SCRIPT, "fused", family, checkpoints, folder=tmp_path)
    for kind in ("files", "own"):
        assert found[kind]["modules"] > 1
        assert found[kind]["moved"] > 0.02
        assert found[kind]["apart"] < 1e-4
        assert found[kind]["off"] < 1e-6


def test_the_nodes_train_beside_a_training_adapter(server: Server) -> None:
    graph = demo_training(steps=3, batch_size=2, seed=11, sample_every=3, sample_prompts="an emoji of a fox")
    beside = {"class_type": "LW_TrainLoRA", "inputs": graph["train"]["inputs"] | {
        "companions": ["unused", 0], "name": "beside",
    }}  # fmt: skip
    graph |= {"beside": beside} | in_api_format({
        "helper": ("LW_Companion", {"adapter": ["train", 0], "role": "training_only", "weight": 1.0}),
        "unused": ("LW_Companion", {
            "adapter": ["train", 3], "role": "context", "weight": 0.0, "companions": ["helper", 0],
        }),
        "save beside": ("LW_SaveAdapter", {"adapter": ["beside", 0], "filename": "beside", "dtype": "float32"}),
    })  # fmt: skip
    ended = server.run(graph)
    plain, report = ended.report("train"), ended.report("beside")
    [companion] = report["companions"]
    assert (companion["name"], companion["role"], companion["weight"]) == ("fox", "training_only", 1.0)
    assert "The companion lora_model isn't used: its weight is 0, or it is disabled." in report["notes"]
    assert report["first_loss"] != plain["first_loss"]
    file = load_adapter(server.output / ended.report("save beside")["path"])
    assert json.loads(file.metadata["lw.companions"]) == [companion]
    assert file.modules.keys() == load_adapter(Path(plain["adapter"])).modules.keys()
