"""The workflows that come with the project: valid, complete, and equal in both formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.nodes.host.cli import registry
from lora_workbench.nodes.host.headless.context import host
from lora_workbench.nodes.host.headless.reading import read_workflow
from lora_workbench.nodes.host.headless.ui_format import changes_after_generate, widgets
from lora_workbench.nodes.host.headless.validation import validate
from PIL import Image

NAMES = ["quickstart", "train-one-adapter", "generate-with-stack"]
every_workflow = pytest.mark.parametrize("name", NAMES)


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def after_quickstart(root: Path, tmp_path: Path) -> None:
    """The folders as they are when the quickstart has saved its adapters."""
    host.configure(output=tmp_path, workflow_folder=root / "workflows")
    host.adapter_directory().mkdir()
    for name in ("fox", "riso"):
        (host.adapter_directory() / f"{name}.safetensors").touch()


def test_there_are_no_others(root: Path) -> None:
    for folder in (root / "workflows", root / "workflows" / "api"):
        assert sorted(path.stem for path in folder.glob("*.json")) == sorted(NAMES)


@every_workflow
def test_the_api_twin_is_what_the_canvas_gives(root: Path, name: str) -> None:
    workflow = read_workflow(root / "workflows" / f"{name}.json", registry())
    assert workflow.prompt() == load(root / "workflows" / "api" / f"{name}.json")


@every_workflow
@pytest.mark.usefixtures("after_quickstart")
@pytest.mark.parametrize("folder", ["", "api"])
def test_nothing_is_wrong_with_it(root: Path, name: str, folder: str) -> None:
    workflow = read_workflow(root / "workflows" / folder / f"{name}.json", registry())
    assert {node.id for node in validate(workflow, registry())} == set(workflow.nodes), "nodes that no output needs"


@every_workflow
def test_values_stand_where_the_front_end_looks_for_them(root: Path, name: str) -> None:
    for node in own_nodes(load(root / "workflows" / f"{name}.json")):
        schema = registry()[node["type"]].GET_SCHEMA()
        controls = sum(changes_after_generate(widget) for widget in widgets(schema))
        assert len(node["widgets_values"]) == len(list(widgets(schema))) + controls
        assert {slot["name"] for slot in node["inputs"]} == {i.id for i in schema.inputs}
        assert [slot["name"] for slot in node["outputs"]] == [o.display_name for o in schema.outputs]


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
        assert given["type"] == kind
        assert kind in taken["type"].split(",")
    ends = {slot["link"] for node in data["nodes"] for slot in node["inputs"] if slot["link"] is not None}
    assert ends == {link[0] for link in data["links"]}


@every_workflow
def test_missing_packs_can_be_found_by_name(root: Path, name: str) -> None:
    for node in own_nodes(load(root / "workflows" / f"{name}.json")):
        assert node["properties"]["cnr_id"] == "lora-workbench"
        assert node["properties"]["Node name for S&R"] == node["type"]


@every_workflow
def test_no_nodes_overlap(root: Path, name: str) -> None:
    title = 30
    boxes = [(*n["pos"], *n["size"]) for n in load(root / "workflows" / f"{name}.json")["nodes"]]
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[number + 1 :]:
            beside = x + width < other_x or other_x + other_width < x
            assert beside or y + height < other_y - title or other_y + other_height < y - title


def own_nodes(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for node in data["nodes"] if node["type"] != "MarkdownNote"]
