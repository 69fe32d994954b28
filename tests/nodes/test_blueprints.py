"""The subgraph blueprints that come with the project: ComfyUI finds them in ``subgraphs``, and they run as they are."""

from __future__ import annotations

import json
from copy import deepcopy
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import lora_workbench
import pytest
from lora_workbench.cli.nodes import registry
from lora_workbench.headless.executor import Executor
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.widgets import changes_after_generate, widgets
from lora_workbench.nodes.host.headless import HeadlessHost
from PIL import Image

Json = dict[str, Any]
FOLDER = Path(lora_workbench.__file__).parent / "subgraphs"
TRAIN, COMPARE = "Train an adapter", "Stack and compare"
MOST_INPUTS = 7
ENTRANCE, EXIT = -10, -20
TITLE = 30
every_blueprint = pytest.mark.parametrize("name", [TRAIN, COMPARE])


def load(name: str) -> tuple[Json, Json]:
    """The node that stands for it, and its definition."""
    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    (instance,), (definition,) = data["nodes"], data["definitions"]["subgraphs"]
    return instance, definition


def test_there_are_no_others() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted([TRAIN, COMPARE])


@every_blueprint
def test_its_node_shows_few_inputs_and_all_that_the_definition_has(name: str) -> None:
    instance, definition = load(name)
    assert instance["type"] == definition["id"]
    assert instance["title"] == definition["name"] == name
    assert definition["description"]
    assert len(instance["inputs"]) <= MOST_INPUTS
    for side in ("inputs", "outputs"):
        slots = [[slot["name"], slot["type"], slot["label"]] for slot in instance[side]]
        assert slots == [[slot["name"], slot["type"], slot["label"]] for slot in definition[side]]


@every_blueprint
def test_its_nodes_are_ours_and_complete(name: str) -> None:
    for node in load(name)[1]["nodes"]:
        schema = registry()[node["type"]].GET_SCHEMA()
        controls = sum(changes_after_generate(widget) for widget in widgets(schema))
        assert len(node["widgets_values"]) == len(list(widgets(schema))) + controls
        assert [slot["name"] for slot in node["inputs"]] == [i.id for i in schema.inputs]
        assert [slot["name"] for slot in node["outputs"]] == [o.display_name or o.io_type for o in schema.outputs]
        assert node["properties"]["cnr_id"] == "lora-workbench"


@every_blueprint
def test_its_links_agree_with_the_slots_at_both_ends(name: str) -> None:
    definition = load(name)[1]
    nodes = {node["id"]: node for node in definition["nodes"]}
    for link in definition["links"]:
        inside, outside = link["origin_id"] != ENTRANCE, link["target_id"] == EXIT
        sources = nodes[link["origin_id"]]["outputs"] if inside else definition["inputs"]
        targets = definition["outputs"] if outside else nodes[link["target_id"]]["inputs"]
        given, taken = sources[link["origin_slot"]], targets[link["target_slot"]]
        assert link["id"] in given["links" if inside else "linkIds"]
        assert link["id"] in taken["linkIds"] if outside else link["id"] == taken["link"]
        assert set(given["type"].split(",")) & set(taken["type"].split(","))
    own = [slot["linkIds"] for slot in (*definition["inputs"], *definition["outputs"])]
    assert all(own), "an input or output that leads nowhere"


@every_blueprint
def test_it_is_laid_out_from_left_to_right(name: str) -> None:
    definition = load(name)[1]
    boxes = sorted((node["pos"], node["size"]) for node in definition["nodes"])
    edges = [definition["inputNode"]["bounding"][0], *(pos[0] for pos, _ in boxes)]
    assert edges == sorted(set(edges))
    for (pos, size), (after, _) in pairwise(boxes):
        assert pos[0] + size[0] < after[0]
    assert boxes[-1][0][0] + boxes[-1][1][0] < definition["outputNode"]["bounding"][0]


