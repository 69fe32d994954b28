"""Galleries of data sets: looked at, walked by keys, captions edited and pictures kept or dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from galleries import shown, value
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from standin import Standin

BY_HAND = """(id) => {
  const widget = app.rootGraph.getNodeById(id).widgets.find((widget) => widget.name === "overrides")
  widget.value = "00: by hand"
  widget.callback?.(widget.value)
}"""
HOSTILE = "<img src=x onerror=window.hurt=1>"
SCROLL = """async () => {
  const grid = document.querySelector(".lw-grid")
  grid.scrollTop = 0
  const began = performance.now()
  for (let frame = 0; frame < 150; frame++) {
    await new Promise(requestAnimationFrame)
    grid.scrollTop += 60
  }
  return [150 / (performance.now() - began) * 1000, grid.scrollTop]
}"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("fox")
    for number in range(30):
        Image.new("RGB", (96, 64 + number), (8 * number, 90, 160)).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"photo of ohwx fox, number {number} {HOSTILE}", encoding="utf-8")
    loaded = load_dataset(folder)
    return Dataset(name="fox", records=loaded.records, trigger=TriggerWord(word="ohwx"))


def test_pictures_with_captions_and_flags(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    flags = {"01.png": [("blurred", "its edges are wide")]}
    shown(lasting, standin, "LW_InspectDataset", dataset, flags=flags)
    assert lasting.locator(".lw-gallery-bar").inner_text() == "30 pictures"
    first = lasting.locator(".lw-tile").first
    assert HOSTILE in first.inner_text() and first.locator("mark").inner_text() == "ohwx"
    assert lasting.locator(".lw-flag").first.inner_text() == "blurred"
    lasting.wait_for_function("document.querySelector('.lw-tile img').naturalWidth > 0")
    assert lasting.evaluate("window.hurt") is None


def test_a_caption_is_edited_by_keys_and_kept_in_the_workflow(
    lasting: Page, standin: Standin, dataset: Dataset
) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    lasting.locator(".lw-grid").focus()
    lasting.keyboard.press("ArrowRight")
    lasting.keyboard.press("Enter")
    lasting.wait_for_selector(".lw-large textarea")
    assert lasting.locator(".lw-large .lw-muted", has_text="tokens").inner_text().startswith("about ")
    lasting.locator(".lw-large textarea").fill("ohwx fox: asleep\nin snow")
    lasting.keyboard.press("Control+Enter")
    lasting.wait_for_function("document.querySelector('.lw-large b').textContent === '02.png'")
    lasting.keyboard.press("PageUp")
    lasting.wait_for_function("document.querySelector('.lw-large textarea').value === 'ohwx fox: asleep in snow'")
    lasting.keyboard.press("Escape")
    lasting.locator(".lw-large").wait_for(state="detached")
    assert value(lasting, node, "overrides") == "01.png: ohwx fox: asleep in snow"
    lasting.locator(".lw-tile[data-name='01.png']", has_text="asleep").click()
    lasting.get_by_role("button", name="Undo this edit").click()
    lasting.keyboard.press("Escape")
    assert value(lasting, node, "overrides") == ""


def test_an_edit_by_hand_is_shown(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    lasting.evaluate(BY_HAND, node)
    lasting.wait_for_selector(".lw-tile[data-name='00.png']:has-text('by hand')")


def test_a_click_counts_though_tiles_would_be_drawn_anew_under_it(
    lasting: Page, standin: Standin, dataset: Dataset
) -> None:
    node = shown(lasting, standin, "LW_EditCaptions", dataset)
    tile = lasting.locator(".lw-tile[data-name='00.png']")
    tile.hover()
    lasting.mouse.down()
    lasting.evaluate(BY_HAND, node)
    lasting.get_by_role("button", name="Write the edited captions").and_(lasting.locator(":enabled")).wait_for()
    lasting.mouse.up()
    lasting.locator(".lw-large textarea").wait_for()
    lasting.keyboard.press("Escape")
    tile.get_by_text("by hand").wait_for()


def test_pictures_are_kept_and_dropped(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    node = shown(lasting, standin, "LW_CurateDataset", dataset, dropped={"00.png": "blurred (soft)"})
    lasting.locator(".lw-grid").focus()
    lasting.keyboard.press("k")
    lasting.keyboard.press("ArrowRight")
    lasting.keyboard.press("d")
    assert value(lasting, node, "keep") == "00.png"
    assert value(lasting, node, "drop") == "01.png"
    lasting.keyboard.press("Enter")
    lasting.get_by_role("radio", name="Keep").click()
    assert value(lasting, node, "keep") == "00.png\n01.png" and value(lasting, node, "drop") == ""
    lasting.keyboard.press("Escape")


def test_other_nodes_say_which_one_edits_and_add_it(lasting: Page, standin: Standin, dataset: Dataset) -> None:
    shown(lasting, standin, "LW_LoadDataset", dataset)
    lasting.locator(".lw-tile").first.click()
    assert lasting.locator(".lw-large textarea").count() == 0
    lasting.get_by_role("button", name="Add Edit Captions after this node").click()
    types = lasting.evaluate("app.rootGraph.nodes.map((node) => node.type)")
    assert types == ["LW_LoadDataset", "LW_EditCaptions"]
    assert lasting.evaluate("app.rootGraph.nodes[1].inputs.find((input) => input.name === 'dataset').link != null")


def test_it_comes_back_with_the_workflow_until_the_server_restarts(
    lasting: Page, standin: Standin, dataset: Dataset
) -> None:
    shown(lasting, standin, "LW_LoadDataset", dataset)
    lasting.evaluate("app.loadGraphData(JSON.parse(JSON.stringify(app.rootGraph.serialize())))")
    lasting.wait_for_selector(".lw-tile .lw-caption")
    load = """(token) => {
      const workflow = JSON.parse(JSON.stringify(app.rootGraph.serialize()))
      workflow.nodes[0].properties.lw_dataset = token
      return app.loadGraphData(workflow)
    }"""
    lasting.evaluate(load, "gone")
    lasting.wait_for_selector("text=Run the graph to see the pictures.")


def test_five_thousand_pictures_scroll(lasting: Page, standin: Standin, dataset: Dataset, tmp_path: Path) -> None:
    del tmp_path
    records = tuple(
        record.__class__(**{**vars(record), "caption": f"{number} ohwx"})
        for number, record in enumerate(dataset.records * 167)
    )
    shown(lasting, standin, "LW_PreviewDataset", Dataset(name="many", records=records[:5000]))
    assert lasting.locator(".lw-gallery-bar").inner_text() == "5000 pictures"
    lasting.evaluate("document.querySelector('.lw-grid').scrollTop = 1e9")
    lasting.wait_for_selector(".lw-tile:has-text('4999 ohwx')")
    assert lasting.locator(".lw-tile").count() < 60


@pytest.mark.proofs
def test_scrolling_through_five_thousand_pictures_is_smooth(lasting: Page, standin: Standin, tmp_path: Path) -> None:
    """On a computer that does nothing else."""
    for number in range(5000):
        Image.new("RGB", (64, 64), (number % 256, 90, 160)).save(tmp_path / f"{number:04}.png")
    shown(lasting, standin, "LW_InspectDataset", load_dataset(tmp_path))
    lasting.wait_for_timeout(1500)
    frames, top = max(lasting.evaluate(SCROLL) for _ in range(3))  # other programs only take frames away
    print(f"{frames:.0f} frames a second")
    assert top > 8000 and frames >= 50
