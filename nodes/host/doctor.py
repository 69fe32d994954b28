"""What of libraries, devices, models and ComfyUI can be seen from here."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ...engine.core.resources import DEMO_BASE, PROJECT_ROOT

LIBRARIES = ("lora-workbench", "torch", "diffusers", "accelerate", "transformers", "safetensors")
EXTRAS = {"wordfreq": "captions", "onnxruntime": "tags"}
"""Library that few users need -> the extra that it belongs to."""
LARGE_MODEL = 1_000_000_000
"""Parameters of a full-size base model."""


def findings() -> Iterator[tuple[str, str]]:
    """Subject and what was found, line by line."""
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for library in LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            yield library, "not installed"
    for library, extra in EXTRAS.items():
        there = find_spec(library) is not None
        yield library, "installed" if there else f"not installed; only the extra {extra} needs it"
    yield "ComfyUI", _comfyui()
    yield "demo base", _demo_base()
    yield from _devices()


def _comfyui() -> str:
    """ComfyUI's folder: the one that this extension lies in, or the one that COMFYUI_PATH names."""
    candidates = [PROJECT_ROOT.parents[1]] if PROJECT_ROOT.parent.name == "custom_nodes" else []
    if named := os.environ.get("COMFYUI_PATH"):
        candidates.append(Path(named))
    for folder in candidates:
        if (folder / "folder_paths.py").is_file():
            return str(folder)
    return "not found; set COMFYUI_PATH to its folder if there is one"


def _demo_base() -> str:
    return str(DEMO_BASE) if (DEMO_BASE / "model_index.json").is_file() else "not there"


def _devices() -> Iterator[tuple[str, str]]:
    try:
        import torch
    except ImportError:
        return
    from ...engine.core.devices import pick_device, pick_dtype

    device = pick_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    yield "device", f"{device} ({name})"
    yield "fast dtype", f"{str(pick_dtype('auto', device, LARGE_MODEL)).removeprefix('torch.')} for large models"
