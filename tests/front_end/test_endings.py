"""Messages about trainings and batches that have ended: each once, in whatever workflow, unless they are turned off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conftest import DRAWN_EITHER_WAY
from test_training_panel import begin

if TYPE_CHECKING:
    from conftest import Opened
    from playwright.sync_api import Locator, Page
    from standin import Standin

FINISHED = {"id": "a", "kind": "training", "name": "fox", "outcome": "finished", "told": "300 steps in 52 s; best 240"}
OTHER_WORKFLOW = "async () => { await app.loadApiJson({1: {class_type: 'LW_Recipe', inputs: {}}}, 'other') }"
HIDE = """hidden => Object.defineProperty(document, "visibilityState", {
    value: hidden ? "hidden" : "visible", configurable: true,
})"""
TELL = "on => app.extensionManager.setting.set('LoRAWorkbench.TellEndings', on)"
SEEN = "() => document.dispatchEvent(new Event('visibilitychange'))"


def end(standin: Standin, **more: Any) -> None:
    standin.send("lora_workbench.ended", {**FINISHED, "node": "1", "prompt_id": "p", "client": None, **more})


def messages(page: Page) -> Locator:
    return page.locator(".p-toast-message")


@DRAWN_EITHER_WAY
def test_a_training_that_ends_is_told_once_though_another_workflow_is_open(lasting: Page, standin: Standin) -> None:
    begin(lasting, standin, 10)
    lasting.evaluate(OTHER_WORKFLOW)
    for _ in range(2):
        end(standin)
    messages(lasting).get_by_text("fox is trained").wait_for()
    end(standin, id="b", name="riso", outcome="stopped", told="step 40 of 300 in 8 s")
    messages(lasting).get_by_text("The training of riso was stopped").wait_for()
    assert messages(lasting).count() == 2
    assert messages(lasting).first.inner_text().splitlines()[-1] == FINISHED["told"]


def test_an_error_stays_and_is_only_text(opened: Opened, standin: Standin) -> None:
    page = opened.open(standin)
    page.clock.install()
    hostile = "<img src=x onerror=window.lwHit=1>"
    end(standin, kind="batch", name=hostile, outcome="failed", told=f"{hostile} has no caption.")
    end(standin, id="b")
    messages(page).get_by_text(f"The batch {hostile} failed").wait_for()
    messages(page).get_by_text("fox is trained").wait_for()
    page.clock.fast_forward(20_000)
    messages(page).get_by_text("fox is trained").wait_for(state="detached")
    assert messages(page).count() == 1
    assert page.evaluate("window.lwHit") is None


@DRAWN_EITHER_WAY
def test_a_page_that_nobody_looks_at_waits(lasting: Page, standin: Standin) -> None:
    lasting.evaluate(HIDE, True)
    end(standin, id="unseen")
    lasting.wait_for_timeout(500)
    assert messages(lasting).count() == 0
    lasting.evaluate(HIDE, False)
    lasting.evaluate(SEEN)
    messages(lasting).get_by_text("fox is trained").wait_for()


@DRAWN_EITHER_WAY
def test_a_second_tab_does_not_tell_it_again(lasting: Page, standin: Standin) -> None:
    other = lasting.context.new_page()
    other.goto(standin.url)
    other.wait_for_function("window.app?.rootGraph && 'LW_Stack' in (window.LiteGraph?.registered_node_types ?? {})")
    end(standin, id="in two tabs")
    lasting.wait_for_function("localStorage['LoRAWorkbench.Told']?.includes('in two tabs')")
    lasting.wait_for_timeout(500)
    told = [messages(own).get_by_text("fox is trained").count() for own in (lasting, other)]
    other.close()
    assert sum(told) == 1


@DRAWN_EITHER_WAY
def test_they_can_be_turned_off(lasting: Page, standin: Standin) -> None:
    lasting.evaluate(TELL, False)
    end(standin, id="untold")
    lasting.wait_for_timeout(500)
    assert messages(lasting).count() == 0
    lasting.evaluate(TELL, True)
