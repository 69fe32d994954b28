"""The vault in the sidebar: adapters are found, put on the canvas and into stacks, and keep notes and previews."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from conftest import DRAWN_EITHER_WAY
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from PIL import Image
from test_accessibility import assert_accessible
from vault_files import SDXL, lora_file
from waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page
    from standin import Standin

MANY = 300
GRAPH = {"nodes": [], "links": [], "groups": [], "config": {}, "extra": {"of": "fox"}, "version": 0.4}
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "vault")
    while (!app.extensionManager.workflow.activeWorkflow?.path.includes("vault"))
        await new Promise(done => setTimeout(done, 50))
}"""
NODES = "async () => Object.values((await app.graphToPrompt()).output).map(node => [node.class_type, node.inputs])"
SELECT = "() => app.canvas.selectNode(app.rootGraph.nodes.find(node => node.type === 'LW_Stack'))"


PLACE = """async () => {
    const node = app.rootGraph.nodes.find(node => node.type === "PreviewImage")
    node.pos = [0, 0]
    Object.assign(app.canvas.ds, {scale: 1, offset: [600, 300]})
    app.canvas.setDirty(true, true)
    await new Promise(done => setTimeout(done, 500))
    const { left, top } = app.canvas.canvas.getBoundingClientRect()
    return [left + 660, top + 290]
}"""
MOST = 5000
SCROLL = """async () => {
  const list = document.querySelector(".lw-virtual")
  list.scrollTop = 0
  const began = performance.now()
  for (let frame = 0; frame < 300; frame++) {
    await new Promise(requestAnimationFrame)
    list.scrollTop += 60
  }
  return [300 / (performance.now() - began) * 1000, list.scrollTop]
}"""


@pytest.fixture(scope="module", autouse=True)
def library(standin: Standin) -> Iterator[None]:
    """Many adapters; one with a trigger phrase, and the graph that trained it."""
    import torch

    update = LowRank(down=torch.ones(2, 4), up=torch.ones(4, 2), alpha=2.0)
    folder = standin.host.adapter_directory() / "vaulted"
    for number in range(MANY):
        name = "fox" if number == 7 else f"adapter {number:03d}"
        told = {"lw.triggers": json.dumps(["tok fox"]), "workflow": json.dumps(GRAPH)} if name == "fox" else {}
        modules = {"denoiser.mid_block.attentions.0.proj_in": update}
        save_adapter(Adapter(name=name, family="sd1", modules=modules, metadata=told), folder / f"{name}.safetensors",
                     key_style="kohya")  # fmt: skip
    yield
    for file in folder.iterdir():
        file.unlink()


@pytest.fixture
def tab(lasting: Page) -> Locator:
    lasting.evaluate(OPEN, {"1": {"class_type": "LW_Stack", "inputs": {"rows": ""}}})
    if not lasting.locator(".lw-vault").is_visible():
        lasting.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")
    tab = lasting.locator(".lw-vault")
    if tab.get_by_role("button", name="Clear the filters").is_visible():
        tab.get_by_role("button", name="Clear the filters").click()
    with lasting.expect_response(lambda answer: "search=vaulted" in answer.url):
        tab.get_by_label("Search adapters").fill("vaulted")
    tab.get_by_text(f"{MANY} adapters", exact=True).wait_for()
    return tab


def found(tab: Locator) -> Locator:
    """The only card that is found by the name of the fox."""
    tab.get_by_label("Search adapters").fill("vaulted fox")
    tab.get_by_text("1 adapter", exact=True).wait_for()
    return tab.locator(".lw-card")


@DRAWN_EITHER_WAY
def test_only_what_is_in_view_is_in_the_page(tab: Locator) -> None:
    cards = tab.locator(".lw-card")
    cards.first.wait_for()
    assert 0 < cards.count() < 40
    tab.locator(".lw-virtual").evaluate("own => own.scrollTop = own.scrollHeight")
    tab.get_by_role("heading", name=f"adapter {MANY - 1:03d}").wait_for()
    assert cards.count() < 40


def test_an_adapter_becomes_a_node(lasting: Page, tab: Locator) -> None:
    found(tab).get_by_role("button", name="as a node").click()
    assert ["LW_LoadAdapter", "vaulted/fox.safetensors"] in [
        [kind, inputs.get("adapter")] for kind, inputs in lasting.evaluate(NODES)
    ]


