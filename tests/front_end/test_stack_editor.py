"""The editor of *Stack* in both kinds of nodes: all that it does ends up in the text that the workflow holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from conftest import DRAWN_EITHER_WAY
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from standin import Standin

ROWS = "# my mix\non | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5\noff | riso.safetensors | 0.4"
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "stack")
    Object.assign(app.canvas.ds, {scale: 1, offset: [90, 60]})
}"""
QUEUED = "async () => Object.values((await app.graphToPrompt()).output)[0].inputs.rows"
REOPENED = """async () => {
    await app.loadGraphData(app.rootGraph.serialize())
    const saved = app.rootGraph.serialize().nodes.map(node => node.widgets_values)
    return [saved, Object.values((await app.graphToPrompt()).output)[0].inputs.rows]
}"""


@pytest.fixture(scope="module")
def library(standin: Standin) -> None:
    """Adapters in sub-folders, one with two trigger phrases."""
    import torch

    update = LowRank(down=torch.ones(2, 4), up=torch.ones(4, 2), alpha=2.0)
    modules = {f"denoiser.{block}.attentions.0.proj_in": update for block in ("mid_block", "up_blocks.1")}
    for name, phrases in {
        "subjects/fox": ["tok fox", "tok cub"],
        "riso": ["riso print"],
        "a/owl": [],
        "b/owl": [],
        "giant": [],
    }.items():
        metadata = {"lw.triggers": json.dumps(phrases), "lw.family": "flux1" if name == "giant" else "sd1"}
        adapter = Adapter(name=name.split("/")[-1], family="sd1", modules=modules, metadata=metadata)
        save_adapter(adapter, standin.folder / "output" / "loras" / f"{name}.safetensors", key_style="kohya")


@pytest.fixture
def editor(lasting: Page, library: None) -> Locator:
    del library
    lasting.evaluate(OPEN, {"1": {"class_type": "LW_Stack", "inputs": {"rows": ROWS}}})
    editor = lasting.locator(".lw-stack")
    editor.get_by_role("button", name="Turn off the trigger tok fox", exact=True).wait_for()
    return editor


def lines(lasting: Page) -> list[str]:
    """What the graph would be queued with."""
    return lasting.evaluate(QUEUED).splitlines()


def row(editor: Locator, number: int) -> Locator:
    return editor.locator(".lw-row:has(.lw-line)").nth(number)


def press(editor: Locator, name: str) -> None:
    editor.get_by_role("button", name=name, exact=True).click()


def test_every_part_of_a_row_is_edited(lasting: Page, editor: Locator) -> None:
    fox, riso = row(editor, 0), row(editor, 1)
    riso.get_by_role("switch").click()
    fox.get_by_label("Weight for the denoiser").fill("0.7")
    riso.get_by_label("Weight for the text encoder; empty: the same").fill("0")
    press(fox, "Turn on the trigger tok cub")
    press(riso, "Turn off the trigger riso print")
    fox.get_by_label("Block weights", exact=True).fill("all=0, up.1=1")
    fox.get_by_label("Block weights", exact=True).blur()
    assert lines(lasting) == [
        "# my mix", "on | subjects/fox.safetensors | 0.7 | 0.6 | all=0, up.1=1 | tok fox; tok cub",
        "on | riso.safetensors | 0.4 | 0 | | -",
    ]  # fmt: skip
    press(fox, "Turn off the trigger tok cub")
    press(riso, "Turn on the trigger riso print")
    editor.get_by_role("switch", name="Turn all rows off").click()
    assert lines(lasting)[1:] == [
        "off | subjects/fox.safetensors | 0.7 | 0.6 | all=0, up.1=1", "off | riso.safetensors | 0.4 | 0",
    ]  # fmt: skip


@DRAWN_EITHER_WAY
def test_a_phrase_of_ones_own_is_added_once(lasting: Page, editor: Locator) -> None:
    press(row(editor, 1), "Add a trigger phrase")
    lasting.keyboard.type("in ink | too")
    row(editor, 0).get_by_label("Weight for the denoiser").click()
    lasting.keyboard.press("ArrowUp")
    lasting.keyboard.press("Tab")
    assert lines(lasting)[1:] == [
        "on | subjects/fox.safetensors | 0.85 | 0.6 | mid=0.5",
        "off | riso.safetensors | 0.4 | | | riso print; in ink too",
    ]  # fmt: skip


