"""Our settings do what they say, at once and in what is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import DRAWN_EITHER_WAY
from test_gallery import dataset, shown
from test_training_panel import begin, store

if TYPE_CHECKING:
    from conftest import Opened
    from lora_workbench.engine.data.dataset import Dataset
    from playwright.sync_api import Page
    from standin import Standin

pytestmark = pytest.mark.pages

__all__ = ["dataset", "store"]  # fixtures

GET = "id => app.extensionManager.setting.get(id)"
SET = "([id, value]) => app.extensionManager.setting.set(id, value)"
TILE = "() => document.querySelector('.lw-tile').offsetWidth"
RECIPE = """async () => {
    await app.loadApiJson({1: {class_type: "LW_Recipe", inputs: {settings: ""}}}, "recipe")
    Object.assign(app.canvas.ds, {scale: 1, offset: [90, 60]})
}"""
OPEN_GROUPS = "() => document.querySelectorAll('.lw-recipe details[open]').length"
CURVE = "() => document.querySelector('.lw-training canvas').toDataURL()"


@pytest.fixture
def choose(lasting: Page) -> Iterator[Callable[[str, Any], None]]:
    """Changes one of our settings; after the test they are as before."""
    before: dict[str, Any] = {}

    def change(name: str, value: Any) -> None:
        setting = f"LoRAWorkbench.{name}"
        before.setdefault(setting, lasting.evaluate(GET, setting))
        lasting.evaluate(SET, [setting, value])

    yield change
    for setting, value in before.items():
        lasting.evaluate(SET, [setting, value])


def test_pictures_of_a_gallery_get_larger(
    lasting: Page, standin: Standin, dataset: Dataset, choose: Callable[[str, Any], None]
) -> None:
    shown(lasting, standin, "LW_InspectDataset", dataset)
    assert 104 <= lasting.evaluate(TILE) < 160
    choose("TileSize", 200)
    lasting.wait_for_function("document.querySelector('.lw-tile')?.offsetWidth >= 200")
    lasting.wait_for_selector(".lw-tile img[src*='side=512']")


def test_groups_of_a_recipe_are_folded_or_not(lasting: Page, choose: Callable[[str, Any], None]) -> None:
    lasting.evaluate(RECIPE)
    lasting.locator(".lw-recipe [data-group=adapter]").wait_for()
    assert lasting.evaluate(OPEN_GROUPS) == 0
    choose("FoldGroups", False)
    assert lasting.evaluate(OPEN_GROUPS) == lasting.locator(".lw-recipe details").count() > 3
    lasting.evaluate(RECIPE)
    lasting.wait_for_function("document.querySelectorAll('.lw-recipe details[open]').length > 3")


def test_the_loss_curve_is_smoothed_as_much_as_wished(
    lasting: Page, standin: Standin, store: object, choose: Callable[[str, Any], None]
) -> None:
    del store
    begin(lasting, standin, 400)
    lasting.locator(".lw-training").get_by_text("Step 400/").wait_for()
    before = lasting.evaluate(CURVE)
    choose("Smoothing", 0)
    lasting.wait_for_function(f"before => ({CURVE})() !== before", arg=before)


SMOOTHED = """async kept => {
    const { smoothed } = await import("/extensions/lora-workbench/training/curve.mjs")
    return smoothed([1, 0, 2, 3], kept)
}"""


@DRAWN_EITHER_WAY
@pytest.mark.parametrize(("kept", "wanted"), [(0, [1, 0, 2, 3]), (0.5, [1, 1 / 3, 9 / 7, 33 / 15])])
def test_smoothing_is_a_moving_average_without_bias(lasting: Page, kept: float, wanted: list[float]) -> None:
    assert lasting.evaluate(SMOOTHED, kept) == pytest.approx(wanted)


def test_the_dialog_shows_them_in_the_users_language(opened: Opened, standin: Standin) -> None:
    page = opened.open(standin, Comfy__Locale="zh")
    page.keyboard.press("Control+,")
    page.get_by_role("dialog").get_by_text("LoRA Workbench", exact=True).click()
    for text in ("训练或批次结束时提示", "损失曲线的平滑度", "折叠训练配方的分组", "图库中图片的大小"):
        page.get_by_text(text, exact=True).wait_for()
