"""The use cases with inputs that make them take seconds."""

from __future__ import annotations

import json
from pathlib import Path

Graph = dict[str, dict]

QUICK = "steps = 2; batch_size = 2"
SHORT = {
    "brand-assets": {
        "recipe.settings": QUICK,
        "products.values": "balloon, present", "scenes.values": "a yellow background, a blue background",
        "formats.values": "64x64", "draw all of it.steps": "2",
    },
    "character": {
        "recipe.settings": QUICK, "poses.values": "standing, cheering",
        "expressions.values": "grinning face, crying face with tears, face with sunglasses",
        "draw the sheet.steps": "2", "beside the base model.steps": "2",
    },
    "artist-style": {
        "fox: recipe.settings": QUICK, "riso: recipe.settings": QUICK,
        "weights of the subject.values": "1", "weights of the style.values": "0.5, 1", "draw every pair.steps": "2",
        "commission.steps": "2",
        "commission.prompts": "a qvk style emoji of a zwx animal on a teal background",
    },
    "product-photography": {
        "recipe.settings": QUICK, "before and after.steps": "2", "draw the photos.steps": "2",
    },
}  # fmt: skip
"""``NODE.INPUT`` -> value, by the nodes' titles."""


def shortened(root: Path, name: str) -> Graph:
    """The API twin of a use case with these inputs."""
    graph: Graph = json.loads((root / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    by_title = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    for address, value in SHORT[name].items():
        title, _, put = address.rpartition(".")
        by_title[title][put] = type(by_title[title][put])(value)
    return graph
