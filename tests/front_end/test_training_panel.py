"""The panel of a training: losses as they come, after a reload, how to stop, and what it costs the page."""

from __future__ import annotations

from itertools import count as count_from
from typing import TYPE_CHECKING, Any

import pytest
from lora_workbench.engine.core.events import RunOpened, StepDone
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.following import run_name
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.nodes.host.live import LiveReporter

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from standin import Standin

LINEAGE = "0123456789abcdef01234567"
STEPS = 20_000
PROMPT = {"1": {"class_type": "LW_TrainLoRA", "inputs": {"seed": 1, "name": "fox"}}}
SMALL_SHARE = 0.02
"""Of the time of a step of 0.1 s that the page may take, at four drawings a second."""
OPEN = "async prompt => { await app.loadApiJson(prompt, 'panel') }"
AGAIN = "async () => { await app.loadGraphData(app.rootGraph.serialize()) }"
REMEMBERED = "() => app.rootGraph.nodes[0].properties.lw_run"
COST = """async ({ losses, steps }) => {
    const { drawCurve } = await import("/extensions/lora-workbench/training/curve.js")
    const canvas = Object.assign(document.createElement("canvas"), { style: "width: 360px" })
    document.body.append(canvas)
    const times = []
    for (let at = 0; at < 20; at++) {
        const began = performance.now()
        drawCurve(canvas, { steps, losses, figures: [], snapshots: [], best: null })
        times.push(performance.now() - began)
    }
    canvas.remove()
    return times.sort((a, b) => a - b)[10]
}"""


def told_of(count: int) -> list[dict[str, Any]]:
    """What a training of this process tells of its first steps."""
    told: list[dict[str, Any]] = []
    ticks = count_from(0)
    report = LiveReporter(told.append, lambda: next(ticks))
    report(RunOpened(lineage=LINEAGE, steps=STEPS, done=0))
    for number in range(1, count + 1):
        report(StepDone(step=number, steps=STEPS, loss=1 / number, learning_rate=1e-4, seconds=0.1))
    return told


def begin(page: Page, standin: Standin, count: int) -> None:
    """A training in progress that the page hears of."""
    page.evaluate(OPEN, PROMPT)
    for part in told_of(count):
        standin.send("lora_workbench.training", {"node": "1", "prompt_id": "of another page", **part})


@pytest.fixture
def store(standin: Standin) -> RunStore:
    """A run store that knows the run, which nobody trains."""
    found = RunStore(standin.host.store_root())
    note(found, LINEAGE, About(name="fox", base="demo", family="sd1", dataset="fox", pictures=16, steps=STEPS, seed=1))
    return found


def test_losses_come_as_they_are_and_the_run_is_remembered(page: Page, standin: Standin, store: RunStore) -> None:
    del store
    begin(page, standin, 400)
    panel = page.locator(".lw-training")
    panel.get_by_role("status").get_by_text(f"Step 400/{STEPS}").wait_for()
    assert panel.locator(".lw-stop").is_visible()
    assert panel.locator("canvas").get_attribute("aria-label") == "Loss of 400 steps"
    assert page.evaluate(REMEMBERED) == run_name(LINEAGE, STEPS)


def test_what_a_workflow_remembers_goes_on_only_while_it_is_trained(
    page: Page, standin: Standin, store: RunStore
) -> None:
    begin(page, standin, 400)
    page.locator(".lw-training").get_by_text(f"Step 400/{STEPS}").wait_for()
    lock = Exclusive(store.lock(LINEAGE))
    for _ in lock.acquire("fox"):
        pass
    try:
        page.evaluate(AGAIN)
        page.locator(".lw-training-state", has_text=f"Step 400/{STEPS}").wait_for()
        assert page.locator(".lw-stop").is_visible()
    finally:
        lock.release()
    page.evaluate(AGAIN)
    page.locator(".lw-training-state", has_text=f"Interrupted at step 400 of {STEPS}").wait_for()
    assert page.locator(".lw-stop").is_hidden()


def test_a_page_that_hears_no_end_asks_for_it(page: Page, standin: Standin, store: RunStore) -> None:
    del store
    begin(page, standin, 400)
    page.locator(".lw-training-state", has_text=f"Interrupted at step 400 of {STEPS}").wait_for()


def test_drawing_takes_a_small_share_of_a_step(page: Page) -> None:
    losses = [1 / number for number in range(1, STEPS + 1)]
    milliseconds = page.evaluate(COST, {"losses": losses, "steps": STEPS})
    print(f"drawing {STEPS} steps: {milliseconds:.2f} ms")
    assert milliseconds * 4 / 1000 < SMALL_SHARE
