"""One sitting in ComfyUI's page: train, watch, edit a caption, stop and keep, stack what was kept, and generate."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from browser_pages import ENDED, OPEN, QUEUE, numbered
from comfyui_graphs import demo_checkpoint, demo_training, drawing
from comfyui_server import Graph, Server
from workspace import in_api_format

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

STEPS = 2000
CAPTION = "zwx animal that sleeps"
TRAINS = "() => document.querySelector('.lw-training progress')?.value > 0"
SHOW = """type => {
    app.canvas.ds.scale = 1
    app.canvas.centerOnNode(app.rootGraph.nodes.find(node => node.type === type))
    app.canvas.setDirty(true, true)
}"""
"""Elements of nodes out of view are hidden."""
OVERRIDES = """async () => Object.values((await app.graphToPrompt()).output)
    .find(node => node.class_type === "LW_EditCaptions").inputs.overrides"""
ROWS = """async () => Object.values((await app.graphToPrompt()).output)
    .find(node => node.class_type === "LW_Stack").inputs.rows"""
DRAWN = "() => Object.values(app.nodeOutputs).some(({images}) => images?.[0]?.filename.startsWith('story_'))"
LONGEST = 180_000
"""Milliseconds."""
TRIES = 6


def training(name: str) -> Graph:
    """A training whose captions can be edited by hand."""
    graph = demo_training(steps=STEPS, name=name, seed=uuid4().int % 2**31)
    edit = in_api_format({"edit": ("LW_EditCaptions", {"dataset": ["captions", 0], "overrides": ""})})
    for reader in ("recipe", "train"):
        graph[reader]["inputs"]["dataset"] = ["edit", 0]
    return {**graph, **edit}


def generating() -> Graph:
    """A picture by a stack that has no adapter yet."""
    stacked = in_api_format({
        "stack": ("LW_Stack", {"rows": ""}),
        "apply": ("LW_ApplyStack", {"model": ["demo", 0], "clip": ["demo", 1], "stack": ["stack", 0]}),
    })  # fmt: skip
    return demo_checkpoint() | stacked | drawing("story", "apply", "an emoji of a zwx animal")


def test_from_pictures_to_pictures(front_end: Page, server: Server) -> None:
    name = f"story-{uuid4().hex[:8]}"
    front_end.evaluate(OPEN, [numbered(training(name)), "training"])
    train_and_keep(front_end)
    front_end.get_by_text(f"The training of {name} was stopped").first.wait_for()
    edit_first_caption(front_end)
    train_and_keep(front_end)
    assert (server.output / "loras" / f"{name}.safetensors").is_file()

    front_end.evaluate(OPEN, [numbered(generating()), "generating"])
    bring(front_end, "LW_Stack", ".lw-stack")
    front_end.get_by_role("button", name="Add an adapter").click()
    front_end.keyboard.type(name)
    front_end.get_by_role("option", name=name).first.wait_for()
    front_end.keyboard.press("Enter")
    front_end.wait_for_function(f"name => ({ROWS})().then(rows => rows.includes(name))", arg=name)
    front_end.evaluate(QUEUE)
    front_end.wait_for_function(DRAWN, timeout=LONGEST)
    assert list(server.output.glob("story_*.png"))


def bring(page: Page, node: str, selector: str) -> None:
    """A node into view. While a workflow opens, the front end may go back to the view that it was left with."""
    for _ in range(TRIES):
        page.evaluate(SHOW, node)
        page.wait_for_timeout(1000)
        if page.locator(selector).first.is_visible():
            return
    page.locator(selector).first.wait_for()


def train_and_keep(page: Page) -> None:
    """Queue, watch the loss come, stop, and see that the graph has ended."""
    page.evaluate(QUEUE)
    page.wait_for_function(TRAINS, timeout=LONGEST)
    bring(page, "LW_TrainLoRA", ".lw-training")
    page.get_by_role("button", name="Stop after this step").click()
    page.wait_for_function(ENDED, timeout=LONGEST)
    page.get_by_text("Stopped at step").first.wait_for()


def edit_first_caption(page: Page) -> None:
    bring(page, "LW_EditCaptions", ".lw-tile")
    page.locator(".lw-gallery", has_text="edits a caption").locator(".lw-grid").focus()
    page.keyboard.press("Enter")
    page.locator(".lw-large textarea").fill(CAPTION)
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Escape")
    assert CAPTION in page.evaluate(OVERRIDES)
