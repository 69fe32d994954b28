"""What we show in nodes and tabs can be read in ComfyUI's light theme, in both renderers and from afar."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from test_accessibility import TOGGLE, assert_accessible
from test_gallery import dataset
from test_training_panel import store
from test_zoom import a_data_set, a_text, a_training

if TYPE_CHECKING:
    from lora_workbench.engine.data.dataset import Dataset
    from playwright.sync_api import Page
    from standin import Standin

pytestmark = pytest.mark.pages

__all__ = ["dataset", "store"]  # fixtures

NODES = {
    "1": ("LW_Stack", {"rows": "# mine\non | fox | 0.8 | 0.6 | mid=0.5\noff | riso | 0.4"}),
    "2": ("LW_Recipe", {"goal": "subject", "quality": "standard", "settings": "rank = 8\nnoise_offset = 9"}),
    "3": ("LW_TrainLoRA", {"seed": 1, "name": "fox"}),
    "4": ("LW_EditCaptions", {}),
    "5": ("LW_SaveAdapter", {}),
}
OPEN = """async prompt => {
    await app.loadApiJson(prompt, "light")
    app.rootGraph.nodes.forEach((node, at) => { node.pos = [460 * at, 0] })
    Object.assign(app.canvas.ds, { scale: 0.5, offset: [200, 120] })
    app.canvas.setDirty(true, true)
}"""
CHOOSE = "palette => app.extensionManager.setting.set('Comfy.ColorPalette', palette)"
LIGHT = "() => getComputedStyle(document.querySelector('.lw')).color"
PLACES = (".lw-stack", ".lw-recipe", ".lw-training", ".lw-gallery", ".comfy-multiline-input[aria-label=Result]")


@pytest.fixture
def light(lasting: Page) -> Iterator[Page]:
    lasting.evaluate(CHOOSE, "light")
    yield lasting
    lasting.evaluate(CHOOSE, "dark")


def test_all_of_it(light: Page, standin: Standin, dataset: Dataset, store: object) -> None:
    del store
    prompt = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in NODES.items()}
    light.evaluate(OPEN, prompt)
    a_training(standin, "3", dataset)
    a_data_set(standin, "4", dataset)
    a_text(standin, "5", dataset)
    light.locator(".lw-recipe [data-group]").first.wait_for()
    light.wait_for_selector(".lw-tile .lw-caption")
    red, green, blue = (int(part) for part in light.evaluate(LIGHT)[4:-1].split(",")[:3])
    assert max(red, green, blue) < 110, "the texts are dark"
    for place in PLACES:
        assert_accessible(light, place)
    for tab, place in (("vault", ".lw-vault"), ("runs", ".lw-runs")):
        light.evaluate(TOGGLE, f"lora-workbench-{tab}")
        assert_accessible(light, place)
        light.evaluate(TOGGLE, f"lora-workbench-{tab}")
