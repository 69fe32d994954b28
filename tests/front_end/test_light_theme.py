"""What we show in nodes and tabs can be read in ComfyUI's light theme, in both renderers and from afar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_accessibility import TOGGLE, assert_accessible
from test_gallery import dataset
from test_training_panel import store
from test_zoom import a_data_set, a_text, a_training

if TYPE_CHECKING:
    from conftest import Opened
    from lora_workbench.engine.data.dataset import Dataset
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
LIGHT = "() => getComputedStyle(document.querySelector('.lw')).color"
PLACES = (".lw-stack", ".lw-recipe", ".lw-training", ".lw-gallery", ".comfy-multiline-input[aria-label=Result]")


@pytest.mark.parametrize("renderer", ["canvas", "vue"])
def test_all_of_it(opened: Opened, standin: Standin, dataset: Dataset, store: object, renderer: str) -> None:
    del store
    page = opened.open(standin, renderer, Comfy__ColorPalette="light")
    prompt = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in NODES.items()}
    page.evaluate(OPEN, prompt)
    a_training(standin, "3", dataset)
    a_data_set(standin, "4", dataset)
    a_text(standin, "5", dataset)
    page.locator(".lw-recipe [data-group]").first.wait_for()
    page.wait_for_selector(".lw-tile .lw-caption")
    red, green, blue = (int(part) for part in page.evaluate(LIGHT)[4:-1].split(",")[:3])
    assert max(red, green, blue) < 110, "the texts are dark"
    for place in PLACES:
        assert_accessible(page, place)
    for tab, place in (("vault", ".lw-vault"), ("runs", ".lw-runs")):
        page.evaluate(TOGGLE, f"lora-workbench-{tab}")
        assert_accessible(page, place)