def test_an_adapter_becomes_a_row_of_the_selected_stack(lasting: Page, tab: Locator) -> None:
    card = found(tab)
    lasting.evaluate(SELECT)
    for _ in range(2):
        card.get_by_role("button", name="to the selected stack").press("Enter")
    [[_, inputs]] = lasting.evaluate(NODES)
    assert inputs["rows"].splitlines() == ["on | vaulted/fox.safetensors | 1"] * 2


@DRAWN_EITHER_WAY
def test_the_graph_that_trained_it_is_opened(lasting: Page, tab: Locator) -> None:
    found(tab).get_by_role("button", name="Open the graph").click()
    lasting.wait_for_function("() => app.rootGraph.serialize().extra?.of === 'fox'")


@DRAWN_EITHER_WAY
def test_an_adapter_is_pinned_and_unpinned(tab: Locator, standin: Standin) -> None:
    card = found(tab)
    for pinned in (True, False):
        card.get_by_role("button", name="Pin ").click()
        card.locator(f'.lw-pin[aria-pressed="{str(pinned).lower()}"]').wait_for()
        noted = json.loads((standin.host.adapter_directory() / "vaulted" / "fox.lw.json").read_text())
        assert noted["pinned"] is pinned


@DRAWN_EITHER_WAY
def test_a_note_is_kept_beside_the_adapter(lasting: Page, tab: Locator, standin: Standin) -> None:
    found(tab).get_by_role("button", name="Note on").click()
    lasting.get_by_role("textbox", name="Note on").fill("good at 0.7")
    lasting.get_by_role("button", name="Save the note").click()
    lasting.get_by_text("The note is kept").first.wait_for()
    kept = standin.host.adapter_directory() / "vaulted" / "fox.lw.json"
    until(lasting, lambda: "good at 0.7" in kept.read_text(encoding="utf-8"), True)
    kept.unlink()


@pytest.fixture
def herons(standin: Standin) -> Iterator[None]:
    """Two adapters of another family."""
    names = {"heron": "base <b>one</b>", "fox heron": "base two"}
    folder = standin.host.adapter_directory() / "vaulted"
    for name, base in names.items():
        lora_file(folder / f"{name}.safetensors", stem=SDXL, ss_sd_model_name=base)
    yield
    for name in names:
        (folder / f"{name}.safetensors").unlink()


def choices(tab: Locator, name: str) -> list[str]:
    """What an opened menu has, with counts."""
    entries = tab.page.get_by_role("menu", name=name).get_by_role("menuitemradio")
    entries.first.wait_for()
    return entries.all_inner_texts()


@DRAWN_EITHER_WAY
def test_filters_compose_with_the_words_and_are_cleared_at_once(tab: Locator, herons: None) -> None:
    del herons
    page = tab.page
    page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    tab.get_by_text(f"{MANY + 2} adapters").wait_for()
    family = tab.get_by_role("button", name="Family")
    family.press("Enter")
    assert choices(tab, "Family") == [f"sd1\n{MANY}", "sdxl\n2"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    tab.get_by_text("2 adapters", exact=True).wait_for()
    assert family.evaluate("own => own === document.activeElement")
    tab.get_by_label("Search adapters").fill("vaulted fox")
    tab.get_by_text("1 adapter", exact=True).wait_for()
    tab.get_by_role("button", name="Base").click()
    assert choices(tab, "Base") == ["base two\n1"]
    page.keyboard.press("Escape")
    tab.get_by_role("button", name="Trained here").click()
    tab.get_by_text("Nothing found").wait_for()
    clear = tab.get_by_role("button", name="Clear the filters")
    clear.click()
    tab.get_by_text("2 adapters", exact=True).wait_for()
    assert not clear.is_visible()


@DRAWN_EITHER_WAY
def test_previews_are_asked_for_once(lasting: Page, tab: Locator, standin: Standin) -> None:
    folder = standin.host.adapter_directory() / "vaulted"
    Image.new("RGB", (1200, 1800), (200, 90, 40)).save(folder / "fox.preview.png")
    asked: list[str] = []
    lasting.on("request", lambda request: asked.append(request.url) if "vault/preview" in request.url else None)
    picture = found(tab).locator("img")
    picture.wait_for()
    lasting.wait_for_function("own => own.naturalHeight === 192", arg=picture.element_handle())
    tab.get_by_label("Search adapters").fill("vaulted")
    tab.get_by_text(f"{MANY} adapters", exact=True).wait_for()
    assert found(tab).locator("img").evaluate("own => own.complete || own.decode().then(() => true)")
    assert len({*asked}) == 1
    (folder / "fox.preview.png").unlink()


@pytest.fixture
def drawn(standin: Standin) -> Iterator[list[dict[str, str]]]:
    """Two pictures that ComfyUI has drawn, as nodes' outputs name them."""
    (standin.folder / "output" / "drawn").mkdir(exist_ok=True)
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (90, 60), color).save(standin.folder / "output" / "drawn" / f"{name}.png")
    yield [{"filename": f"{name}.png", "subfolder": "drawn", "type": "output"} for name in ("red", "blue")]
    for file in (standin.host.adapter_directory() / "vaulted").glob("*.png"):
        file.unlink()


