"""Train DreamBooth, Save Base Model and Extract Adapter, as graphs and scripts use them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from lora_workbench.cli.main import main
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.nodes.training.train_dreambooth import at_rate
from nursery import Nursery, kill_ten_times
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from tiny import save_tiny_sd1

SETTINGS = "steps = 3; batch_size = 2; warmup_steps = 0; train_text_encoder = true"
KILLED_IN = ("checkpoints", "run-store/runs")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, pictures, and the output of a graph that trains, saves and extracts."""
    folder = tmp_path_factory.mktemp("dreambooth")
    save_tiny_sd1(folder / "base")
    (folder / "pictures").mkdir()
    for color in ("red", "green"):
        Image.new("RGB", (32, 32), color).save(folder / "pictures" / f"{color}.png")
    nodes = {
        "base": ("LW_LoadBase", {"base": "base", "device": "cpu", "precision": "fp32"}),
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "refuse"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "thing", "template": "a {trigger} {class}",
            "mode": "replace",
        }),
        "recipe": ("LW_Recipe", {
            "dataset": ["captions", 0], "base": ["base", 0], "goal": "subject", "quality": "draft",
            "settings": SETTINGS,
        }),
        "train": ("LW_TrainDreamBooth", {
            "base": ["base", 0], "dataset": ["captions", 0], "recipe": ["recipe", 0], "learning_rate": 1e-3, "seed": 1,
            "name": "mine",
        }),
        "save": ("LW_SaveBase", {"base": ["train", 0], "filename": "", "format": "both", "dtype": "float32"}),
        "extract": ("LW_ExtractAdapter", {
            "before": ["base", 0], "after": ["train", 0], "rank": 8, "energy": 1.0, "text_encoders": True, "name": "",
        }),
        "keep": ("LW_SaveAdapter", {"adapter": ["extract", 0], "filename": "extracted", "dtype": "float32"}),
        "draw": ("LW_Generate", {
            "base": ["train", 0], "prompts": "a zwx thing", "seed": 1, "seeds_per_prompt": 1, "steps": 2,
            "guidance": 1.0, "negative_prompt": "", "width": 0, "height": 0, "batch_size": 1,
        }),
        "pictures": ("LW_SaveImages", {"images": ["draw", 0], "filename_prefix": "drawn/x"}),
    }  # fmt: skip
    graph = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}
    (folder / "workflow.json").write_text(json.dumps(graph))
    return folder


def run(place: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["run", str(place / "workflow.json"), "--output", str(place / "out"), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_graph_trains_saves_extracts_and_draws_and_does_so_once(place, capsys):
    told = run(place, capsys)
    report = told["reports"]["train"]
    assert report["steps"] == 3 and not report["cached"] and report["trigger"] == "zwx thing"
    assert report["learning_rate"] == 1e-3
    assert (place / "out" / "checkpoints" / "mine.safetensors").is_file()
    assert (place / "out" / "diffusers" / "mine" / "model_index.json").is_file()
    assert told["reports"]["extract"]["energy"] > 0.3
    assert any("other sizes" in note for note in told["reports"]["save"]["notes"])
    with safe_open(place / "out" / "checkpoints" / "mine.safetensors", "pt") as file:
        header = file.metadata()
    assert header["modelspec.title"] == "mine" and header["modelspec.trigger_phrase"] == "zwx thing"
    assert str(place) not in json.dumps(header)
    again = run(place, capsys)
    assert again["reports"]["train"]["steps"] == 3
    assert len([*(place / "out" / "checkpoints").iterdir()]) == 1


def test_the_command_extracts_from_the_saved_folder(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    assert main(["adapters", "extract", "base", "mine", "--rank", "4", "--output", "out", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["rank"] == 4 and 0 < report["energy"] < 1 and Path(report["path"]).is_file()
    with pytest.raises(SystemExit):
        main(["adapters", "extract", "base", "mine", "--rank", "0"])
    with pytest.raises(SystemExit):
        main(["adapters", "extract", "base", "mine", "--energy", "2"])


@pytest.mark.kills
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")
def test_ten_kills_change_no_bit(runs: Nursery, place):
    graph = json.loads((place / "workflow.json").read_text())
    graph["recipe"]["inputs"]["settings"] = SETTINGS.replace("steps = 3", "steps = 12; save_every = 2")
    left_out = ("extract", "keep", "draw", "pictures")
    workflow = place / "killed.json"
    workflow.write_text(json.dumps({name: node for name, node in graph.items() if name not in left_out}))
    kill_ten_times(runs, workflow, place, KILLED_IN, saved)


def saved(output: Path) -> dict[str, bytes]:
    """Name -> bytes of each tensor of the checkpoint and of all weights in the run store."""
    [model], [weights] = output.glob("checkpoints/*"), output.glob("run-store/runs/*/000012.safetensors")
    return {
        f"{file.suffix} {name}": tensor.numpy().tobytes()
        for file in (model, weights)
        for name, tensor in load_file(file).items()
    }


def test_there_is_a_model_for_comfyuis_nodes_in_comfyui_alone(place, host):
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.models.registry import load_base
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.nodes.training.train_dreambooth import TrainDreamBooth

    base = load_base(place / "base", device="cpu")
    dataset = dataset_from_images([Image.new("RGB", (32, 32))], ["a thing"], "one")
    made, _, _, *parts = TrainDreamBooth.execute(base, dataset, Recipe.of(steps=1, warmup_steps=0), 1e-3, 0, "").args
    assert made.info.content_hash != base.info.content_hash
    assert parts == [None, None, None]


def test_companions_beside_all_weights_are_refused_in_a_plan(place, host):
    from lora_workbench.engine.adapters.stack import Stack
    from lora_workbench.engine.core.errors import ConfigError
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.models.registry import load_base
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.nodes.training.plan_training import PlanTraining

    base = load_base(place / "base", device="cpu")
    dataset = dataset_from_images([Image.new("RGB", (32, 32))], ["a thing"], "one")
    with pytest.raises(ConfigError, match="all weights are to be trained"):
        PlanTraining.execute(base, dataset, Recipe.of(), False, companions=Stack(), trains="all weights")
    report = PlanTraining.execute(base, dataset, Recipe.of(), False, trains="all weights").ui["lw_report"][0]
    assert report["fits"] and report["all_weights"]["copies"] == report["weights"]


def test_a_search_for_the_rate_is_refused_beside_the_nodes_own():
    own = Recipe.of(learning_rate=1e-3, text_encoder_learning_rate=1e-4)
    assert at_rate(own, 1e-5).optimizer.text_encoder_learning_rate == pytest.approx(1e-6)
    with pytest.raises(ConfigError, match="this node has its own, 1e-05"):
        at_rate(own.changed(learning_rate="auto"), 1e-5)
