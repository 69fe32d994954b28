"""Galleries of nodes, as after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.nodes.kit.galleries import gallery

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from standin import Standin

_ADD = """(name) => {
  app.rootGraph.clear()
  const node = LiteGraph.createNode(name)
  node.pos = [40, 120]
  app.rootGraph.add(node)
  // The front end gives a node the values of an earlier one with its number.
  for (const { name } of node.widgets) if (["overrides", "keep", "drop"].includes(name)) {
    node.widgets.find((widget) => widget.name === name).value = ""
  }
  return node.id
}"""
_VALUE = "([id, name]) => app.rootGraph.getNodeById(id).widgets.find((widget) => widget.name === name).value"


def shown(page: Page, standin: Standin, kind: str, dataset: Dataset, **more: Any) -> int:
    """A node, alone on the canvas, whose gallery shows a data set."""
    node = page.evaluate(_ADD, kind)
    output = {"lw_dataset": [gallery(dataset, **more)]}
    standin.send("executed", {"node": str(node), "display_node": str(node), "output": output, "prompt_id": "x"})
    page.wait_for_selector(".lw-tile .lw-caption")
    return node


def value(page: Page, node: int, widget: str) -> str:
    """What a widget of a node holds."""
    return page.evaluate(_VALUE, [node, widget])
