"""The panel of a training: losses as they come, after a reload, how to stop, and what it costs the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count as count_from
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DRAWN_EITHER_WAY
from lora_workbench.engine.core.events import RunOpened, SamplesGenerated, StepDone
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.following import run_name
from lora_workbench.engine.runs.sample_files import keeping_samples
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.nodes.host.live import LiveReporter
from lora_workbench.nodes.routes.table import PREFIX
from PIL import Image
from waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from standin import Standin

LINEAGE = "0123456789abcdef01234567"
STEPS = 20_000
RUN = run_name(LINEAGE, STEPS)
ABOUT = About(name="fox", base="demo", family="sd1", dataset="fox", pictures=16, steps=STEPS, seed=1)
EVENT = "lora_workbench.training"
PROMPT = {"1": {"class_type": "LW_TrainLoRA", "inputs": {"seed": 1, "name": "fox"}}}
SMALL_SHARE = 0.02
"""Of the time of a step of 0.1 s that the page may take, at four drawings a second."""
OPEN = "async prompt => { await app.loadApiJson(prompt, 'panel') }"
AGAIN = "async () => { await app.loadGraphData(app.rootGraph.serialize()) }"
INTO_SUBGRAPH = """async () => {
    app.canvas.selectItems([app.canvas.graph.nodes[0]])
    const {node} = app.canvas.graph.convertToSubgraph(app.canvas.selectedItems)
    await new Promise(done => setTimeout(done, 300)) // as a person takes before they enter it
    app.canvas.openSubgraph(node.subgraph, node)
    Object.assign(app.canvas.ds, {scale: 1, offset: [60, 100]})
    const [inner] = app.canvas.graph.nodes.filter(each => each.type === "LW_TrainLoRA")
    inner.pos = [100, 40]
    app.canvas.setDirty(true, true)
    return `${node.id}:${inner.id}`
}"""
CLEAR = "async () => { app.rootGraph.clear(); await app.api.fetchApi('/settings') }"
"""No panel asks for its run any more, and what one has asked for is answered."""
REMEMBERED = "() => app.rootGraph.nodes[0].properties.lw_run"
COLORS = """async names => {
    const canvas = document.querySelector(".lw-training canvas")
    await new Promise(done => setTimeout(done, 100))
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
    return names.map(name => {
        const own = document.createElement("canvas").getContext("2d")
        own.fillStyle = getComputedStyle(canvas).getPropertyValue(name)
        own.fillRect(0, 0, 1, 1)
        const wanted = own.getImageData(0, 0, 1, 1).data
        const near = at => [0, 1, 2].every(part => Math.abs(data[at + part] - wanted[part]) < 12) && data[at + 3] > 200
        return [...Array(data.length / 4).keys()].some(at => near(4 * at))
    })
}"""
"""Whether the curve has these colors of the theme."""
COST = """async ({ losses, steps }) => {
    const { drawCurve } = await import("/extensions/lora-workbench/training/curve.mjs")
    const canvas = Object.assign(document.createElement("canvas"), { style: "width: 360px" })
    document.body.append(canvas)
    const times = []
    for (let at = 0; at < 20; at++) {
        const began = performance.now()
        drawCurve(canvas, { steps, losses, prior: losses, figures: [], snapshots: [], best: null })
        times.push(performance.now() - began)
    }
    canvas.remove()
    return Math.min(...times) // other programs disturb the others
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
    standin.forget()
    page.evaluate(OPEN, PROMPT)
    for part in told_of(count):
        standin.send(EVENT, {"node": "1", "prompt_id": "of another page", **part})


@pytest.fixture
def store(lasting: Page, standin: Standin) -> RunStore:
    """A run store that knows the run, which nobody trains."""
    lasting.evaluate(CLEAR)
    found = RunStore(standin.host.store_root())
    shutil.rmtree(found.folder(LINEAGE), ignore_errors=True)
    note(found, LINEAGE, ABOUT)
    return found


def test_losses_come_as_they_are_and_the_run_is_remembered(lasting: Page, standin: Standin, store: RunStore) -> None:
    del store
    begin(lasting, standin, 400)
    panel = lasting.locator(".lw-training")
    panel.get_by_role("status").get_by_text(f"Step 400/{STEPS}").wait_for()
    assert panel.locator(".lw-stop").is_visible()
    assert panel.locator("canvas").get_attribute("aria-label") == "Loss of 400 steps"
    assert lasting.evaluate(REMEMBERED) == run_name(LINEAGE, STEPS)


@DRAWN_EITHER_WAY
def test_what_a_workflow_remembers_goes_on_only_while_it_is_trained(
    lasting: Page, standin: Standin, store: RunStore
) -> None:
    begin(lasting, standin, 400)
    lasting.locator(".lw-training").get_by_text(f"Step 400/{STEPS}").wait_for()
    lock = Exclusive(store.lock(LINEAGE))
    for _ in lock.acquire("fox"):
        pass
    try:
        lasting.evaluate(AGAIN)
        lasting.locator(".lw-training-state", has_text=f"Step 400/{STEPS}").wait_for()
        assert lasting.locator(".lw-stop").is_visible()
    finally:
        lock.release()
    lasting.evaluate(AGAIN)
    lasting.locator(".lw-training-state", has_text=f"Interrupted at step 400 of {STEPS}").wait_for()
    assert lasting.locator(".lw-stop").is_hidden()


@DRAWN_EITHER_WAY
def test_a_page_that_hears_no_end_asks_for_it(lasting: Page, standin: Standin, store: RunStore) -> None:
    del store
    begin(lasting, standin, 400)
    lasting.locator(".lw-training-state", has_text=f"Interrupted at step 400 of {STEPS}").wait_for()


@pytest.fixture
def in_progress(store: RunStore) -> Iterator[RunStore]:
    """The run store while somebody trains the run."""
    lock = Exclusive(store.lock(LINEAGE))
    list(lock.acquire("fox"))
    yield store
    lock.release()


def test_the_prior_and_the_memory_stand_beside_the_loss(lasting: Page, standin: Standin, store: RunStore) -> None:
    note(store, LINEAGE, replace(ABOUT, steps=61))
    lasting.evaluate(OPEN, PROMPT)
    event = {"node": "1", "prompt_id": "-", "run": run_name(LINEAGE, 61), "steps": 61, "learning_rate": 1e-4, "rate": 1}
    losses = {"first": 1, "losses": [0.5] * 60, "prior": [0.125] * 60}
    standin.send(EVENT, {**event, **losses, "memory": {"taken": 1_200_000_000, "planned": 2_040_000_000}})
    figures = lasting.locator(".lw-figures")
    figures.get_by_text("memory 1.2 of 2.0 GB planned").wait_for()
    assert figures.locator(".lw-loss b").text_content() == "0.5000"
    assert figures.locator(".lw-prior b").text_content() == "0.1250"
    assert lasting.evaluate(COLORS, ["--p-primary-color", "--p-pink-400"]) == [True, True]
    standin.send(EVENT, {**event, "first": 61, "losses": [0.5], "memory": {"taken": 60_000_000, "planned": None}})
    figures.get_by_text("memory 60 MB", exact=True).wait_for()


def test_samples_and_a_snapshot_are_asked_for_and_come(lasting: Page, standin: Standin, in_progress: RunStore) -> None:
    note(in_progress, LINEAGE, replace(ABOUT, sample_prompts=1))
    begin(lasting, standin, 40)
    acts = lasting.locator(".lw-training-acts")
    draw, save = acts.get_by_role("button", name="Draw the sample prompts"), acts.get_by_text("One more snapshot")
    draw.click()
    save.click()
    acts.get_by_text("After this step").wait_for()
    asked = [(f"{PREFIX}runs/{what}", {"run": RUN}) for what in ("sample", "snapshot")]
    until(lasting, lambda: sorted(standin.posted), asked)
    assert draw.is_disabled() and save.is_disabled()
    for wanted in ("sample", "snapshot"):
        request = in_progress.request(LINEAGE, wanted)
        until(lasting, request.exists, True)
        request.unlink()
    white = SamplesGenerated(step=41, images=[Image.new("RGB", (32, 32), "white")], prompts=["a fox"])
    list(keeping_samples((event for event in [white]), in_progress.samples(LINEAGE, STEPS)))
    snapshot = in_progress.asked_snapshot(LINEAGE, 41, STEPS)
    snapshot.parent.mkdir(exist_ok=True)
    snapshot.touch()
    for kept in ("samples", "snapshot"):
        standin.send(EVENT, {"node": "1", "prompt_id": "-", **told_of(40)[-1], "kept": kept})
    lasting.get_by_role("img", name="a fox").wait_for()
    lasting.locator(".lw-figures").get_by_text("snapshots 1").wait_for()
    assert draw.is_enabled() and save.is_enabled() and not acts.get_by_text("After this step").is_visible()


@DRAWN_EITHER_WAY
def test_without_prompts_the_panel_says_why_it_draws_none(
    lasting: Page, standin: Standin, in_progress: RunStore
) -> None:
    del in_progress
    begin(lasting, standin, 40)
    acts = lasting.locator(".lw-training-acts")
    acts.get_by_text("Samples need sample_prompts in the recipe").wait_for()
    assert acts.get_by_role("button", name="Draw the sample prompts").is_disabled()
    assert acts.get_by_text("One more snapshot").is_enabled()


@DRAWN_EITHER_WAY
def test_a_run_that_has_ended_meanwhile_is_asked_for_nothing(lasting: Page, standin: Standin, store: RunStore) -> None:
    del store
    begin(lasting, standin, 40)
    save = lasting.locator(".lw-training-acts").get_by_text("One more snapshot")
    save.click()
    lasting.get_by_text("No training is in progress").first.wait_for()
    assert save.is_enabled()


@pytest.mark.proofs
def test_drawing_takes_a_small_share_of_a_step(lasting: Page) -> None:
    losses = [1 / number for number in range(1, STEPS + 1)]
    milliseconds = lasting.evaluate(COST, {"losses": losses, "steps": STEPS})
    print(f"drawing {STEPS} steps: {milliseconds:.2f} ms")
    assert milliseconds * 4 / 1000 < SMALL_SHARE


def test_a_hosted_training_is_told_in_words(lasting: Page, standin: Standin) -> None:
    lasting.evaluate(OPEN, {"1": {"class_type": "LW_TrainRemote", "inputs": {}}})
    told = "replicate: job abc is training, 120/1000 steps"
    standin.send("lora_workbench.text", {"node": "1", "text": told, "prompt_id": "of another page"})
    lasting.wait_for_function("text => document.querySelector('textarea[aria-label=Result]')?.value === text", arg=told)
    assert not lasting.locator(".lw-training").count()


def test_it_is_there_again_after_its_node_was_collapsed(lasting: Page, standin: Standin, store: RunStore) -> None:
    del store
    begin(lasting, standin, 400)
    state = lasting.locator(".lw-training-state", has_text=f"Step 400/{STEPS}")
    state.wait_for()
    lasting.evaluate("() => app.rootGraph.nodes[0].collapse()")
    state.wait_for(state="hidden")
    lasting.evaluate("() => app.rootGraph.nodes[0].collapse()")
    state.wait_for()


def test_a_training_inside_a_subgraph_is_watched_there(lasting: Page, standin: Standin, store: RunStore) -> None:
    del store
    lasting.evaluate(OPEN, PROMPT)
    node = lasting.evaluate(INTO_SUBGRAPH)
    for part in told_of(400):
        standin.send("lora_workbench.training", {"node": node, "prompt_id": "of another page", **part})
    lasting.get_by_role("status").get_by_text(f"Step 400/{STEPS}").wait_for()
    lasting.evaluate("() => app.canvas.setGraph(app.rootGraph)")
    lasting.locator(".lw-training").wait_for(state="hidden")