@DRAWN_EITHER_WAY
def test_a_line_of_text_becomes_a_row(lasting: Page, editor: Locator) -> None:
    editor.get_by_label("Line of text").fill("on | b/owl | 0.2")
    row(editor, 1).get_by_role("switch").click()
    assert lines(lasting)[0] == "on | b/owl | 0.2"
    assert row(editor, 0).locator(".lw-name :is(small, b)").all_text_contents() == ["b/", "owl"]


def test_what_is_being_typed_is_queued_by_keys(lasting: Page, editor: Locator) -> None:
    """Without leaving the field first, which is when fields tell of a change."""
    field = row(editor, 0).get_by_label("Weight for the denoiser")
    field.press("Control+a")
    field.press_sequentially("0.35")
    field.press("Control+Enter")
    assert lines(lasting)[1].split(" | ")[2] == "0.35"


def test_rows_are_added_moved_and_removed_by_keys_alone(lasting: Page, editor: Locator) -> None:
    editor.get_by_role("button", name="Add an adapter").focus()
    lasting.keyboard.press("Enter")
    lasting.get_by_role("combobox", name="Search", exact=True).press_sequentially("owl B")
    lasting.keyboard.press("Enter")
    row(editor, 2).wait_for()
    row(editor, 2).locator(".lw-handle").focus()
    lasting.keyboard.press("ArrowUp")
    lasting.keyboard.press("ArrowUp")
    assert lines(lasting)[1] == "on | b/owl.safetensors | 1"
    lasting.keyboard.press("Delete")
    row(editor, 0).get_by_role("button", name="More for subjects/fox.safetensors").press("Enter")
    lasting.keyboard.press("ArrowDown")
    lasting.keyboard.press("Enter")
    assert [line.split(" | ")[1] for line in lines(lasting)[1:]] == [
        "subjects/fox.safetensors", "subjects/fox.safetensors", "riso.safetensors",
    ]  # fmt: skip
    assert len(lasting.evaluate("app.rootGraph.nodes.map(node => node.type)")) == 1, "Delete is for rows, not the node"


def test_rows_are_dragged(lasting: Page, editor: Locator) -> None:
    from_, to = (row(editor, number).locator(".lw-handle").bounding_box() for number in (0, 1))
    assert from_ and to
    lasting.mouse.move(from_["x"] + 5, from_["y"] + 5)
    lasting.mouse.down()
    lasting.mouse.move(to["x"] + 5, to["y"] + 40, steps=5)
    lasting.mouse.up()
    assert [line.split(" | ")[1] for line in lines(lasting)[1:]] == ["riso.safetensors", "subjects/fox.safetensors"]


@DRAWN_EITHER_WAY
def test_what_is_wrong_shows_at_its_row(editor: Locator) -> None:
    fox = row(editor, 0)
    fox.get_by_label("Block weights", exact=True).fill("down=0")
    fox.get_by_label("Weight for the denoiser").fill("0.5")
    fox.get_by_text("it has no block down").wait_for()
    press(editor, "Edit as text")
    editor.get_by_label("Rows as text").fill("on | owl\non | fox | 99")
    editor.get_by_label("Rows as text").blur()
    editor.get_by_text("line 2: '99' isn't a weight").wait_for()
    press(editor, "Edit as rows")
    editor.get_by_text("'99' isn't a weight from -10 to 10").wait_for()
    row(editor, 1).get_by_label("Weight for the denoiser").fill("1")
    row(editor, 1).get_by_label("Weight for the denoiser").blur()
    editor.get_by_text("'owl' may be a/owl.safetensors or b/owl.safetensors").wait_for()


@DRAWN_EITHER_WAY
def test_rows_of_other_programs_are_pasted(lasting: Page, editor: Locator) -> None:
    press(editor, "Edit as text")
    editor.get_by_label("Rows as text").fill('[{"lora_name": "riso.safetensors", "strength": 0.8, "enabled": false}]')
    press(editor, "Edit as rows")
    row(editor, 0).wait_for()
    assert lines(lasting) == ["off | riso.safetensors | 0.8"]


@DRAWN_EITHER_WAY
def test_presets_are_saved_and_loaded_by_name(lasting: Page, editor: Locator, standin: Standin) -> None:
    press(editor, "Save and load these rows by name")
    lasting.get_by_label("Name of the preset").fill("mix/1")
    lasting.keyboard.press("Enter")
    lasting.get_by_label("Name of the preset").wait_for(state="detached")
    file = standin.folder / "user/default/lora_workbench/stack_presets/mix-1.json"
    until(lasting, lambda: json.loads(file.read_text(encoding="utf-8")), {"rows": ROWS})
    row(editor, 0).locator(".lw-handle").press("Delete")
    press(editor, "Save and load these rows by name")
    lasting.get_by_role("button", name="mix-1", exact=True).click()
    row(editor, 1).wait_for()
    assert lines(lasting) == ROWS.splitlines()
    press(editor, "Save and load these rows by name")
    lasting.get_by_role("button", name="Delete the preset mix-1").click()
    lasting.get_by_role("button", name="mix-1", exact=True).wait_for(state="detached")
    until(lasting, file.exists, False)


