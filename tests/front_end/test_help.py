"""ComfyUI's help panel shows our help pages with their pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Opened
    from playwright.sync_api import Page
    from standin import Standin

pytestmark = pytest.mark.pages

OPEN = """async kind => {
    await app.loadApiJson({1: {class_type: kind, inputs: {}}}, "help")
    app.canvas.selectNode(app.rootGraph.nodes[0])
}"""
SHOWN = """() => {
    const picture = document.querySelector("img[src*='/docs/images/']")
    return picture?.complete && picture.naturalWidth && new URL(picture.src).pathname
}"""


def assert_pictured(page: Page, kind: str, name: str) -> None:
    page.evaluate(OPEN, kind)
    page.get_by_test_id("info-button").click()
    shown = page.wait_for_function(SHOWN).json_value()
    assert str(shown).endswith(f"/extensions/lora-workbench/docs/images/{name}.webp")
    assert page.locator("img[src*='/docs/images/']").get_attribute("alt")


def test_a_help_page_has_its_picture(page: Page) -> None:
    assert_pictured(page, "LW_TrainLoRA", "training-panel")


@pytest.mark.parametrize("renderer", ["vue"])
def test_in_the_newest_front_end_too(opened: Opened, newest: Standin, renderer: str) -> None:
    newest.forget()
    assert_pictured(opened.open(newest, renderer), "LW_Recipe", "recipe-form")
