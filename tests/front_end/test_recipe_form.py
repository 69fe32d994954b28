"""The form of *Recipe* in both kinds of nodes: all that it does ends up in the text that the workflow holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SETTINGS = "# mine\nsteps = 300; rank = 8"
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "recipe")
    Object.assign(app.canvas.ds, {scale: 1, offset: [90, 60]})
}"""
HELD = "() => app.rootGraph.nodes[0].widgets.find(widget => widget.name === 'settings').value"
QUEUED = "async () => Object.values((await app.graphToPrompt()).output)[0].inputs.settings"
LEARN = """known => app.api.dispatchCustomEvent("executed", {
    node: String(app.rootGraph.nodes[0].id), output: {lw_recipe: [known]},
})"""
KNOWN = {
    "pictures": 20,
    "base": "fox-base",
    "flow": True,
    "capabilities": [],
    "suggested": {goal: {"rank": [8, "its makers"]} for goal in ("subject", "style", "product", "person")},
    "shift": [[0.0, 1.1, -1.0, 0.0]],
    "tokens": 4096,
}


@pytest.fixture
def form(lasting: Page) -> Locator:
    inputs = {"goal": "subject", "quality": "standard", "settings": SETTINGS}
    lasting.evaluate(OPEN, {"1": {"class_type": "LW_Recipe", "inputs": inputs}})
    form = lasting.locator(".lw-recipe")
    form.locator("[data-group=adapter]").wait_for()
    return form


def row(form: Locator, name: str) -> Locator:
    return form.locator(f"[data-setting={name}]")


def opened(form: Locator, group: str) -> None:
    form.locator(f"[data-group={group}] summary").click()


def test_fields_read_and_write_the_text(lasting: Page, form: Locator) -> None:
    opened(form, "adapter")
    rank = row(form, "rank").get_by_label("rank", exact=True)
    assert rank.input_value() == "8"
    rank.fill("12")
    row(form, "train_text_encoder").locator("select").select_option("true")
    assert lasting.evaluate(HELD) == "# mine\nsteps = 300\nrank = 12\ntrain_text_encoder = true"
    assert lasting.evaluate(QUEUED) == lasting.evaluate(HELD)
    form.get_by_role("button", name="Back to the suggested value: rank", exact=True).click()
    assert lasting.evaluate(HELD) == "# mine\nsteps = 300\ntrain_text_encoder = true"
    form.get_by_text("1 changed").first.wait_for()


def test_text_and_form_are_the_same(lasting: Page, form: Locator) -> None:
    form.get_by_label("Search settings").press("Escape")
    text = form.get_by_label("Settings as text")
    assert text.input_value() == SETTINGS
    text.fill("batch_size = 4")
    form.get_by_role("button", name="Edit as a form").click()
    opened(form, "batches")
    assert row(form, "batch_size").locator("input").input_value() == "4"
    assert lasting.evaluate(HELD) == "batch_size = 4"


def test_search_shows_only_what_fits(form: Locator) -> None:
    form.get_by_label("Search settings").fill("pyramid discount")
    row(form, "pyramid_discount").locator("input").wait_for()
    assert not row(form, "rank").is_visible()


def test_conflicts_and_unused_settings_are_told(form: Locator) -> None:
    form.get_by_label("Search settings").fill("noise")
    row(form, "pyramid_discount").get_by_text("without pyramid_iterations").wait_for()
    row(form, "noise_offset").locator("input").fill("0.1")
    row(form, "pyramid_iterations").locator("input").fill("6")
    row(form, "noise_offset").get_by_text("expected 0 for one of them").wait_for()


def test_values_are_those_of_the_last_run(lasting: Page, form: Locator) -> None:
    form.get_by_text("Noise levels: depends on the base model").wait_for()
    opened(form, "adapter")
    row(form, "alpha").get_by_text("depends on the base model").wait_for()
    lasting.evaluate(LEARN, KNOWN)
    form.get_by_text("Noise levels, clean to noise").wait_for()
    form.get_by_text("Learning rate over 300 steps, peak 0.0001").wait_for()
    assert row(form, "alpha").locator("input").get_attribute("placeholder") == "16"
    form.get_by_role("button", name="Back to the suggested value: rank", exact=True).click()
    row(form, "rank").get_by_text("its makers, for fox-base").wait_for()


def test_a_saved_workflow_keeps_the_settings(lasting: Page, form: Locator) -> None:
    opened(form, "adapter")
    row(form, "rank").locator("input").fill("24")
    lasting.evaluate("async () => app.loadGraphData(app.rootGraph.serialize())")
    lasting.locator(".lw-recipe [data-group=adapter]").wait_for()
    assert lasting.evaluate(HELD) == "# mine\nsteps = 300\nrank = 24"
