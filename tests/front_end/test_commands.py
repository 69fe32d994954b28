"""Our commands: by keys, in the menu, and with no key that ComfyUI has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
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


def test_keys_open_the_tabs_and_stop_the_training(page: Page, standin: Standin) -> None:
    page.evaluate(CANVAS)
    page.keyboard.press("l")
    page.locator(".lw-vault").wait_for()
    page.evaluate(CANVAS)
    page.keyboard.press("t")
    page.locator(".lw-runs").wait_for()
    page.evaluate(CANVAS)
    standin.host.node = "7"
    standin.send("executing", {"node": "7"})
    page.wait_for_timeout(500)  # until the page has heard it
    page.keyboard.press("Control+Alt+Shift+Enter")
    page.get_by_text("No training is in progress.").wait_for()
    until(page, lambda: ("/lora_workbench/stop", {"node": "7"}) in standin.posted, True)
    assert standin.prompts == []


def test_letters_are_letters_where_people_type(page: Page) -> None:
    page.evaluate(CANVAS)
    page.keyboard.press("l")
    search = page.locator(".lw-vault input[type=search]")
    search.press_sequentially("tl")
    assert search.input_value() == "tl"
    assert page.locator(".lw-runs").count() == 0


@pytest.mark.parametrize("which", ["standin", "newest"])
def test_the_front_end_has_none_of_these_keys(opened: Opened, which: str, request: pytest.FixtureRequest) -> None:
    """It refuses a key that it has already, and says so on the console, as :class:`conftest.Watch` sees."""
    server: Standin = request.getfixturevalue(which)
    server.forget()
    page = opened.open(server)
    assert page.evaluate(KEYS) == KEYS_OF
    assert not [said for said in opened.said() if "already exists" in said]


@pytest.mark.parametrize(("language", "label"), [("en", "Open the vault of adapters"), ("zh", "打开 LoRA 库")])
def test_the_menu_has_them(opened: Opened, standin: Standin, language: str, label: str) -> None:
    page = opened.open(standin, Comfy__Locale=language)
    page.locator(".comfy-menu-button-wrapper").click()
    page.locator("[aria-label='Extensions'], [aria-label='扩展']").first.hover()
    page.get_by_text("LoRA Workbench", exact=True).first.hover()
    page.locator(".p-tieredmenu, .p-menubar").get_by_text(label).first.click()
    page.locator(".lw-vault").wait_for()
