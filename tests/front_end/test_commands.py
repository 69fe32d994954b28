"""Our commands: by keys, in the menu, and with no key that ComfyUI has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import DRAWN_EITHER_WAY
from waiting import until

if TYPE_CHECKING:
    from conftest import Opened
    from playwright.sync_api import Page
    from standin import Standin

KEYS_OF = {
    "LoRAWorkbench.Vault": "L:false:false:false",
    "LoRAWorkbench.Runs": "T:false:false:false",
    "LoRAWorkbench.Stop": "ENTER:true:true:true",
}
KEYS = """() => Object.fromEntries(app.extensionManager.command.commands
    .filter(own => own.id.startsWith("LoRAWorkbench.")).map(own => [own.id, own.keybinding?.combo.serialize()]))"""
CANVAS = "() => document.activeElement?.blur()"


@DRAWN_EITHER_WAY
def test_keys_open_the_tabs_and_stop_the_training(lasting: Page, standin: Standin) -> None:
    lasting.evaluate(CANVAS)
    lasting.keyboard.press("l")
    lasting.locator(".lw-vault").wait_for()
    lasting.evaluate(CANVAS)
    lasting.keyboard.press("t")
    lasting.locator(".lw-runs").wait_for()
    lasting.evaluate(CANVAS)
    standin.host.node = "7"
    standin.send("executing", {"node": "7"})
    lasting.wait_for_timeout(500)  # until the page has heard it
    lasting.keyboard.press("Control+Alt+Shift+Enter")
    lasting.get_by_text("No training is in progress.").wait_for()
    until(lasting, lambda: ("/lora_workbench/stop", {"node": "7"}) in standin.posted, True)
    assert standin.prompts == []


@DRAWN_EITHER_WAY
def test_letters_are_letters_where_people_type(lasting: Page) -> None:
    lasting.evaluate(CANVAS)
    lasting.keyboard.press("l")
    search = lasting.locator(".lw-vault input[type=search]")
    search.fill("")  # what was looked for last
    search.press_sequentially("tl")
    assert search.input_value() == "tl"
    assert lasting.locator(".lw-runs").count() == 0
    search.fill("")
    lasting.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")


@pytest.mark.parametrize("which", ["standin", "newest"])
def test_the_front_end_has_none_of_these_keys(opened: Opened, which: str, request: pytest.FixtureRequest) -> None:
    """It refuses a key that it has already, and says so on the console, as :class:`conftest.Watch` sees."""
    server: Standin = request.getfixturevalue(which)
    server.forget()
    page = opened.open(server)
    assert page.evaluate(KEYS) == KEYS_OF
    assert not [said for said in opened.said() if "already exists" in said]


@DRAWN_EITHER_WAY
def test_the_menu_has_them(lasting: Page) -> None:
    assert_in_menu(lasting, "Open the vault of adapters")


def assert_in_menu(page: Page, label: str) -> None:
    """The menu has a command of ours that opens the vault, which is closed again."""
    page.locator(".comfy-menu-button-wrapper").click()
    page.locator("[aria-label='Extensions'], [aria-label='扩展']").first.hover()
    page.get_by_text("LoRA Workbench", exact=True).first.hover()
    page.locator(".p-tieredmenu, .p-menubar").get_by_text(label).first.click()
    page.locator(".lw-vault").wait_for()
    page.evaluate("() => app.extensionManager.sidebarTab.toggleSidebarTab('lora-workbench-vault')")
