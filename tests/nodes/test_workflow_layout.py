"""Our workflows are laid out so that nothing overlaps, also after a run, when nodes show pictures, panels and texts."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import lora_workbench
import pytest

WORKFLOWS = sorted((Path(lora_workbench.__file__).parent / "workflows").glob("*.json"))
TITLE = 30
"""Pixels of a node's title, above its place."""
GROWN = {
    "LW_LoadDataset": (380, 480), "LW_TriggerCaptions": (380, 600), "LW_Recipe": (420, 640),
    **dict.fromkeys(["LW_TrainLoRA", "LW_TrainSlider", "LW_TrainDreamBooth", "LW_TrainEmbedding"], (460, 730)),
}  # fmt: skip
"""Least sizes after a run, in pixels, as measured in ComfyUI."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def box_of(node: dict[str, Any]) -> Box:
    (left, top), size = node["pos"], node["size"]
    width, height = map(max, size, GROWN.get(node["type"], (0, 0)))
    return left, top - TITLE, left + width, top + height


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_overlaps(path: Path) -> None:
    workflow = json.loads(path.read_text(encoding="utf-8"))
    nodes = {f"{node['id']} {node['type']}": box_of(node) for node in workflow["nodes"]}
    groups = {group["title"]: group["bounding"] for group in workflow["groups"]}
    boxes = {title: (x, y, x + width, y + height) for title, (x, y, width, height) in groups.items()}
    assert [pair for pair in combinations(nodes, 2) if overlap(nodes[pair[0]], nodes[pair[1]])] == []
    assert [pair for pair in combinations(boxes, 2) if overlap(boxes[pair[0]], boxes[pair[1]])] == []
    for own in nodes.values():
        for group in boxes.values():
            inside = group[0] <= own[0] and group[1] <= own[1] and own[2] <= group[2] and own[3] <= group[3]
            assert inside or not overlap(own, group)
    assert path.with_suffix(".jpg").is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_it_reads_from_left_to_right_and_down_its_columns(path: Path) -> None:
    workflow = json.loads(path.read_text(encoding="utf-8"))
    places = {node["id"]: node["pos"] for node in workflow["nodes"]}
    ends = {node["id"]: node["pos"][0] + node["size"][0] for node in workflow["nodes"]}
    for _, source, _, target, *_ in workflow["links"]:
        in_one_column = places[source][0] == places[target][0] and places[source][1] < places[target][1]
        assert in_one_column or ends[source] < places[target][0], f"node {source} to {target}"
    assert not [place for place in places.values() if place[0] % 10 or place[1] % 10]
    assert all(group["title"].strip() for group in workflow["groups"])
