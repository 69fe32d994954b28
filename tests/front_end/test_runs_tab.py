"""The runs in the sidebar: how far each is, its losses, and how it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DRAWN_EITHER_WAY
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.core.storage import write_json
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.following import run_name
from lora_workbench.engine.runs.graphs import Graph, keep_graph
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.state import TrainingState
from test_accessibility import assert_accessible
from waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from standin import Standin

pytestmark = DRAWN_EITHER_WAY

FOX, OWL, BELL = "aaa1" * 6, "aaa2" * 6, "aaa3" * 6
STEPS = 1000
PROMPT = {"1": {"class_type": "LW_Stack", "inputs": {"rows": "on | fox | 0.8"}}}


@pytest.fixture
def store(standin: Standin) -> Iterator[RunStore]:
    """A fox that was interrupted, an owl that has been finished, and a bell that was stopped, without a graph."""
    store = RunStore(standin.host.store_root())
    for lineage, name, at in ((FOX, "fox", 0), (OWL, "owl", 0), (BELL, "bell", 300)):
        about = About(
            name=name,
            base="demo",
            family="sd1",
            dataset=f"{name}s",
            pictures=9,
            steps=STEPS,
            seed=1,
            stopped_at=at,
        )
        note(store, lineage, about)
    losses = [0.5 - step / 4000 for step in range(STEPS)]
    for lineage in (FOX, BELL):
        TrainingState(step=300, losses=losses[:300], values={}, optimizer={}).save(store.state(lineage, STEPS))
    keep_graph(store, FOX, STEPS, Graph(prompt=json.dumps(PROMPT)))
    store.finished(OWL, STEPS).write_bytes(b"x")
    write_json(store.record(OWL, STEPS), {"losses": losses})
    store.report(OWL, STEPS).write_text("<h1>Report of the owl</h1>", encoding="utf-8")
    yield store
    for lineage in (FOX, OWL, BELL):
        shutil.rmtree(store.folder(lineage))


@pytest.fixture
def tab(lasting: Page, store: RunStore) -> Locator:
    """The tab, opened anew."""
    del store
    toggle = "() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-runs')"
    if lasting.locator(".lw-runs").is_visible():
        lasting.evaluate(toggle)
    lasting.evaluate(toggle)
    tab = lasting.locator(".lw-runs")
    tab.get_by_role("listitem").nth(2).wait_for()
    return tab


def of(tab: Locator, name: str) -> Locator:
    return tab.get_by_role("listitem").filter(has=tab.page.get_by_role("heading", name=name))


def test_each_run_has_its_curve(tab: Locator) -> None:
    for name, told in (("fox", "loss 0.49"), ("owl", "loss 0.49"), ("bell", "loss 0.49")):
        curve = of(tab, name).get_by_role("img")
        assert (curve.get_attribute("aria-label") or "").startswith(told)
        points = (curve.locator("polyline").get_attribute("points") or "").split()
        assert 2 <= len(points) <= 64
        assert float(points[-1].split(",")[0]) == (100 if name == "owl" else 30), "as far as the run is"
    assert of(tab, "fox").get_by_text("step 300 of 1000").is_visible()
    assert_accessible(tab.page, ".lw-runs")


@pytest.fixture
def in_progress(tab: Locator, standin: Standin, store: RunStore) -> Iterator[dict[str, Any]]:
    """What is told of every step of the fox, which goes on meanwhile."""
    lock = Exclusive(store.lock(FOX))
    for _ in lock.acquire("fox"):
        pass
    told = {
        "run": run_name(FOX, STEPS),
        "steps": STEPS,
        "node": "1",
        "prompt_id": "x",
        "learning_rate": 1e-4,
        "first": 301,
    }
    try:
        standin.send("lora_workbench.training", {**told, "losses": [], "rate": 0, "opened": True})
        of(tab, "fox").get_by_role("progressbar").wait_for()
        yield told
    finally:
        lock.release()
        store.request(FOX, "stop").unlink(missing_ok=True)


def test_a_run_in_progress_is_followed(
    tab: Locator, standin: Standin, store: RunStore, in_progress: dict[str, Any]
) -> None:
    card = of(tab, "fox")
    standin.send("lora_workbench.training", {**in_progress, "losses": [0.4] * 50, "rate": 10.0})
    card.get_by_text("step 350 of 1000 · 65 s left").wait_for()
    assert card.get_by_role("progressbar").evaluate("own => own.value") == pytest.approx(0.35)
    card.get_by_role("button", name="Stop after this step").click()
    tab.page.get_by_text("The training stops after").first.wait_for()
    until(tab.page, store.request(FOX, "stop").exists, True)


def test_a_click_counts_though_the_card_would_be_drawn_anew_under_it(
    tab: Locator, standin: Standin, store: RunStore, in_progress: dict[str, Any]
) -> None:
    card = of(tab, "fox")
    card.get_by_role("button", name="Stop after this step").hover()
    TrainingState(step=400, losses=[0.3] * 400, values={}, optimizer={}).save(store.state(FOX, STEPS))
    with tab.page.expect_response("**/runs?run=*"):
        tab.page.mouse.down()
        standin.send("lora_workbench.training", {**in_progress, "losses": [0.3] * 99, "rate": 10.0})
    tab.page.wait_for_timeout(200)  # for what the answer would change
    tab.page.mouse.up()
    until(tab.page, store.request(FOX, "stop").exists, True)
    card.get_by_role("img", name="loss 0.3").wait_for()


def test_an_interrupted_run_goes_on(lasting: Page, tab: Locator, standin: Standin) -> None:
    before = len(standin.prompts)
    of(tab, "fox").get_by_role("button", name="to go on").click()
    lasting.get_by_text("fox goes on from step 300").first.wait_for()
    until(lasting, lambda: len(standin.prompts), before + 1)
    assert standin.prompts[-1]["prompt"]["1"]["inputs"]["rows"] == "on | fox | 0.8"


def test_why_a_run_cant_go_on_is_told(lasting: Page, tab: Locator, standin: Standin) -> None:
    before = len(standin.prompts)
    of(tab, "bell").get_by_role("button", name="to go on").click()
    lasting.get_by_text("No graph is kept of this run").first.wait_for()
    assert len(standin.prompts) == before


def test_a_report_opens_in_a_page_of_its_own(lasting: Page, tab: Locator) -> None:
    with lasting.context.expect_page() as opened:
        of(tab, "owl").get_by_role("button", name="report").click()
    opened.value.get_by_role("heading", name="Report of the owl").wait_for()
    opened.value.close()
