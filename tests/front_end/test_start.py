"""The page comes up with our nodes, in either renderer and in either front end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from conftest import Opened
    from playwright.sync_api import Page
    from standin import Standin


def test_the_page_has_our_nodes_and_asks_for_nothing_that_is_missing(lasting: Page, standin: Standin) -> None:
    known = lasting.evaluate("Object.keys(LiteGraph.registered_node_types)")
    assert {"LW_TrainLoRA", "LW_Stack", "KSampler"} <= set(known)
    assert not standin.unknown


def test_the_newest_front_end_comes_up_too(opened: Opened, newest: Standin) -> None:
    """With nodes drawn on a canvas; test_widget_lives.py has it with nodes made of Vue components."""
    newest.forget()
    page = opened.open(newest)
    assert "LW_TrainLoRA" in page.evaluate("Object.keys(LiteGraph.registered_node_types)")


def test_scripts_that_come_later_are_never_stale(standin: Standin) -> None:
    """ComfyUI itself lets browsers keep `.mjs`: after an update, old scripts would stand beside new ones."""
    address = f"{standin.url}/extensions/lora-workbench"
    with urlopen(f"{address}/recipe/form.mjs") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Type"] == "text/javascript"
    for path in ("none.mjs", "..%2f..%2fpyproject.mjs", "kit%2f..%2f..%2f..%2fetc%2fpasswd.mjs"):
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{address}/{path}")


def test_new_nodes_have_our_widgets_after_lists_were_read_again(lasting: Page) -> None:
    """As they are after each run that saved an adapter."""
    lasting.evaluate("async () => { await app.refreshComboInNodes() }")
    for kind, widget in (("LW_Stack", ".lw-stack"), ("LW_Recipe", ".lw-recipe")):
        prompt = {"1": {"class_type": kind, "inputs": {}}}
        lasting.evaluate("async prompt => { await app.loadApiJson(prompt, 'again') }", prompt)
        lasting.locator(widget).wait_for()
