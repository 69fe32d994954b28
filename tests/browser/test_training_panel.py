"""The panel of a training, from its first step to the workflow that is opened again."""

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

STEPS = 40
SEEDS = count(101)
"""A run for each test: ComfyUI gives back the results of one that it has had."""

REOPEN = "async () => { await app.loadGraphData(app.rootGraph.serialize()) }"
TRAINS = "() => document.querySelector('.lw-training progress')?.value > 0"
SHOW = """() => {
    app.canvas.ds.scale = 1
    app.canvas.centerOnNode(app.rootGraph.nodes.find(node => node.type === "LW_TrainLoRA"))
    app.canvas.setDirty(true, true)
}"""
"""Elements of nodes out of view are hidden."""
PROMPT = "async () => (await app.graphToPrompt()).output"


def opened(page: Page, steps: int = STEPS, snapshot_every: int = 10, sample_every: int = 20) -> None:
    graph = demo_training(steps=steps, seed=next(SEEDS), name="panel", snapshot_every=snapshot_every,
                          sample_every=sample_every, sample_prompts="a fox")  # fmt: skip
    page.evaluate(OPEN, [numbered(graph), "panel"])
    page.evaluate(SHOW)


def test_a_training_is_watched_and_shown_again(front_end: Page, server: Server) -> None:
    del server
    opened(front_end)
    before = front_end.evaluate(PROMPT)
    front_end.evaluate(QUEUE)
    state = front_end.locator(".lw-training-state")
    front_end.wait_for_function(TRAINS, timeout=120_000)
    front_end.wait_for_function(ENDED, timeout=120_000)
    front_end.get_by_text(f"Finished, {STEPS} steps").wait_for()
    assert front_end.evaluate(PROMPT) == before
    front_end.evaluate(REOPEN)
    front_end.evaluate(SHOW)
    front_end.get_by_text(f"Finished, {STEPS} steps").wait_for()
    slider = front_end.get_by_role("slider", name="Samples by step")
    assert slider.get_attribute("aria-valuetext") == f"step {STEPS}"
    slider.focus()
    front_end.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "step 20"
    picture = front_end.locator(".lw-samples img")
    front_end.wait_for_function("() => document.querySelector('.lw-samples img').naturalWidth > 0")
    assert picture.get_attribute("alt") == "a fox"
    assert state.text_content() == f"Finished, {STEPS} steps"


def test_stop_and_keep_ends_the_training_with_its_adapter(front_end: Page, server: Server) -> None:
    del server
    opened(front_end, steps=400)
    front_end.evaluate(QUEUE)
    front_end.wait_for_function(TRAINS, timeout=120_000)
    front_end.get_by_role("button", name="Stop after this step").click()
    front_end.wait_for_function(ENDED, timeout=120_000)
    front_end.get_by_text("Stopped at step").first.wait_for()


def test_samples_and_a_snapshot_come_when_they_are_asked_for(front_end: Page, server: Server) -> None:
    del server
    opened(front_end, steps=400, snapshot_every=0, sample_every=0)
    front_end.evaluate(QUEUE)
    front_end.wait_for_function(TRAINS, timeout=120_000)
    front_end.locator(".lw-figures").get_by_text("memory").wait_for(timeout=60_000)
    front_end.get_by_role("button", name="Draw the sample prompts").click()
    front_end.get_by_role("button", name="Save a snapshot").click()
    front_end.locator(".lw-samples img").wait_for(timeout=60_000)
    front_end.wait_for_function("() => document.querySelector('.lw-samples img').naturalWidth > 0")
    front_end.locator(".lw-figures").get_by_text("snapshots 1").wait_for(timeout=60_000)
    front_end.get_by_role("button", name="Stop after this step").click()
    front_end.wait_for_function(ENDED, timeout=120_000)
