"""Our texts in the language that the user has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Opened
    from standin import Standin

SHOW = "id => app.extensionManager.sidebarTab.toggleSidebarTab(id)"


def test_a_page_in_chinese_has_our_texts_in_chinese(opened: Opened, standin: Standin) -> None:
    page = opened.open(standin, Comfy__Locale="zh")
    page.evaluate(SHOW, "lora-workbench-vault")
    page.get_by_label("搜索 LoRA").wait_for()
    titles = page.evaluate("() => app.extensionManager.getSidebarTabs().map(tab => tab.title)")
    assert {"LoRA 库", "训练记录"} <= set(titles)
    assert (
        page.evaluate("() => app.extensionManager.command.commands.map(own => own.id)").count("LoRAWorkbench.Stop") == 1
    )
