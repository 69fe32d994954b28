"""Train Embedding, Save Embedding and Load Embedding, as graphs and scripts use them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.main import main
from nursery import Nursery, kill_ten_times
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from tiny import save_tiny_sd1

SETTINGS = "steps = 3; batch_size = 2; warmup_steps = 0; rank = 4"
KILLED_IN = ("embeddings", "run-store/runs")
DRAWN = {
    "prompts": "a zwx thing", "seed": 1, "seeds_per_prompt": 1, "steps": 2, "guidance": 1.0, "negative_prompt": "",
    "width": 0, "height": 0, "batch_size": 1,
}  # fmt: skip
LOADED = {"base": ["base", 0], "embedding": "zwx.safetensors", "word": ""}
BASE = ("LW_LoadBase", {"base": "base", "device": "cpu", "precision": "fp32"})


def written(folder: Path, name: str, nodes: dict[str, tuple[str, dict[str, Any]]]) -> Path:
    graph = {node: {"class_type": kind, "inputs": inputs} for node, (kind, inputs) in nodes.items()}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(graph))
    return path


def drawing(base: list[Any], prefix: str) -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        f"draw_{prefix}": ("LW_Generate", {"base": base, **DRAWN}),
        f"save_{prefix}": ("LW_SaveImages", {"images": [f"draw_{prefix}", 0], "filename_prefix": prefix}),
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model, pictures, and a graph that trains, saves and draws."""
    folder = tmp_path_factory.mktemp("embedding")
    save_tiny_sd1(folder / "base")
    (folder / "pictures").mkdir()
    for color in ("red", "green"):
        Image.new("RGB", (32, 32), color).save(folder / "pictures" / f"{color}.png")
    nodes = {
        "base": BASE,
        "data": ("LW_LoadDataset", {"path": "pictures", "on_unreadable": "refuse"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "thing", "template": "a {trigger} {class}",
            "mode": "replace",
        }),
        "recipe": ("LW_Recipe", {
            "dataset": ["captions", 0], "base": ["base", 0], "goal": "subject", "quality": "draft",
            "settings": SETTINGS,
        }),
        "train": ("LW_TrainEmbedding", {
            "base": ["base", 0], "dataset": ["captions", 0], "recipe": ["recipe", 0], "vectors": 2, "begins_as": "",
            "learning_rate": 0.05, "seed": 1, "name": "",
        }),
        "save": ("LW_SaveEmbedding", {"embedding": ["train", 0], "filename": ""}),
        **drawing(["train", 1], "trained"),
        **drawing(["base", 0], "before"),
    }  # fmt: skip
    written(folder, "workflow", nodes)
    return folder


def run(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    status = main(["run", str(place / f"{name}.json"), "--output", str(place / "out"), "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0, told
    return told


def test_a_graph_trains_saves_and_draws_and_another_loads(place, capsys):
    told = run(place, "workflow", capsys)
    report = told["reports"]["train"]
    assert report["steps"] == 3 and report["trigger"] == "zwx" and report["vectors"] == 2
    assert any(note.startswith("rank = 4 has no effect") for note in report["notes"])
    file = place / "out" / "embeddings" / "zwx.safetensors"
    with safe_open(file, "pt") as found:
        assert [*found.keys()] == ["zwx"] and found.get_tensor("zwx").shape == (2, 32)
        header = found.metadata()
    assert json.loads(header["prompt"])["train"]["class_type"] == "LW_TrainEmbedding"
    assert str(place) not in json.dumps(header)
    assert run(place, "workflow", capsys)["reports"]["train"]["steps"] == 3
    assert [path.name for path in file.parent.iterdir()] == ["zwx.safetensors"]
    written(place, "load", {
        "base": BASE,
        "load": ("LW_LoadEmbedding", LOADED),
        **drawing(["load", 0], "loaded"),
    })  # fmt: skip
    run(place, "load", capsys)
    drawn = {one: next((place / "out").glob(f"{one}_*.png")) for one in ("trained", "loaded", "before")}
    pixels = {one: Image.open(path).tobytes() for one, path in drawn.items()}
    assert pixels["trained"] == pixels["loaded"] != pixels["before"]


def test_an_adapter_is_trained_on_top_of_the_word(place, capsys):
    graph = json.loads((place / "workflow.json").read_text())
    nodes = {name: (node["class_type"], node["inputs"]) for name, node in graph.items() if "_" not in name}
    for name, base in (("pivotal", ["train", 1]), ("plain", ["base", 0])):
        nodes |= {
            name: ("LW_TrainLoRA", {
                "base": base, "dataset": ["captions", 0], "recipe": ["recipe", 0], "seed": 1, "name": name,
            }),
            f"keep {name}": ("LW_SaveAdapter", {"adapter": [name, 0], "filename": "", "dtype": "float32"}),
        }  # fmt: skip
    written(place, "pivotal", nodes)
    reports = run(place, "pivotal", capsys)["reports"]
    assert not reports["plain"]["cached"] and not reports["pivotal"]["cached"], "another base model, another run"
    assert reports["pivotal"]["first_loss"] != reports["plain"]["first_loss"]
    for base, missing in ((BASE, True), (("LW_LoadEmbedding", LOADED), False)):
        written(place, "together", {
            "base": BASE,
            "knowing": base,
            "adapter": ("LW_LoadAdapter", {"adapter": "pivotal.safetensors"}),
            "stack": ("LW_StackAdapters", {
                "adapter": ["adapter", 0], "weight": 1.0, "text_encoder_weight": 1.0, "enabled": True,
            }),
            "draw": ("LW_Generate", {"base": ["knowing", 0], "stack": ["stack", 0], **DRAWN}),
            "save": ("LW_SaveImages", {"images": ["draw", 0], "filename_prefix": "together"}),
        })  # fmt: skip
        main(["run", str(place / "together.json"), "--output", str(place / "out"), "--json"])
        _, told = capsys.readouterr().err.split("Generate")
        assert ("pivotal was trained with the embedding zwx" in told) == missing


@pytest.mark.kills
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")
def test_ten_kills_change_no_bit(runs: Nursery, place):
    graph = json.loads((place / "workflow.json").read_text())
    graph["recipe"]["inputs"]["settings"] = SETTINGS.replace("steps = 3", "steps = 12; save_every = 2")
    workflow = place / "killed.json"
    workflow.write_text(json.dumps({name: node for name, node in graph.items() if "_" not in name}))
    kill_ten_times(runs, workflow, place, KILLED_IN, saved)


def saved(output: Path) -> dict[str, bytes]:
    """Name -> bytes of each vector in the saved file."""
    [file] = output.glob("embeddings/*")
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(file).items()}
