"""Importing the extension is cheap: ComfyUI waits for it at every start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOAD = """
import asyncio
import lora_workbench
extension = asyncio.run(lora_workbench.comfy_entrypoint())
nodes = asyncio.run(extension.get_node_list())
schemas = [node.GET_SCHEMA() for node in nodes]
"""
LIMIT_MS = 150
SHARE = 0.2
"""Of the time of torch, on slower machines."""
AS_COMFYUI_DOES = """
import asyncio, importlib.util, os, sys
folder = sys.argv[1]
name = folder.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, os.path.join(folder, "__init__.py"))
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
assert os.path.isdir(os.path.join(folder, module.WEB_DIRECTORY))
assert not hasattr(module, "NODE_CLASS_MAPPINGS")
extension = asyncio.run(module.comfy_entrypoint())
nodes = asyncio.run(extension.get_node_list())
assert isinstance(nodes, list)
assert "lora_workbench" not in sys.modules
print(len(nodes))
"""
"""A custom node is loaded from its path, under a name that isn't ours and isn't even an identifier."""


def run(code: str, *arguments: str) -> str:
    """What a fresh interpreter prints last."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def test_loads_from_its_path_under_another_name(root: Path):
    assert int(run(AS_COMFYUI_DOES, str(root))) > 0


def test_loads_no_heavy_library_by_itself():
    heavy = ("torch", "diffusers", "peft", "transformers", "accelerate")
    code = f"{LOAD}\nimport json, sys\nprint(json.dumps([len(nodes), [n for n in {heavy!r} if n in sys.modules]]))"
    count, loaded = json.loads(run(code))
    assert count > 0
    assert loaded == []


def test_takes_a_fraction_of_what_torch_takes():
    """The processor's time in the fastest of three fresh processes: other work on the machine only ever adds to it.

    Whether Python looks through torch's objects for garbage meanwhile, which takes as long, is a matter of chance.
    """
    code = f"""
import gc, time
begun = time.process_time()
import torch
between = time.process_time()
gc.freeze()
{LOAD}
print((between - begun) * 1000, (time.process_time() - between) * 1000)
"""
    torch, ours = (min(times) for times in zip(*(map(float, run(code).split()) for _ in range(3)), strict=True))
    assert ours < max(LIMIT_MS, SHARE * torch)
