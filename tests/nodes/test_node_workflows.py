"""The workflows that come with the project: valid, complete, and equal in both formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.running import running
from lora_workbench.headless.validation import validate
from lora_workbench.headless.widgets import changes_after_generate, widgets
from lora_workbench.headless.workflow import Registry
from lora_workbench.nodes.host.headless import HeadlessHost
from PIL import Image
from stock_nodes import stock_nodes

HERE = Path(__file__).resolve().parent
WITHOUT_COMFYUI = [
    "quickstart",
    "prepare-a-dataset",
    "train-one-adapter",
    "pick-a-snapshot",
    "compare-snapshots",
    "find-bad-pictures",
    "train-dreambooth",
    "train-an-embedding",
    "train-a-slider",
    "train-edit-adapter",
    "generate-with-stack",
    "merge-and-export",
    "subject-in-a-style",
    "campaign",
    "step-weight-grid",
    "weigh-two-adapters",
    "brand-assets",
    "character",
    "artist-style",
    "product-photography",
]
IN_COMFYUI = ["quickstart-in-comfyui", "train-on-a-checkpoint", "apply-a-stack"]
"""Those that use ComfyUI's own nodes beside ours."""
NAMES = [*WITHOUT_COMFYUI, *IN_COMFYUI]
every_workflow = pytest.mark.parametrize("name", NAMES)
workflows_in_comfyui = pytest.mark.parametrize("name", IN_COMFYUI)


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def all_nodes() -> Registry:
    """Our nodes, and those of ComfyUI's own that workflows use."""
    return {**registry(), **stock_nodes()}


@pytest.fixture
def after_quickstart(root: Path, tmp_path: Path) -> Iterator[None]:
    """The folders as they are when the quickstart has saved its adapters, and the user some more."""
    host = HeadlessHost(tmp_path, workflow_folder=root / "workflows")
    host.adapter_directory().mkdir()
    for name in ("fox", "riso", "my-subject", "my-style"):
        (host.adapter_directory() / f"{name}.safetensors").touch()
    with running(host):
        yield


def test_there_are_no_others(root: Path) -> None:
    for folder in (root / "workflows", root / "workflows" / "api"):
        assert sorted(path.stem for path in folder.glob("*.json")) == sorted(NAMES)


@every_workflow
def test_the_api_twin_is_what_the_canvas_gives(root: Path, name: str) -> None:
    workflow = read_workflow(root / "workflows" / f"{name}.json", all_nodes())
    assert workflow.prompt() == load(root / "workflows" / "api" / f"{name}.json")


@every_workflow
@pytest.mark.usefixtures("after_quickstart")
@pytest.mark.parametrize("folder", ["", "api"])
def test_nothing_is_wrong_with_it(root: Path, name: str, folder: str) -> None:
    workflow = read_workflow(root / "workflows" / folder / f"{name}.json", all_nodes())
    assert {node.id for node in validate(workflow, all_nodes())} == set(workflow.nodes), "nodes that no output needs"


@workflows_in_comfyui
@pytest.mark.usefixtures("after_quickstart")
@pytest.mark.parametrize("folder", ["", "api"])
def test_without_comfyui_its_own_nodes_are_refused_by_name(root: Path, name: str, folder: str) -> None:
    workflow = read_workflow(root / "workflows" / folder / f"{name}.json", registry())
    with pytest.raises(WorkflowError) as refused:
        validate(workflow, registry())
    stock = [node.label for node in workflow.nodes.values() if not node.class_type.startswith("LW_")]
    assert all(f"{label}: a node of ComfyUI or of another extension" in str(refused.value) for label in stock)
    assert "run this workflow in ComfyUI" in str(refused.value)


@every_workflow
def test_values_stand_where_the_front_end_looks_for_them(root: Path, name: str) -> None:
    for node in working_nodes(load(root / "workflows" / f"{name}.json")):
        schema = all_nodes()[node["type"]].GET_SCHEMA()
        controls = sum(changes_after_generate(widget) for widget in widgets(schema))
        assert len(node.get("widgets_values", [])) == len(list(widgets(schema))) + controls
        assert {slot["name"] for slot in node["inputs"]} == {i.id for i in schema.inputs}
        assert [slot["name"] for slot in node["outputs"]] == [o.display_name or o.io_type for o in schema.outputs]


