"""App mode: workflows of ours offer what people change, and show what they came for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Opened
    from standin import Standin

pytestmark = pytest.mark.pages

APPS = (
    "quickstart", "train-one-adapter", "brand-assets", "character", "artist-style", "product-photography",
)  # fmt: skip
OPEN = "async ([workflow, name]) => { await app.loadGraphData(workflow, true, true, name) }"
TOGGLE = "() => app.extensionManager.command.execute('Comfy.ToggleLinear')"


def workflow(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", APPS)
def test_what_is_offered_is_in_the_graph(root: Path, name: str) -> None:
    graph = workflow(root, name)
    offered = graph["extra"]["linearData"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    widgets = {
        number: [own["name"] for own in node.get("inputs", []) if "widget" in own] for number, node in nodes.items()
    }
    assert offered["inputs"]
    assert offered["outputs"]
    assert not [[number, widget] for number, widget in offered["inputs"] if widget not in widgets.get(number, ())]
    assert all(nodes[number]["type"] in ("LW_SaveImages", "LW_ComparisonGrid") for number in offered["outputs"])


def test_the_newest_front_end_shows_it(opened: Opened, newest: Standin, root: Path) -> None:
    newest.forget()
    page = opened.open(newest, "vue")
    page.evaluate(OPEN, [workflow(root, "train-one-adapter"), "train-one-adapter"])
    page.evaluate(TOGGLE)
    for label in ("trigger_word", "class_word", "goal", "quality"):
        page.get_by_text(label, exact=True).locator("visible=true").first.wait_for()
    assert not [said for said in opened.said() if "appModeStore" in said]
