"""Choosing an adapter for a row: found as one types, by keys alone, of the right family, the last ones first."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from conftest import DRAWN_EITHER_WAY
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.vault.searching import Query
from PIL import Image
from waiting import PAUSE, SECONDS, until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from standin import Standin

MANY = 300
OPEN = """async ([prompt, recent]) => {
    localStorage.setItem("lora_workbench.recent_adapters", JSON.stringify(recent))
    await app.loadApiJson(prompt, "stack")
    Object.assign(app.canvas.ds, {scale: 1, offset: [90, 60]})
}"""
QUEUED = """async () => Object.values((await app.graphToPrompt()).output)
    .find(node => node.class_type === "LW_Stack").inputs.rows"""
KEEP = "() => JSON.parse(localStorage.getItem('lora_workbench.recent_adapters'))"


@pytest.fixture(scope="module", autouse=True)
def library(standin: Standin) -> Iterator[None]:
    """Many adapters of two families, the last of which have pictures, and no others."""
    import torch

    update = LowRank(down=torch.ones(2, 4), up=torch.ones(4, 2), alpha=2.0)
    modules = {"denoiser.mid_block.attentions.0.proj_in": update}
    others = standin.host.adapter_directory()
    aside = others.rename(others.with_name("others"))
    folder = standin.host.adapter_directory() / "picked"
    for number in range(MANY):
        told = {"lw.family": ["sd1", "flux1", "sd1"][number % 3], "lw.triggers": json.dumps([f"zwx {number:03d}"])}
        adapter = Adapter(name="", family="", modules=modules, metadata=told)
        save_adapter(adapter, folder / f"teapot {number:03d}.safetensors", key_style="kohya")
        if number >= MANY - 10:
            Image.new("RGB", (300, 400), (200, number % 200, 40)).save(folder / f"teapot {number:03d}.preview.png")
    wait_for_the_index(standin)
    yield
    shutil.rmtree(others)
    aside.rename(others)


def wait_for_the_index(standin: Standin) -> None:
    """Until it has these adapters alone: it is renewed beside its answers, and other tests have as many."""
    end = time.monotonic() + SECONDS
    while any(standin.host.library.search(Query.of(words))[0] != MANY for words in ("", "picked")):
        assert time.monotonic() < end
        time.sleep(PAUSE / 1000)


def opened(page: Page, rows: str = "", recent: tuple[str, ...] = ()) -> Locator:
    page.evaluate(OPEN, [{"1": {"class_type": "LW_Stack", "inputs": {"rows": rows}}}, list(recent)])
    editor = page.locator(".lw-stack")
    if rows:
        editor.locator(".lw-chip").first.wait_for()
        editor.locator(".lw-amount").wait_for()
        editor.locator(".lw-name i").first.wait_for()
    editor.get_by_role("button", name="Add an adapter").press("Enter")
    picker = page.locator(".lw-picker")
    picker.locator(".lw-pick").first.wait_for()
    return picker


def names(picker: Locator) -> list[str]:
    return [
        text.removeprefix("picked/") for text in picker.locator(".lw-pick > div > div:first-child").all_inner_texts()
    ]


def found(picker: Locator, words: str, count: int) -> None:
    picker.get_by_role("combobox", name="Search").fill(words)
    picker.get_by_text(f"{count} adapters", exact=True).wait_for()


def test_four_keys_choose_one_of_three_hundred(lasting: Page) -> None:
    picker = opened(lasting)
    picker.get_by_text(f"{MANY} adapters", exact=True).wait_for()
    lasting.keyboard.type("217")
    lasting.keyboard.press("Enter")  # before the server has answered
    lasting.locator(".lw-row .lw-name").wait_for()
    assert lasting.evaluate(QUEUED) == "on | picked/teapot 217.safetensors | 1"
    assert lasting.evaluate(KEEP) == ["picked/teapot 217.safetensors"]
    until(lasting, picker.count, 0)


@DRAWN_EITHER_WAY
def test_the_last_ones_come_first(lasting: Page) -> None:
    picker = opened(
        lasting, recent=("picked/teapot 120.safetensors", "gone.safetensors", "picked/teapot 007.safetensors")
    )
    picker.get_by_text("recent").first.wait_for()
    assert names(picker)[:3] == ["teapot 120", "teapot 007", "teapot 000"]
    lasting.keyboard.press("Enter")
    lasting.locator(".lw-row").wait_for()
    assert lasting.evaluate(QUEUED) == "on | picked/teapot 120.safetensors | 1"


def test_the_arrows_go_through_the_list(lasting: Page) -> None:
    picker = opened(lasting)
    search = picker.get_by_role("combobox", name="Search")
    for key in ("ArrowDown", "PageDown", "PageDown", "ArrowUp"):
        lasting.keyboard.press(key)
    marked = picker.get_by_role("option", selected=True)
    assert "teapot 012" in marked.inner_text()
    assert marked.get_attribute("id") == search.get_attribute("aria-activedescendant")
    box, around = marked.bounding_box(), picker.locator(".lw-virtual").bounding_box()
    assert box and around and around["y"] <= box["y"] and box["y"] + box["height"] <= around["y"] + around["height"]
    lasting.keyboard.press("Escape")
    until(lasting, picker.count, 0)
    assert lasting.evaluate("document.activeElement.className") == "lw-add"


@DRAWN_EITHER_WAY
def test_families_are_those_of_the_rows_until_all_are_asked_for(lasting: Page) -> None:
    picker = opened(lasting, "on | picked/teapot 000")
    assert picker.get_by_role("button", name="Only adapters for sd1").get_attribute("aria-pressed") == "true"
    found(picker, '"zwx 00"', 7)
    assert "teapot 001" not in names(picker)
    picker.get_by_role("button", name="Adapters of all families").click()
    found(picker, '"zwx 00"', 10)
    assert picker.get_by_role("combobox", name="Search").evaluate("own => own === document.activeElement")
    lasting.keyboard.press("Escape")


def test_the_family_is_that_of_the_base_model_as_a_run_told_it(lasting: Page, standin: Standin) -> None:
    prompt = {
        "1": {"class_type": "LW_Stack", "inputs": {"rows": ""}},
        "2": {"class_type": "LW_LoadBase", "inputs": {}},
        "3": {"class_type": "LW_Generate", "inputs": {"base": ["2", 0], "stack": ["1", 0]}},
    }
    lasting.evaluate(OPEN, [prompt, []])
    base = lasting.evaluate("() => String(app.rootGraph.nodes.find(node => node.type === 'LW_LoadBase').id)")
    told = {"node": base, "display_node": base, "output": {"lw_base": [{"family": "flux1"}]}, "prompt_id": "x"}
    standin.send("executed", told)
    lasting.wait_for_function("id => app.nodeOutputs[id]?.lw_base", arg=base)
    lasting.get_by_role("button", name="Add an adapter").press("Enter")
    picker = lasting.locator(".lw-picker")
    found(picker, '"zwx 00"', 3)
    assert picker.get_by_role("button", name="Only adapters for flux1").get_attribute("aria-pressed") == "true"
    lasting.keyboard.press("Escape")


LOADED = {
    "a base model": {
        "2": {"class_type": "LW_LoadBase", "inputs": {"base": "demo_base"}},
        "3": {"class_type": "LW_Generate", "inputs": {"base": ["2", 0], "stack": ["1", 0]}},
    },
    "a stock loader": {
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "demo_base"}},
        "3": {"class_type": "LW_ApplyStack", "inputs": {"model": ["2", 0], "clip": ["2", 1], "stack": ["1", 0]}},
    },
}


@DRAWN_EITHER_WAY
@pytest.mark.parametrize("loader", LOADED)
def test_before_any_run_the_family_is_that_of_the_models_file(lasting: Page, loader: str) -> None:
    prompt = {"1": {"class_type": "LW_Stack", "inputs": {"rows": ""}}, **LOADED[loader]}
    lasting.evaluate(OPEN, [prompt, []])
    lasting.evaluate("() => { app.nodeOutputs = {} }")
    lasting.get_by_role("button", name="Add an adapter").press("Enter")
    picker = lasting.locator(".lw-picker")
    found(picker, '"zwx 00"', 7)
    assert picker.get_by_role("button", name="Only adapters for sd1").get_attribute("aria-pressed") == "true"
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_pictures_are_fetched_only_for_what_is_in_view(lasting: Page) -> None:
    asked: list[str] = []
    lasting.on("request", lambda request: asked.append(request.url) if "vault/preview" in request.url else None)
    picker = opened(lasting)
    picker.get_by_text(f"{MANY} adapters", exact=True).wait_for()
    assert 0 < picker.locator(".lw-pick").count() < 20
    assert asked == []
    picker.locator(".lw-virtual").evaluate("own => own.scrollTop = own.scrollHeight")
    picker.get_by_text("teapot 299").wait_for()
    lasting.wait_for_function("() => [...document.querySelectorAll('.lw-pick img')].some(own => own.naturalWidth)")
    assert 0 < len(asked) <= 10
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_a_file_that_has_just_come_is_found(lasting: Page, standin: Standin) -> None:
    opened(lasting)
    lasting.keyboard.press("Escape")
    folder = standin.host.adapter_directory() / "picked"
    (folder / "a new one.safetensors").write_bytes((folder / "teapot 001.safetensors").read_bytes())
    picker = opened(lasting)
    picker.get_by_text("a new one").wait_for()
    (folder / "a new one.safetensors").unlink()
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_a_look_at_all_files_is_told_while_it_goes_on(lasting: Page) -> None:
    told = {"total": 0, "families": [], "cards": [], "reading": {"done": 0, "total": 0}, "version": 0, "note": ""}
    lasting.route("**/lora_workbench/vault?*", lambda route: route.fulfill(json=told), times=1)
    lasting.evaluate(OPEN, [{"1": {"class_type": "LW_Stack", "inputs": {"rows": ""}}}, []])
    lasting.get_by_role("button", name="Add an adapter").press("Enter")
    picker = lasting.locator(".lw-picker")
    picker.get_by_text("Looking at the files").wait_for()
    picker.get_by_text(f"{MANY} adapters", exact=True).wait_for()
    lasting.keyboard.press("Escape")
