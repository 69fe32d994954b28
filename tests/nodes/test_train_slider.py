"""The node Train Slider at work on a tiny base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless.executor import Executor, NodeError, Outcome
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.training.train_slider import TrainSlider
from PIL import Image
from workspace import changed, in_api_format


@pytest.fixture
def graph(quick_sd1: Path) -> dict[str, Any]:
    """A slider from two prompts, saved, with its strip, and used at a negative weight."""
    return in_api_format({
        "base": ("LW_LoadBase", {"base": str(quick_sd1), "device": "cpu", "precision": "fp32"}),
        "train": ("LW_TrainSlider", {
            "base": ["base", 0], "positive": "a big thing", "negative": "a small thing", "neutral": "a thing\na box",
            "preserve": "", "guidance": 2.0, "pictures": 2, "seed": 1, "name": "", "strip_prompts": "",
            "strip_weights": "-1, 0, 1", "settings": "steps = 3; rank = 2",
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "size", "dtype": "float16"}),
        "strip": ("LW_SaveImages", {"filename_prefix": "strip", "images": ["train", 1]}),
        "stack": ("LW_StackAdapters", {
            "adapter": ["train", 0], "weight": -1.0, "text_encoder_weight": -1.0, "enabled": True,
        }),
        "grid": ("LW_ComparisonGrid", {
            "base": ["base", 0], "stack": ["stack", 0], "prompts": "a thing", "seed": 5, "seeds_per_prompt": 1,
            "steps": 1, "guidance": 1.0,
        }),
    })  # fmt: skip


@pytest.fixture
def run(host: HeadlessHost, tmp_path: Path) -> Any:
    def start(data: dict[str, Any]) -> Outcome:
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return Executor(registry(), host).run(read_workflow(path, registry()))

    return start


def pairs(folder: Path) -> dict[str, Any]:
    """The nodes that load two folders of which one has a picture more."""
    for name, color in (("more", 220), ("less", 30)):
        (folder / name).mkdir()
        for number in range(3 if name == "more" else 2):
            Image.new("RGB", (32, 32), (color, number, 90)).save(folder / name / f"{number}.png")
    return in_api_format({
        name: ("LW_LoadDataset", {"path": name, "on_unreadable": "skip"}) for name in ("more", "less")
    })  # fmt: skip


def test_a_slider_is_trained_saved_and_used_both_ways(graph: dict[str, Any], run: Any, progress: Any) -> None:
    first = run(graph)
    report = first.reports["train"]
    assert (report["name"], report["steps"], report["cached"]) == ("a small thing to a big thing", 3, False)
    assert (report["prompts"], report["weights"]) == (["a thing", "a box"], [-1.0, 0.0, 1.0])
    assert report["settings"]["train_text_encoder"] is False and report["settings"]["rank"] == 2
    assert first.reports["grid"]["columns"] == ["base", "a small thing to a big thing -1"]
    assert load_adapter(first.adapters[0]).is_slider
    assert "trigger word" not in progress.getvalue()
    [strip] = first.images
    with Image.open(strip) as picture:
        assert picture.width > 3 * 160 and picture.height > 2 * 160
    again = run(changed(graph, train__strip_weights="-1.5, 1.5", train__strip_prompts="a bell", train__name="size"))
    report = again.reports["train"]
    assert (report["cached"], report["name"], report["weights"]) == (True, "size", [-1.5, 1.5])


def test_a_slider_from_pictures_names_what_it_does_not_use(graph: dict[str, Any], run: Any, tmp_path: Path) -> None:
    graph |= pairs(tmp_path)
    by_pictures = changed(
        graph, train__positive_pictures=["more", 0], train__negative_pictures=["less", 0], train__preserve="red"
    )
    report = run(by_pictures).reports["train"]
    assert report["name"] == "more"
    assert "1 picture without a partner, not used: 2.png" in report["notes"]
    assert report["notes"][-1] == "No effect with positive_pictures: positive, negative, preserve, guidance, pictures."
    with pytest.raises(NodeError, match="Only positive_pictures is connected"):
        run(changed(graph, train__positive_pictures=["more", 0]))


def test_a_slider_is_trained_in_the_context_of_another(graph: dict[str, Any], run: Any) -> None:
    again = {"class_type": "LW_TrainSlider", "inputs": graph["train"]["inputs"] | {"companions": ["context", 0]}}
    graph = {name: graph[name] for name in ("base", "train", "stack")} | {"again": again} | in_api_format({
        "context": ("LW_Companion", {"adapter": ["train", 0], "role": "context", "weight": 0.5}),
        "strip": ("LW_SaveImages", {"filename_prefix": "strip", "images": ["again", 1]}),
    })  # fmt: skip
    report = run(graph).reports["again"]
    [companion] = report["companions"]
    assert (companion["role"], companion["weight"]) == ("context", 0.5)
    assert any(note.endswith("with weight 0.5: use them together.") for note in report["notes"])
    with pytest.raises(NodeError, match="has no role"):
        run(changed(graph, again__companions=["stack", 0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"positive": ""}, "positive: got no prompt"),
        ({"negative": "a big thing"}, "for both, expected opposites"),
        ({"neutral": " \n"}, "neutral: got no prompt"),
        ({"pictures": 1}, "for 2 neutral prompts"),
        ({"settings": "train_text_encoder = true"}, "leaves it as it is"),
    ],
)
def test_bad_input_is_refused_before_anything_is_generated(
    graph: dict[str, Any], run: Any, host: HeadlessHost, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(NodeError, match=words):
        run(changed(graph, **{f"train__{name}": value for name, value in change.items()}))
    assert not list(host.store_root().glob("class_pictures/*/*.png"))


def test_text_that_cannot_be_read_is_refused_before_the_graph_runs(graph: dict[str, Any], run: Any) -> None:
    with pytest.raises(WorkflowError, match="isn't a list of numbers"):
        run(changed(graph, train__strip_weights="-1 to 1"))
    with pytest.raises(WorkflowError, match="rank: got 0"):
        run(changed(graph, train__settings="rank = 0"))
    assert TrainSlider.validate_inputs() is True