def test_a_saved_workflow_holds_the_text(lasting: Page, editor: Locator) -> None:
    row(editor, 1).get_by_role("switch").click()
    saved, queued = lasting.evaluate(REOPENED)
    expected = ROWS.replace("off", "on")
    assert (saved, queued) == ([[expected]], expected)


def test_a_change_is_one_step_back(lasting: Page, editor: Locator) -> None:
    row(editor, 1).get_by_role("switch").click()
    row(editor, 1).locator(".lw-handle").press("Delete")
    assert len(lines(lasting)) == 2
    lasting.evaluate("document.activeElement.blur()")
    lasting.keyboard.press("Control+z")
    lasting.wait_for_function(f"async rows => await ({QUEUED})() === rows", arg=ROWS.replace("off", "on"))


def test_a_weight_is_dragged_and_turned_by_the_wheel(lasting: Page, editor: Locator) -> None:
    field = row(editor, 0).get_by_label("Weight for the denoiser")
    box = field.bounding_box()
    assert box is not None
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lasting.mouse.move(left, top)
    lasting.mouse.down()
    lasting.mouse.move(left + 20, top, steps=4)
    lasting.mouse.up()
    assert lines(lasting)[1].split(" | ")[2] == "1.05"
    field.focus()
    lasting.mouse.wheel(0, 100)
    lasting.wait_for_function("() => document.querySelector('.lw-weight').value === '1'")
    assert lines(lasting)[1].split(" | ")[2] == "1"


MENU = ["Block weights", "Duplicate", "Move down", "Inspect", "Open in the vault", "Copy trigger words", "Delete"]
FOX = "subjects/fox.safetensors"


def entries(lasting: Page) -> list[str]:
    return lasting.locator(".lw-popover [role=menu] button").all_inner_texts()


def enter(lasting: Page, name: str) -> None:
    lasting.locator(".lw-popover").get_by_role("button", name=name, exact=True).click()


def test_a_row_has_a_menu_for_the_mouse_and_for_keys(lasting: Page, editor: Locator) -> None:
    fox = row(editor, 0)
    fox.locator(".lw-name").click(button="right")
    assert entries(lasting) == [*MENU[:2], "Move up", *MENU[2:]], "below a comment"
    lasting.keyboard.press("Escape")
    fox.get_by_label("Weight for the denoiser").press("Shift+F10")
    enter(lasting, "Move up")
    row(editor, 0).locator(".lw-handle").press("ContextMenu")
    assert entries(lasting) == MENU
    lasting.keyboard.press("ArrowDown")
    lasting.keyboard.press("Enter")
    assert [line.split(" | ")[1] for line in lines(lasting) if "fox" in line] == [FOX, FOX]
    assert lasting.locator(".litecontextmenu, .p-contextmenu").count() == 0


def test_text_keeps_the_menu_of_the_browser(editor: Locator, lasting: Page) -> None:
    row(editor, 0).get_by_label("Block weights", exact=True).click(button="right")
    assert lasting.locator(".lw-popover").count() == 0


@DRAWN_EITHER_WAY
def test_a_row_without_a_file_has_no_card(lasting: Page, editor: Locator) -> None:
    editor.get_by_label("Line of text").fill("on | gone | 0.2")
    editor.get_by_label("Line of text").blur()
    row(editor, 0).get_by_text("There is no adapter 'gone'").wait_for()
    row(editor, 0).locator(".lw-name").click(button="right")
    assert entries(lasting) == ["Block weights", "Duplicate", "Move down", "Delete"]
    lasting.keyboard.press("Escape")


@DRAWN_EITHER_WAY
def test_an_adapter_is_inspected_and_measured(lasting: Page, editor: Locator) -> None:
    row(editor, 0).get_by_role("button", name=f"More for {FOX}").click()
    enter(lasting, "Inspect")
    card = lasting.locator(".lw-popover .lw-card")
    card.get_by_text("sd1 · lora · rank 2").wait_for()
    card.get_by_role("button", name=f"Insert nodes that measure {FOX}").click()
    prompt = lasting.evaluate("async () => (await app.graphToPrompt()).output")
    made = {node["class_type"]: (name, node["inputs"]) for name, node in prompt.items()}
    loader, inputs = made["LW_LoadAdapter"]
    assert inputs["adapter"] == FOX
    assert made["LW_InspectAdapter"][1]["adapter"] == [loader, 0]


