"""What this installation has: libraries, ComfyUI, the demo base, a device."""

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
EXTRAS = {"wordfreq": "captions", "onnxruntime": "tags", "tensorboard": "tensorboard"}
"""Optional library -> the extra that installs it."""
LARGE_MODEL = 1_000_000_000
"""Parameters of a full-size base model, to ask for its dtype."""
IMPORT_TIMEOUT = 120
"""Seconds that the import of ComfyUI's modules may take."""


def findings() -> Iterator[tuple[str, str]]:
    """Pairs of a subject and what was found, one per line."""
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for library in LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            yield library, "not installed"
    for library, extra in EXTRAS.items():
        there = find_spec(library) is not None
        yield library, "installed" if there else f"not installed (optional, extra {extra})"
    yield from _comfyui()
    yield "demo base", str(DEMO_BASE) if (DEMO_BASE / "model_index.json").is_file() else "not found"
    yield from _devices()


def _comfyui() -> Iterator[tuple[str, str]]:
    """ComfyUI's folder, which holds this extension or is in COMFYUI_PATH, and the names that it lacks."""
    candidates = [PROJECT_ROOT.parents[1]] if PROJECT_ROOT.parent.name == "custom_nodes" else []
    if named := os.environ.get("COMFYUI_PATH"):
        candidates.append(Path(named).absolute())
    folder = next((folder for folder in candidates if (folder / "folder_paths.py").is_file()), None)
    if folder is None:
        yield "ComfyUI", "not found; if you have it, set COMFYUI_PATH to its folder"
        return
    yield "ComfyUI", str(folder)
    yield from _names(folder)


def _names(folder: Path) -> Iterator[tuple[str, str]]:
    interpreter = os.environ.get("COMFYUI_PYTHON", sys.executable)
    try:
        checked = subprocess.run(
            [interpreter, seam.__file__, str(folder)],
            capture_output=True, text=True, cwd=folder, timeout=IMPORT_TIMEOUT, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        stderr = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
        reason = (stderr.strip() or str(error)).splitlines()[-1]
        yield "its names", f"not checked: {interpreter} can't import ComfyUI ({reason})"
        yield "", "set COMFYUI_PYTHON to the Python that runs ComfyUI"
        return
    found = json.loads(checked.stdout.splitlines()[-1])
    yield "its version", f"{found['version']} (supported: {seam.OLDEST} or newer)"
    if not found["missing"]:
        yield "its names", f"all {found['names']} that we use exist"
    for place, need in found["missing"]:
        yield "its names", f"{place} is missing, which is needed to {need}"


def _devices() -> Iterator[tuple[str, str]]:
    try:
        import torch
    except ImportError:
        return
    from ...engine.core.devices import pick_device, pick_dtype

    device = pick_device("auto")
    if device.type == "cuda":
        yield "device", f"{device} ({torch.cuda.get_device_name(device)})"
    else:
        yield "device", f"{device} ({torch.get_num_threads()} CPU threads)"
    yield "fast dtype", f"{str(pick_dtype('auto', device, LARGE_MODEL)).removeprefix('torch.')} for large models"
