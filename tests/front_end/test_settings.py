"""Our settings do what they say, at once and in what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_gallery import dataset, shown
from test_training_panel import begin, store

if TYPE_CHECKING:
    from conftest import Opened
    from lora_workbench.engine.data.dataset import Dataset
    from playwright.sync_api import Page
    from standin import Standin

pytestmark = pytest.mark.pages

__all__ = ["dataset", "store"]  # fixtures

SET = "([id, value]) => app.extensionManager.setting.set(id, value)"
TILE = "() => document.querySelector('.lw-tile').offsetWidth"
RECIPE = """async () => {
    await app.loadApiJson({1: {class_type: "LW_Recipe", inputs: {settings: ""}}}, "recipe")
    Object.assign(app.canvas.ds, {scale: 1, offset: [90, 60]})
}"""
OPEN_GROUPS = "() => document.querySelectorAll('.lw-recipe details[open]').length"
CURVE = "() => document.querySelector('.lw-training canvas').toDataURL()"


def choose(page: Page, name: str, value: Any) -> None:
    page.evaluate(SET, [f"LoRAWorkbench.{name}", value])


def test_pictures_of_a_gallery_get_larger(page: Page, standin: Standin, dataset: Dataset) -> None:
    shown(page, standin, "LW_InspectDataset", dataset)
    assert 104 <= page.evaluate(TILE) < 160
    choose(page, "TileSize", 200)
    page.wait_for_function("document.querySelector('.lw-tile')?.offsetWidth >= 200")
    page.wait_for_selector(".lw-tile img[src*='side=512']")


def test_groups_of_a_recipe_are_folded_or_not(page: Page) -> None:
    page.evaluate(RECIPE)
    page.locator(".lw-recipe [data-group=adapter]").wait_for()
    assert page.evaluate(OPEN_GROUPS) == 0
    choose(page, "FoldGroups", False)
    assert page.evaluate(OPEN_GROUPS) == page.locator(".lw-recipe details").count() > 3
    page.evaluate(RECIPE)
    page.wait_for_function("document.querySelectorAll('.lw-recipe details[open]').length > 3")


def test_the_loss_curve_is_smoothed_as_much_as_wished(page: Page, standin: Standin, store: object) -> None:
    del store
    begin(page, standin, 400)
    page.locator(".lw-training").get_by_text("Step 400/").wait_for()
    before = page.evaluate(CURVE)
    choose(page, "Smoothing", 0)
    page.wait_for_function(f"before => ({CURVE})() !== before", arg=before)


SMOOTHED = """async kept => {
    const { smoothed } = await import("/extensions/lora-workbench/training/curve.mjs")
    return smoothed([1, 0, 2, 3], kept)
}"""


@pytest.mark.parametrize(("kept", "wanted"), [(0, [1, 0, 2, 3]), (0.5, [1, 1 / 3, 9 / 7, 33 / 15])])
def test_smoothing_is_a_moving_average_without_bias(lasting: Page, kept: float, wanted: list[float]) -> None:
    assert lasting.evaluate(SMOOTHED, kept) == pytest.approx(wanted)


def test_the_dialog_shows_them_in_the_users_language(opened: Opened, standin: Standin) -> None:
    page = opened.open(standin, Comfy__Locale="zh")
    page.keyboard.press("Control+,")
    page.get_by_role("dialog").get_by_text("LoRA Workbench", exact=True).click()
    for text in ("训练或批次结束时提示", "损失曲线的平滑度", "折叠训练配方的分组", "图库中图片的大小"):
        page.get_by_text(text, exact=True).wait_for()
