"""What axe-core finds in what we show: nothing serious."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DRAWN_EITHER_WAY
from galleries import shown, value
from test_gallery import dataset
from test_training_panel import begin, store

if TYPE_CHECKING:
    from lora_workbench.engine.data.dataset import Dataset
    from playwright.sync_api import Page
    from standin import Standin

__all__ = ["dataset", "store"]  # fixtures

SERIOUS = ("serious", "critical")
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "shown")
    Object.assign(app.canvas.ds, {scale: 1, offset: [90, 60]})
}"""
TOGGLE = "id => app.extensionManager.sidebarTab.toggleSidebarTab(id)"


def one_node(kind: str, **inputs: Any) -> Callable[[Page], None]:
    return lambda page: page.evaluate(OPEN, {"1": {"class_type": kind, "inputs": inputs}})


def tab(name: str) -> Callable[[Page], None]:
    return lambda page: page.evaluate(TOGGLE, f"lora-workbench-{name}")


def assert_accessible(page: Page, place: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra 'dev'").Axe()
    page.locator(place).first.wait_for()
    page.wait_for_load_state("networkidle")
    found = axe.run(page, context=place).response
    serious = [one for one in found["violations"] if one["impact"] in SERIOUS]
    assert found["passes"], "something was looked at"
    told = {one["id"]: [node["html"][:160] for node in one["nodes"][:3]] for one in serious}
    assert told == {}


@pytest.mark.parametrize(
    ("show", "place"),
    [
        (one_node("LW_Stack", rows="# mine\non | fox | 0.8 | 0.6 | mid=0.5\noff | riso | 0.4"), ".lw-stack"),
        (one_node("LW_Recipe", goal="subject", quality="standard", settings="rank = 8"), ".lw-recipe"),
    ],
    ids=["stack", "recipe"],
)
def test_editors(lasting: Page, show: Callable[[Page], None], place: str) -> None:
    show(lasting)
    assert_accessible(lasting, place)


def test_a_training(lasting: Page, standin: Standin, store: object) -> None:
    del store
    begin(lasting, standin, 100)
    assert_accessible(lasting, ".lw-training")


@DRAWN_EITHER_WAY
@pytest.mark.parametrize("name", ["vault", "runs"])
def test_tabs(lasting: Page, store: object, name: str) -> None:
    del store
    tab(name)(lasting)
    assert_accessible(lasting, f".lw-{name}")
    tab(name)(lasting)


def test_a_gallery_and_a_picture(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    shown(lasting, standin, "LW_EditCaptions", dataset)
    assert_accessible(lasting, ".lw-gallery")
    lasting.locator(".lw-grid").press("Enter")
    assert_accessible(lasting, ".lw-large")
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_tools_of_a_gallery(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    lasting.get_by_role("button", name="Find and replace in all captions").click()
    lasting.get_by_label("Find", exact=True).fill("fox")
    lasting.wait_for_selector(".lw-changes del")
    assert_accessible(lasting, ".lw-replace")
    lasting.get_by_label("Find", exact=True).press("Control+Enter")
    lasting.wait_for_selector(".lw-replace", state="detached")
    assert value(lasting, node, "overrides").count("\n") == 29
    lasting.get_by_role("button", name="Write the edited captions to their files").click()
    lasting.get_by_text("Left as they are: 30").wait_for()
    assert_accessible(lasting, ".lw-write")
    lasting.keyboard.press("Escape")