@every_workflow
def test_the_template_browser_finds_a_picture_of_it(root: Path, name: str) -> None:
    with Image.open(root / "workflows" / f"{name}.jpg") as thumbnail:
        assert max(thumbnail.size) == 512


@every_workflow
def test_links_agree_with_the_slots_at_both_ends(root: Path, name: str) -> None:
    data = load(root / "workflows" / f"{name}.json")
    nodes = {node["id"]: node for node in data["nodes"]}
    for link, source, output, target, place, kind in data["links"]:
        given, taken = nodes[source]["outputs"][output], nodes[target]["inputs"][place]
        assert link in given["links"]
        assert taken["link"] == link
        assert given["type"] in taken["type"].split(",")
        assert kind in (given["type"], taken["type"])
    ends = {slot["link"] for node in data["nodes"] for slot in node["inputs"] if slot["link"] is not None}
    assert ends == {link[0] for link in data["links"]}


@every_workflow
def test_missing_packs_can_be_found_by_name(root: Path, name: str) -> None:
    for node in working_nodes(load(root / "workflows" / f"{name}.json")):
        pack = "lora-workbench" if node["type"].startswith("LW_") else "comfy-core"
        assert node["properties"]["cnr_id"] == pack
        assert node["properties"]["ver"]
        assert node["properties"]["Node name for S&R"] == node["type"]


@workflows_in_comfyui
def test_missing_models_can_be_downloaded(root: Path, name: str) -> None:
    for node in working_nodes(load(root / "workflows" / f"{name}.json")):
        models = node["properties"].get("models", [])
        assert bool(models) == (node["type"] == "CheckpointLoaderSimple")
        for model in models:
            assert model["name"] == node["widgets_values"][0]
            assert model["url"].startswith("https://huggingface.co/") and model["url"].endswith(f"/{model['name']}")
            assert model["directory"] == "checkpoints"


@every_workflow
def test_no_file_of_this_machine_is_named(root: Path, name: str) -> None:
    for node in working_nodes(load(root / "workflows" / f"{name}.json")):
        texts = [value for value in node.get("widgets_values", []) if isinstance(value, str)]
        assert not [text for text in texts if text.startswith(("/", "~", "\\")) or ":\\" in text]


@pytest.mark.comfyui
@pytest.mark.slow
def test_comfyui_describes_its_own_nodes_as_these_tests_do(tmp_path: Path) -> None:
    described = run_inside(HERE / "inside_stock_nodes.py", "describe", *stock_nodes(), folder=tmp_path)
    for name, node in stock_nodes().items():
        schema = node.GET_SCHEMA()
        assert described[name]["inputs"] == [[i.id, i.io_type] for i in schema.inputs]
        outputs = [[o.io_type, o.display_name or o.io_type] for o in schema.outputs]
        # In older versions SaveImage gives nothing on; our workflows link nothing to it.
        assert described[name]["outputs"] == outputs or (schema.is_output_node and not described[name]["outputs"])
        for i in schema.inputs:
            if i.io_type == "COMBO" and i.id != "ckpt_name":
                assert set(i.options["options"]) <= set(described[name]["options"][i.id])


@every_workflow
def test_no_nodes_overlap(root: Path, name: str) -> None:
    title = 30
    boxes = [(*n["pos"], *n["size"]) for n in load(root / "workflows" / f"{name}.json")["nodes"]]
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[number + 1 :]:
            beside = x + width < other_x or other_x + other_width < x
            assert beside or y + height < other_y - title or other_y + other_height < y - title


def working_nodes(data: dict[str, Any]) -> list[dict[str, Any]]:
    """All but notes."""
    return [node for node in data["nodes"] if node["type"] != "MarkdownNote"]