def preview_of(standin: Standin, name: str) -> object:
    """The color of an adapter's preview."""
    with Image.open(standin.host.adapter_directory() / "vaulted" / f"{name}.preview.png") as image:
        return image.getpixel((5, 5))


@DRAWN_EITHER_WAY
def test_a_picture_that_was_drawn_becomes_a_preview(
    lasting: Page, tab: Locator, standin: Standin, drawn: list[dict[str, str]]
) -> None:
    standin.play([("executed", {"node": "9", "display_node": "9", "output": {"images": drawn}})], "drawn")
    found(tab).get_by_role("button", name="Choose the preview").press("Enter")
    lasting.get_by_role("button", name="red.png").wait_for()
    lasting.keyboard.press("ArrowDown")
    assert lasting.evaluate("() => document.activeElement.title") == "blue.png"
    lasting.keyboard.press("Enter")
    lasting.get_by_text("fox.safetensors has a new preview").first.wait_for()
    tab.locator(".lw-card img").wait_for()
    until(lasting, lambda: preview_of(standin, "fox"), (0, 0, 255))


def test_a_picture_of_a_node_becomes_a_preview(
    lasting: Page, tab: Locator, standin: Standin, drawn: list[dict[str, str]]
) -> None:
    del tab
    lasting.evaluate(OPEN, {"1": {"class_type": "PreviewImage", "inputs": {}}, "2": {"class_type": "LW_LoadAdapter",
                     "inputs": {"adapter": "vaulted/fox.safetensors"}}})  # fmt: skip
    lasting.evaluate("() => app.queuePrompt(0)")
    standin.play([("executed", {"node": "1", "display_node": "1", "output": {"images": drawn[:1]}})])
    lasting.wait_for_function("() => app.nodeOutputs[1]?.images?.length")
    x, y = lasting.evaluate(PLACE)
    lasting.mouse.click(x, y, button="right")
    lasting.get_by_text("Use as preview of").last.click()
    first = '[data-at="0"][title="vaulted/fox.safetensors"]'  # which the graph names
    lasting.locator(f".lw-picker .lw-pick{first}").wait_for()
    lasting.keyboard.press("Enter")
    lasting.get_by_text("fox.safetensors has a new preview").first.wait_for()
    until(lasting, lambda: preview_of(standin, "fox"), (255, 0, 0))


@DRAWN_EITHER_WAY
def test_cards_menus_and_pictures_are_accessible(
    lasting: Page, tab: Locator, standin: Standin, drawn: list[dict[str, str]]
) -> None:
    standin.play([("executed", {"node": "9", "display_node": "9", "output": {"images": drawn}})], "accessible")
    tab.get_by_role("button", name="Kind").click()
    choices(tab, "Kind")
    assert_accessible(lasting, ".lw-popover")
    lasting.keyboard.press("Enter")
    tab.get_by_role("button", name="Clear the filters").wait_for()
    assert_accessible(lasting, ".lw-vault")
    found(tab).get_by_role("button", name="Choose the preview").click()
    lasting.locator(".lw-shot").first.wait_for()
    assert_accessible(lasting, ".lw-popover")
    lasting.keyboard.press("Escape")


@pytest.mark.releases
def test_scrolling_through_five_thousand_adapters_is_smooth(page: Page, standin: Standin, tmp_path: Path) -> None:
    """On a computer that does nothing else."""
    folder = standin.host.adapter_directory() / "five thousand"
    for number in range(16):
        Image.effect_noise((832, 1216), 90).save(tmp_path / f"{number}.jpg")
    for number in range(MOST):
        lora_file(folder / f"{number:04}.safetensors", modelspec__trigger_phrase=f"ohwx {number}")
        os.link(tmp_path / f"{number % 16}.jpg", folder / f"{number:04}.preview.jpg")
    page.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")
    page.get_by_label("Search adapters").fill("five")
    page.get_by_text(f"{MOST} adapters").wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    frames, top = max(page.evaluate(SCROLL) for _ in range(3))  # other programs only take frames away
    shutil.rmtree(folder)
    print(f"{frames:.0f} frames a second")
    assert top > 17_000 and frames >= 50
