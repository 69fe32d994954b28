"""Run by ComfyUI's own Python: what ComfyUI would tell the front end about the nodes, and what our host in it does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from comfyui_process import main


def describe() -> dict[str, Any]:
    sys.path.insert(0, str(Path(__file__).parent))
    import lora_workbench as extension
    from example_nodes import examples
    from lora_workbench.nodes.host import io

    async def listed() -> list[Any]:
        loaded = await extension.comfy_entrypoint()
        await loaded.on_load()
        return await loaded.get_node_list()

    known = {node.GET_SCHEMA().node_id: node.GET_NODE_INFO_V1() for node in asyncio.run(listed())}
    return {"nodes": known, "examples": {n.GET_SCHEMA().node_id: n.GET_NODE_INFO_V1() for n in examples(io)}}


def load() -> bool:
    """Load the extension as ComfyUI does, and wait for what it does in the background."""
    import threading

    import lora_workbench as extension

    async def loaded() -> None:
        await (await extension.comfy_entrypoint()).on_load()

    asyncio.run(loaded())
    background = [thread for thread in threading.enumerate() if thread.name == "lora-workbench-tidy-up"]
    for thread in background:
        thread.join(timeout=60)
    return all(thread.daemon for thread in background)


def drive() -> dict[str, Any]:
    import comfy.model_management
    import torch
    from lora_workbench.engine.core.events import Message, Progress, StepDone
    from lora_workbench.nodes.host import host

    seen: dict[str, Any] = {}

    def loop(interrupt: bool) -> Generator[Any, None, str]:
        seen["inference"], seen["gradients"] = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
        try:
            yield Message(text="starting")
            yield Progress(done=1, total=2, label="encoding")
            if interrupt:
                comfy.model_management.interrupt_current_processing()
            yield StepDone(step=1, steps=2, loss=0.5, learning_rate=1e-4, seconds=0.1)
        except GeneratorExit:
            seen["closed"] = True
            raise
        return "done"

    with torch.inference_mode():
        seen["result"] = host().drive(loop(False))
        try:
            host().drive(loop(True))
        except comfy.model_management.InterruptProcessingException:
            seen["interrupted"] = True
    return seen


def paths() -> dict[str, Any]:
    from lora_workbench.nodes.host import host

    refused = []
    for find, name in (
        (host().dataset_path, "../x"),
        (host().adapter_path, "/etc/hosts"),
        (host().base_path, "a/../../b"),
    ):
        try:
            find(name)
        except Exception as error:
            refused.append(type(error).__name__)
    return {
        "store": str(host().store_root()),
        "adapters": str(host().adapter_directory()),
        "dataset": str(host().dataset_path("pictures")),
        "adapter": str(host().adapter_path("sub/a.safetensors")),
        "base": str(host().base_path("tiny")),
        "files": host().adapter_files(),
        "refused": refused,
    }


if __name__ == "__main__":
    main({"describe": describe, "load": load, "drive": drive, "paths": paths})