@DRAWN_EITHER_WAY
def test_the_vault_shows_the_adapter_of_a_row(lasting: Page, editor: Locator) -> None:
    for number, name in ((0, "fox"), (1, "riso")):
        row(editor, number).locator(".lw-handle").press("Shift+F10")
        enter(lasting, "Open in the vault")
        tab = lasting.locator(".lw-vault")
        tab.get_by_text("1 adapter").wait_for()
        tab.get_by_role("heading", name=name, exact=True).wait_for()
    lasting.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")


@DRAWN_EITHER_WAY
def test_trigger_words_are_copied(lasting: Page, editor: Locator) -> None:
    lasting.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(row(editor, 0), "Turn on the trigger tok cub")
    row(editor, 0).locator(".lw-name").click(button="right")
    enter(lasting, "Copy trigger words")
    lasting.get_by_text("Copied: tok fox, tok cub").first.wait_for()
    assert lasting.evaluate("navigator.clipboard.readText()") == "tok fox, tok cub"


def test_what_the_rows_amount_to_is_told_as_a_weight_is_dragged(lasting: Page, editor: Locator) -> None:
    amount = editor.locator(".lw-amount")
    amount.get_by_text("Weights 0.8, amounting to 0.63 of at most 2").wait_for()
    fox = row(editor, 0)
    fox.get_by_label("Block weights", exact=True).fill("")
    fox.get_by_label("Weight for the denoiser").click()
    amount.get_by_text("Weights 0.8, amounting to 0.8 of at most 2").wait_for()
    box = fox.get_by_label("Weight for the denoiser").bounding_box()
    assert box is not None
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lasting.mouse.move(left, top)
    lasting.mouse.down()
    lasting.mouse.move(left + 40, top, steps=4)
    amount.get_by_text("Weights 1.3, amounting to 1.3 of at most 2").wait_for()
    lasting.mouse.move(left + 120, top, steps=4)
    amount.get_by_text("above 2 pictures tend to break").wait_for()
    lasting.mouse.up()
    amount.get_by_role("button", name="Multiply all weights by 0.7").click()
    amount.get_by_text("amounting to 1.6 of").wait_for()
    assert amount.locator(".lw-warning").count() == 0
    assert lines(lasting)[1] == f"on | {FOX} | 1.6 | 0.42"


@DRAWN_EITHER_WAY
def test_mixed_families_and_missing_files_are_warned_of(lasting: Page, editor: Locator) -> None:
    amount = editor.locator(".lw-amount")
    editor.get_by_label("Line of text").fill("on | giant | 0.2")
    editor.get_by_label("Line of text").blur()
    amount.get_by_text("Adapters of different families: flux1, sd1.").wait_for()
    amount.get_by_text("Weights 1", exact=True).wait_for()
    press(editor, "Edit as text")
    editor.get_by_label("Rows as text").fill(f"on | gone | 1\non | {FOX} | 0.5\noff | lost")
    editor.get_by_label("Rows as text").blur()
    amount.get_by_text("Missing files of rows that are on: 1.").wait_for()
    assert amount.get_by_text("families").count() == 0
    amount.get_by_text("Weights 0.5, amounting to 0.5").wait_for()


CUT = """() => {
    for (const node of app.graph.nodes) node.disconnectInput(node.inputs.findIndex(({ name }) => name === "stack"))
}"""


@DRAWN_EITHER_WAY
@pytest.mark.usefixtures("library")
def test_stacks_that_come_in_by_wire_count(lasting: Page) -> None:
    stacks = {
        "1": {"class_type": "LW_Stack", "inputs": {"rows": f"on | {FOX} | 0.8"}},
        "2": {"class_type": "LW_Stack", "inputs": {"rows": f"on | {FOX} | 0.4", "stack": ["1", 0]}},
    }
    lasting.evaluate(OPEN, stacks)
    lasting.get_by_text("Weights 0.8, amounting to 0.8 of at most 2").wait_for()
    lasting.get_by_text("Weights 1.2, amounting to 1.2 of at most 2").wait_for()
    weight = lasting.locator(".lw-stack").nth(0).get_by_label("Weight for the denoiser")
    weight.fill("1.7")
    weight.blur()
    lasting.get_by_text("The rows and connected stacks amount to 2.1; above 2").wait_for()
    lasting.evaluate(CUT)
    lasting.get_by_text("Weights 0.4, amounting to 0.4 of at most 2").wait_for()
