"""Importing the extension is cheap: ComfyUI waits for it at every start."""

from __future__ import annotations

import json
import subprocess
import sys

LOAD = """
import asyncio
import lora_workbench
extension = asyncio.run(lora_workbench.comfy_entrypoint())
nodes = asyncio.run(extension.get_node_list())
schemas = [node.GET_SCHEMA() for node in nodes]
"""
LIMIT_MS = 150


def run(code: str) -> str:
    """What a fresh interpreter prints last."""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def test_loads_no_heavy_library_by_itself():
    heavy = ("torch", "diffusers", "peft", "transformers", "accelerate")
    code = f"{LOAD}\nimport json, sys\nprint(json.dumps([len(nodes), [n for n in {heavy!r} if n in sys.modules]]))"
    count, loaded = json.loads(run(code))
    assert count > 0
    assert loaded == []


def test_takes_less_than_150_ms_beside_torch():
    """The fastest of three fresh processes: other work on the machine only ever adds time."""
    code = f"import time, torch\nbegun = time.perf_counter()\n{LOAD}\nprint((time.perf_counter() - begun) * 1000)"
    fastest = min(float(run(code)) for _ in range(3))
    assert fastest < LIMIT_MS
