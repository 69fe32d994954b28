"""Our texts in the language that the user has chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from conftest import Opened
from test_commands import assert_in_menu

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from standin import Standin

pytestmark = pytest.mark.pages

SHOW = "id => app.extensionManager.sidebarTab.toggleSidebarTab(id)"
COMMANDS = "() => app.extensionManager.command.commands.map(own => own.id)"
ADD = """type => {
  const node = LiteGraph.createNode(type)
  app.graph.add(node)
  const shown = slot => slot.label ?? slot.localized_name ?? slot.name
  return {
    title: node.title,
    inputs: node.inputs.filter(slot => !slot.widget).map(shown),
    outputs: node.outputs.map(shown),
    widgets: node.widgets.map(shown),
  }
}"""
DEFINITION = "type => LiteGraph.registered_node_types[type].nodeData"


@pytest.fixture(scope="module")
def chinese(browser: Browser, standin: Standin) -> Iterator[Page]:
    standin.forget()
    pages = Opened(browser)
    yield pages.open(standin, Comfy__Locale="zh")
    pages.close()


def test_a_page_in_chinese_has_our_texts_in_chinese(chinese: Page) -> None:
    chinese.evaluate(SHOW, "lora-workbench-vault")
    chinese.get_by_label("搜索 LoRA").wait_for()
    titles = chinese.evaluate("() => app.extensionManager.getSidebarTabs().map(tab => tab.title)")
    assert {"LoRA 库", "训练记录"} <= set(titles)
    assert chinese.evaluate(COMMANDS).count("LoRAWorkbench.Stop") == 1
    chinese.evaluate(SHOW, "lora-workbench-vault")


def test_the_menu_is_in_chinese(chinese: Page) -> None:
    assert_in_menu(chinese, "打开 LoRA 库")


def test_nodes_are_in_chinese(chinese: Page) -> None:
    shown = chinese.evaluate(ADD, "LW_TrainLoRA")
    assert shown["title"] == "训练 LoRA"
    assert {"数据集", "底模", "配方"} <= {*shown["inputs"]}
    assert {"种子", "名称"} <= {*shown["widgets"]}
    assert shown["outputs"][:3] == ["适配器", "损失曲线", "报告"]
    assert chinese.evaluate(DEFINITION, "LW_TrainLoRA")["category"] == "LoRA Workbench/训练"


def test_the_rows_of_a_stack_are_in_chinese(chinese: Page) -> None:
    chinese.evaluate(ADD, "LW_Stack")
    chinese.get_by_label("堆叠的各行").get_by_text("+ 添加").wait_for()


OPEN_RECIPE = """async () => {
    const inputs = {goal: "subject", quality: "standard", settings: "logit_std = 2"}
    await app.loadApiJson({"1": {class_type: "LW_Recipe", inputs}}, "recipe")
}"""


def test_the_form_of_a_recipe_is_in_chinese(chinese: Page) -> None:
    chinese.evaluate(OPEN_RECIPE)
    form = chinese.locator(".lw-recipe")
    form.locator("[data-group=adapter] summary").get_by_text("适配器").click()
    rank = form.locator("[data-setting=rank]")
    rank.get_by_role("spinbutton", name="秩 (rank)").wait_for()
    rank.get_by_text("取决于底模").wait_for()
    assert "更新的内部维度" in (rank.locator("label").get_attribute("title") or "")
    form.get_by_label("搜索设置").fill("logit_std")
    unused = "仅当 timestep_distribution 为 logit_normal 时有效。"
    form.locator("[data-setting=logit_std]").get_by_text(unused).wait_for()


def test_texts_with_signs_of_the_front_ends_syntax_are_shown_as_they_are(chinese: Page, drawn: Page) -> None:
    for page in (chinese, drawn):
        described = page.evaluate(DEFINITION, "LW_PromptMatrix")["description"]
        assert "{a|b}" in described and "${name}" in described