def placed(name: str, node_id: int, links: dict[str, int], values: dict[str, Any]) -> tuple[Json, Json]:
    """A blueprint on a canvas, with what a user typed, and its definition."""
    instance, definition = deepcopy(load(name))
    shown = [slot["name"] for slot in instance["inputs"] if "widget" in slot]
    assert set(values) <= set(shown)
    inner = {slot["name"]: value for slot in instance["inputs"] for value in [links.get(slot["name"])]}
    for slot in instance["inputs"]:
        slot["link"] = inner[slot["name"]]
    return {**instance, "id": node_id, "widgets_values": [values.get(widget) for widget in shown]}, definition


def plain(node_id: int, kind: str, links: dict[str, int], values: list[Any]) -> Json:
    schema = registry()[kind].GET_SCHEMA()
    return {
        "id": node_id, "type": kind, "pos": [0, 0], "size": [1, 1], "flags": {}, "order": 0, "mode": 0,
        "properties": {}, "inputs": [{"name": name, "type": "*", "link": link} for name, link in links.items()],
        "outputs": [{"name": o.io_type, "type": o.io_type, "links": []} for o in schema.outputs],
        "widgets_values": values,
    }  # fmt: skip


def both_trained_and_compared(root: Path, steps: int) -> Json:
    """Two trainings and the comparison of what they give, each of a few steps."""
    datasets = root / "assets" / "datasets"
    fox, train = placed(TRAIN, 2, {"base": 1}, {"path": str(datasets / "fox"), "trigger_word": "zwx", "name": "fox"})
    riso, _ = placed(TRAIN, 3, {"base": 2}, {"path": str(datasets / "riso"), "trigger_word": "qvk", "goal": "style"})
    values = {"prompts": "an emoji of a zwx animal", "first_weight": 0.7, "guidance": 3.0}
    grid, compare = placed(COMPARE, 4, {"base": 3, "first": 4, "second": 5}, values)
    recipe = next(node for node in train["nodes"] if node["type"] == "LW_Recipe")
    recipe["widgets_values"][2] = f"steps = {steps}; batch_size = 2"
    drawn = next(node for node in compare["nodes"] if node["type"] == "LW_ComparisonGrid")
    drawn["widgets_values"][4] = steps
    base = plain(1, "LW_LoadBase", {}, ["demo_base", "auto", "auto"])
    save = plain(5, "LW_SaveImages", {"images": 6}, ["grid"])
    links = [
        [1, 1, 0, 2, 0, "*"], [2, 1, 0, 3, 0, "*"], [3, 1, 0, 4, 0, "*"],
        [4, 2, 0, 4, 1, "*"], [5, 3, 0, 4, 2, "*"], [6, 4, 0, 5, 0, "*"],
    ]  # fmt: skip
    return {
        "last_node_id": 5, "last_link_id": 6, "nodes": [base, fox, riso, grid, save], "links": links, "groups": [],
        "config": {}, "extra": {}, "version": 0.4, "definitions": {"subgraphs": [train, compare]},
    }  # fmt: skip


def test_both_run_without_comfyui(root: Path, demo_base: Path, tmp_path: Path, host: HeadlessHost, progress: StringIO):
    file = tmp_path / "both.json"
    file.write_text(json.dumps(both_trained_and_compared(root, steps=2)), encoding="utf-8")
    workflow = read_workflow(file, registry())
    assert workflow.nodes["4:1"].inputs["weight"] == workflow.nodes["4:1"].inputs["text_encoder_weight"] == 0.7
    assert workflow.nodes["4:2"].inputs["weight"] == 1.0, "what isn't typed stays as it is inside"
    assert workflow.nodes["2:3"].inputs["goal"] == "subject"
    assert workflow.nodes["3:3"].inputs["goal"] == "style"
    Executor(registry(), host).run(workflow)
    saved = sorted(path.stem for path in host.adapter_directory().glob("*.safetensors"))
    assert saved == ["fox", "riso"]
    with Image.open(next((tmp_path / "out").glob("grid*.png"))) as grid:
        assert grid.width > grid.height
