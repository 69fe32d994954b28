"""What of libraries, devices, models and ComfyUI can be seen from here."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ...engine.core.resources import DEMO_BASE, PROJECT_ROOT
from ..native import seam

LIBRARIES = ("lora-workbench", "torch", "diffusers", "accelerate", "transformers", "safetensors")
EXTRAS = {"wordfreq": "captions", "onnxruntime": "tags"}
"""Library that few users need -> the extra that it belongs to."""
LARGE_MODEL = 1_000_000_000
"""Parameters of a full-size base model."""
LONGEST_LOOK = 120
"""Seconds that ComfyUI's modules may take to import."""


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
    yield from _comfyui()
    yield "demo base", str(DEMO_BASE) if (DEMO_BASE / "model_index.json").is_file() else "not found"
    yield from _devices()


def _comfyui() -> Iterator[tuple[str, str]]:
    """ComfyUI's folder, which this extension lies in or COMFYUI_PATH names, and what we use of it that it lacks."""
    candidates = [PROJECT_ROOT.parents[1]] if PROJECT_ROOT.parent.name == "custom_nodes" else []
    if named := os.environ.get("COMFYUI_PATH"):
        candidates.append(Path(named).absolute())
    folder = next((folder for folder in candidates if (folder / "folder_paths.py").is_file()), None)
    if folder is None:
        yield "ComfyUI", "not found; set COMFYUI_PATH to its folder if there is one"
        return
    yield "ComfyUI", str(folder)
    yield from _names(folder)


def _names(folder: Path) -> Iterator[tuple[str, str]]:
    interpreter = os.environ.get("COMFYUI_PYTHON", sys.executable)
    try:
        looked = subprocess.run(
            [interpreter, seam.__file__, str(folder)],
            capture_output=True, text=True, cwd=folder, timeout=LONGEST_LOOK, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        yield "its names", f"not checked: {interpreter} can't import ComfyUI ({said})"
        yield "", "set COMFYUI_PYTHON to the Python that runs ComfyUI"
        return
    found = json.loads(looked.stdout.splitlines()[-1])
    yield "its version", f"{found['version']}; supported from {seam.OLDEST} on"
    if not found["missing"]:
        yield "its names", f"all {found['names']} that we use are there"
    for place, need in found["missing"]:
        yield "its names", f"{place} is missing, so it can't {need}"


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
