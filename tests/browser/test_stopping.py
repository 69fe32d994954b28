"""The menu of a node that trains: it stops the training that is in progress, and the graph goes on."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from browser_pages import ENDED, OPEN, QUEUE, numbered
from comfyui_graphs import demo_training
from comfyui_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

STEPS, SEEDS = 300, count(700)
"""More than a stop takes by far."""
ITEM = """() => {
    const node = app.rootGraph.nodes.find(node => node.type === "LW_TrainLoRA")
    return app.canvas.getNodeMenuOptions(node).find(item => item?.content === "Stop and keep the adapter")
}"""
"""Both renderers make the node's menu of these."""
DISABLED = f"() => ({ITEM})().disabled"
TRAINS = f"() => !({DISABLED})()"
OTHERS = """() => app.rootGraph.nodes.filter(node => node.type !== "LW_TrainLoRA").flatMap(node =>
    app.canvas.getNodeMenuOptions(node).filter(item => item?.content === "Stop and keep the adapter")).length"""


def test_the_menu_of_the_node_stops_its_training(front_end: Page, server: Server) -> None:
    seed = next(SEEDS)
    graph = numbered(demo_training(steps=STEPS, batch_size=1, seed=seed, name=f"stopped {seed}"))
    front_end.evaluate(OPEN, [graph, f"stopped {seed}"])
    assert front_end.evaluate(DISABLED) and not front_end.evaluate(OTHERS)
    front_end.evaluate(QUEUE)
    front_end.wait_for_function(TRAINS)
    front_end.wait_for_function("() => app.rootGraph.nodes.some(node => node.progress > 0.01)")
    front_end.evaluate(f"() => ({ITEM})().callback()")
    front_end.get_by_text("stops after its current step").first.wait_for()
    front_end.wait_for_function(ENDED)
    [ended] = [run for run in server.get("/history").values() if f"stopped {seed}" in str(run["prompt"])]
    [report] = [told["lw_report"][0] for told in ended["outputs"].values() if "stopped" in told["lw_report"][0]]
    assert report["stopped"] and 0 < report["steps"] < STEPS
    assert front_end.evaluate(DISABLED)


def test_the_command_says_that_nothing_is_in_progress(front_end: Page) -> None:
    front_end.evaluate("() => app.extensionManager.command.execute('LoRAWorkbench.Stop')")
    front_end.get_by_text("No training is in progress").first.wait_for()
