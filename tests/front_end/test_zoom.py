"""What we show in nodes takes the same room wherever the canvas looks: close, from afar, or elsewhere at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_gallery import dataset
from test_training_panel import store as training_store
from test_training_panel import told_of

if TYPE_CHECKING:
    from lora_workbench.engine.data.dataset import Dataset
    from playwright.sync_api import Page
    from standin import Standin

pytestmark = pytest.mark.pages

__all__ = ["dataset", "training_store"]  # fixtures

CLOSE, AFAR, ELSEWHERE = (1, [300, 60]), (0.5, [300, 60]), (1, [9000, 60])
ADD = """([kind, values, [scale, offset]]) => {
    app.rootGraph.clear()
    Object.assign(app.canvas.ds, { scale, offset })
    const node = LiteGraph.createNode(kind)
    node.pos = [40, 60]
    app.rootGraph.add(node)
    for (const [name, value] of Object.entries(values)) node.widgets.find(own => own.name === name).value = value
    app.canvas.setDirty(true, true)
    return String(node.id)
}"""
LOOK = """([scale, offset]) => {
    Object.assign(app.canvas.ds, { scale, offset })
    app.canvas.setDirty(true, true)
}"""
ROOM = """place => {
    const element = document.querySelector(place)
    const shown = element.closest("[data-node-id]")
    const size = shown ? [shown.offsetWidth, shown.offsetHeight] : app.rootGraph.nodes[0].size
    return [size[0], size[1], element.offsetWidth, element.offsetHeight].map(Math.round)
}"""
"""Of the node and of what we show in it: on a canvas, a node is as large as it says; one made of Vue components is an
element."""
LINE = 16
"""Pixels by which a training may differ, as what it says of itself changes."""
PAUSE, SHOWN_AFTER = 700, 200
"""Milliseconds until nothing grows any more, and until what is shown is on the page."""
TEXT = "\n".join(f"line {number} of what a node has told after its run" for number in range(14))


def tell(standin: Standin, node: str, output: dict[str, Any]) -> None:
    standin.send("executed", {"node": node, "display_node": node, "output": output, "prompt_id": "x"})


def a_text(standin: Standin, node: str, dataset: Dataset) -> None:
    del dataset
    tell(standin, node, {"text": [TEXT]})


def a_training(standin: Standin, node: str, dataset: Dataset) -> None:
    del dataset
    for part in told_of(400):
        standin.send("lora_workbench.training", {"node": node, "prompt_id": "of another page", **part})


def a_data_set(standin: Standin, node: str, dataset: Dataset) -> None:
    from lora_workbench.nodes.kit.galleries import gallery

    tell(standin, node, {"lw_dataset": [gallery(dataset)]})


def nothing(standin: Standin, node: str, dataset: Dataset) -> None:
    del standin, node, dataset


SHOWN = {
    "text": ("LW_SaveAdapter", {}, a_text, "textarea[aria-label=Result]"),
    "training": ("LW_TrainLoRA", {}, a_training, ".lw-training"),
    "gallery": ("LW_LoadDataset", {}, a_data_set, ".lw-gallery"),
    "recipe": ("LW_Recipe", {"settings": "rank = 8"}, nothing, ".lw-recipe"),
    "stack": ("LW_Stack", {"rows": "on | fox | 0.8\non | riso | 0.6\noff | owl | 1"}, nothing, ".lw-stack"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_it_takes_the_same_room(
    lasting: Page, standin: Standin, dataset: Dataset, training_store: object, name: str
) -> None:
    del training_store
    kind, values, happens, place = SHOWN[name]

    def room(seen_from: tuple[float, list[int]]) -> list[int]:
        node = lasting.evaluate(ADD, [kind, values, seen_from])
        lasting.wait_for_timeout(SHOWN_AFTER)
        happens(standin, node, dataset)
        lasting.wait_for_timeout(SHOWN_AFTER)
        lasting.evaluate(LOOK, [*CLOSE])
        lasting.wait_for_timeout(PAUSE)
        return lasting.evaluate(ROOM, place)

    close = room(CLOSE)
    assert min(close) > 0
    others = {"afar": room(AFAR), "elsewhere": room(ELSEWHERE)}
    assert others == {seen_from: pytest.approx(close, abs=LINE if name == "training" else 0) for seen_from in others}


def test_a_gallery_keeps_its_height_beside_a_text(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = lasting.evaluate(ADD, ["LW_InspectDataset", {}, [*CLOSE]])
    a_text(standin, node, dataset)
    a_data_set(standin, node, dataset)
    lasting.wait_for_selector(".lw-tile .lw-caption")
    lasting.wait_for_timeout(PAUSE)
    assert lasting.evaluate(ROOM, ".lw-gallery")[-1] >= 260
