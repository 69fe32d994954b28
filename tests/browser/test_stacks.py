"""The rows of *Stack*, as the page queues them, run in ComfyUI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from comfyui_server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

RESULTS = "() => [...document.querySelectorAll('textarea[aria-label=Result]')].map(shown => shown.value).join()"


def test_the_rows_run(front_end: Page, server: Server) -> None:
    save_phrases(server, "fox", ["tok fox", "tok cub"])
    prompt = f"on a hill {uuid4().hex}"  # of which ComfyUI has nothing yet
    graph: dict[str, Any] = {
        "1": {"class_type": "LW_Stack", "inputs": {"rows": "on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5"}},
        "2": {"class_type": "LW_Prompt", "inputs": {"prompt": prompt, "placement": "start", "stack": ["1", 0]}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}},
    }
    front_end.evaluate("async prompt => { await app.loadApiJson(prompt, 'run'); await app.queuePrompt(0) }", graph)
    front_end.wait_for_function(f"text => ({RESULTS})().includes(text)", arg=f"tok fox, {prompt}")


def save_phrases(server: Server, name: str, phrases: list[str]) -> None:
    """An adapter with trigger phrases, in a sub-folder."""
    import json

    import torch
    from lora_workbench.engine.adapters.adapter import Adapter
    from lora_workbench.engine.adapters.files import save_adapter
    from lora_workbench.engine.adapters.kinds import LowRank

    update = LowRank(down=torch.ones(2, 4), up=torch.ones(4, 2), alpha=2.0)
    modules = {"denoiser.mid_block.attentions.0.proj_in": update}
    adapter = Adapter(name=name, family="sd1", modules=modules, metadata={"lw.triggers": json.dumps(phrases)})
    save_adapter(adapter, server.folder / "models" / "loras" / "subjects" / f"{name}.safetensors", key_style="kohya")
